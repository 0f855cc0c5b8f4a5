package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

type userRow struct {
	groups.User
	GroupNames []string
}

func userList(v *visit) error {
	all, err := v.Gateway.ListUsers(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	known, err := v.Gateway.ListGroups(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	var rows []userRow
	for _, u := range all {
		row := userRow{User: u}
		for _, id := range u.Groups {
			row.GroupNames = append(row.GroupNames, groupName(known, id))
		}
		rows = append(rows, row)
	}
	return v.show("users", "People", rows)
}

type userPage struct {
	Person   groups.User
	Groups   []groups.Group
	Sentence string
}

// Member tells whether the person belongs to a group.
func (p userPage) Member(id string) bool { return slices.Contains(p.Person.Groups, id) }

func newUserForm(v *visit) error {
	return v.showUser(http.StatusOK, groups.User{Role: groups.Agent}, "")
}

func userForm(v *visit) error {
	u, err := v.person(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.showUser(http.StatusOK, u, "")
}

// person finds one of all people.
func (v *visit) person(id string) (groups.User, error) {
	all, err := v.Gateway.ListUsers(v.r.Context(), v.actor())
	if err != nil {
		return groups.User{}, err
	}
	for _, u := range all {
		if u.ID == id {
			return u, nil
		}
	}
	return groups.User{}, gateway.ErrNotFound
}

func (v *visit) showUser(status int, u groups.User, words string) error {
	all, err := v.Gateway.ListGroups(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	title := "New person"
	if u.ID != "" {
		title = u.Name
	}
	return v.render(status, "user", title, userPage{Person: u, Groups: all, Sentence: words})
}

func saveUser(v *visit) error {
	u := groups.User{
		ID: v.r.PathValue("id"), Name: v.field("name"), Role: groups.Role(v.field("role")),
		Disabled: v.field("disabled") != "", Groups: v.r.PostForm["groups"],
	}
	var password *string
	if typed := v.secret("password"); typed != "" {
		password = &typed
	}
	saved, err := v.savePerson(v.r.Context(), v.actor(), u, password, v.sessions.Token(v.r.Context()))
	if err != nil {
		if words := sentenceOf(err); words != "" {
			return v.showUser(http.StatusUnprocessableEntity, u, words)
		}
		return err
	}
	return v.to("/users", saved.Name+" is saved.")
}

// savePerson stores a person. Whoever gets a new password or is disabled is logged out everywhere, except where the
// session's token is keep.
func (s *site) savePerson(ctx context.Context, a gateway.Actor, u groups.User, password *string, keep string) (groups.User, error) {
	saved, err := s.Gateway.SaveUser(ctx, a, u, password)
	if err != nil || u.ID == "" || password == nil && !saved.Disabled {
		return saved, err
	}
	return saved, s.store.endOthers(ctx, saved.ID, keep)
}

func deleteUserForm(v *visit) error { return v.confirmUser(http.StatusOK, "") }

func (v *visit) confirmUser(status int, words string) error {
	u, err := v.person(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p := confirmPage{
		Heading: "Delete this person?", Subject: u.Name, Sentence: words,
		Effects: []string{"The person can no longer log in, and their API tokens stop working. The activity log keeps their name."},
		Remedy:  "To lock somebody out for a while, disable them instead.",
		Back:    "/users/" + u.ID, Button: "Delete the person",
	}
	return v.render(status, "confirm", p.Heading, p)
}

func deleteUser(v *visit) error {
	if err := v.Gateway.DeleteUser(v.r.Context(), v.actor(), v.r.PathValue("id")); err != nil {
		if words := sentenceOf(err); words != "" {
			return v.confirmUser(http.StatusUnprocessableEntity, words)
		}
		return err
	}
	return v.to("/users", "The person is deleted.")
}

type tokenPage struct{ Name, Label, Token, Back string }

func newUserToken(v *visit) error {
	u, err := v.person(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	token, err := v.Gateway.NewToken(v.r.Context(), v.actor(), u.ID, v.field("label"))
	if err != nil {
		if words := sentenceOf(err); words != "" {
			return v.showUser(http.StatusUnprocessableEntity, u, words)
		}
		return err
	}
	return v.show("token", "API token", tokenPage{u.Name, v.field("label"), token, "/users/" + u.ID})
}

type accountPage struct{ Sentence string }

func account(v *visit) error { return v.show("account", "Your account", accountPage{}) }

// changePassword replaces the own password and ends the person's other sessions.
func changePassword(v *visit) error {
	err := v.samePasswords()
	if err == nil && !v.mayTryLogin(v.r, v.user.Name) {
		err = &gateway.Problem{Sentence: "Too many wrong passwords; wait half a minute, then try again."}
	}
	if err == nil {
		err = v.Gateway.ChangePassword(v.r.Context(), v.actor(), v.user.Name, v.secret("old"), v.secret("password"))
	}
	if err != nil {
		return v.refused(err, "account", "Your account", func(words string) any { return accountPage{words} })
	}
	v.rightLogin(v.r, v.user.Name)
	if err := v.sessions.RenewToken(v.r.Context()); err != nil {
		return err
	}
	if err := v.store.endOthers(v.r.Context(), v.user.ID, v.sessions.Token(v.r.Context())); err != nil {
		return err
	}
	return v.to("/account", "Your password is changed. Everywhere else you are logged out.")
}

func newOwnToken(v *visit) error {
	token, err := v.Gateway.NewToken(v.r.Context(), v.actor(), v.user.ID, v.field("label"))
	if err != nil {
		return v.refused(err, "account", "Your account", func(words string) any { return accountPage{words} })
	}
	return v.show("token", "API token", tokenPage{v.user.Name, v.field("label"), token, "/account"})
}
