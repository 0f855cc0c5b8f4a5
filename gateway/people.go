package gateway

import (
	"context"
	"errors"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// FirstRun tells whether no user exists yet.
func (g *Gateway) FirstRun(ctx context.Context) (bool, error) {
	users, err := g.Groups.Users(ctx)
	return len(users) == 0, err
}

// CreateFirstAdmin makes the first user, and fails with ErrForbidden when there is one already. The caller checked the
// set-up token.
func (g *Gateway) CreateFirstAdmin(ctx context.Context, name, password string) (groups.User, error) {
	var saved groups.User
	err := g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		// The entry goes first: its lock on the end of the log makes a second first administrator wait, and then see this one.
		e := activity.Entry{Actor: "sealgate", Act: "user.saved", Detail: map[string]string{"user": name, "role": string(groups.Admin)}}
		if err := g.record(ctx, tx, e); err != nil {
			return err
		}
		first, err := g.FirstRun(ctx)
		if err != nil {
			return err
		}
		if !first {
			return ErrForbidden
		}
		saved, err = g.Groups.SaveUser(ctx, tx, groups.User{Name: name, Role: groups.Admin}, &password, g.Now())
		return err
	})
	return saved, err
}

// Login checks a person's password and logs the attempt. The error is groups.ErrLogin when it is wrong.
func (g *Gateway) Login(ctx context.Context, name, password, remote string) (groups.User, error) {
	u, err := g.Groups.AuthenticateUser(ctx, name, password)
	return u, g.recordLogin(ctx, "user:"+name, "user.login", "", remote, err)
}

// recordLogin logs the outcome of a login and returns its error. A login that cannot be logged fails.
func (g *Gateway) recordLogin(ctx context.Context, actor, act, groupID, remote string, loginErr error) error {
	e := activity.Entry{Actor: actor, Act: act, GroupID: groupID, Detail: map[string]string{"remote": remote}}
	if loginErr != nil {
		if !errors.Is(loginErr, groups.ErrLogin) {
			return loginErr
		}
		e.Outcome = activity.Refused
	}
	if err := g.change(ctx, e, nil); err != nil {
		return errors.Join(loginErr, err)
	}
	return loginErr
}

// SaveUser creates or replaces a person. Admins only.
func (g *Gateway) SaveUser(ctx context.Context, a Actor, u groups.User, password *string) (groups.User, error) {
	if err := a.allow(groups.Admin); err != nil {
		return groups.User{}, err
	}
	var saved groups.User
	err := g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		var err error
		if saved, err = g.Groups.SaveUser(ctx, tx, u, password, g.Now()); err != nil {
			return err
		}
		detail := map[string]string{"user": saved.Name, "role": string(saved.Role)}
		if password != nil {
			detail["password"] = "changed"
		}
		if saved.Disabled {
			detail["disabled"] = "true"
		}
		return g.record(ctx, tx, activity.Entry{Actor: a.Name, Act: "user.saved", Detail: detail})
	})
	return saved, notFound(err)
}

// ChangePassword replaces a person's own password after checking the old one.
func (g *Gateway) ChangePassword(ctx context.Context, a Actor, name, old, password string) error {
	if a.Name != "user:"+name {
		return ErrForbidden
	}
	u, err := g.Groups.AuthenticateUser(ctx, name, old)
	if err != nil {
		return err
	}
	e := activity.Entry{Actor: a.Name, Act: "user.password-changed", Detail: map[string]string{"user": name}}
	return g.change(ctx, e, func(tx *gorm.DB) error {
		_, err := g.Groups.SaveUser(ctx, tx, u, &password, g.Now())
		return err
	})
}

// DeleteUser deletes a person. Admins only.
func (g *Gateway) DeleteUser(ctx context.Context, a Actor, id string) error {
	if err := a.allow(groups.Admin); err != nil {
		return err
	}
	e := activity.Entry{Actor: a.Name, Act: "user.deleted", Detail: map[string]string{"user": id}}
	return notFound(g.change(ctx, e, func(tx *gorm.DB) error { return g.Groups.DeleteUser(ctx, tx, id) }))
}

// ListUsers returns everybody. Admins only.
func (g *Gateway) ListUsers(ctx context.Context, a Actor) ([]groups.User, error) {
	if err := a.allow(groups.Admin); err != nil {
		return nil, err
	}
	return g.Groups.Users(ctx)
}

// NewToken makes an API token for a person: for oneself, or by an admin for anybody. It is shown once.
func (g *Gateway) NewToken(ctx context.Context, a Actor, userID, label string) (string, error) {
	u, err := g.Groups.User(ctx, userID)
	if err != nil {
		return "", notFound(err)
	}
	if a.Role != groups.Admin && a.Name != "user:"+u.Name {
		return "", ErrForbidden
	}
	var token string
	e := activity.Entry{Actor: a.Name, Act: "token.created", Detail: map[string]string{"user": u.Name, "label": label}}
	err = g.change(ctx, e, func(tx *gorm.DB) error {
		token, err = g.Groups.NewToken(ctx, tx, userID, label, g.Now())
		return err
	})
	return token, err
}
