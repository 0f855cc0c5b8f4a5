package groups

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// SaveUser creates or replaces a person; a nil password keeps the stored one. The last enabled admin cannot be
// disabled or demoted. Bad values are *Invalid.
func (s *Store) SaveUser(ctx context.Context, tx *gorm.DB, u User, password *string, at time.Time) (User, error) {
	tx = tx.WithContext(ctx)
	u, err := u.canonical()
	if err != nil {
		return User{}, err
	}
	row, err := userToSave(tx, u, at)
	if err != nil {
		return User{}, err
	}
	if err := s.setUserPassword(ctx, &row, password); err != nil {
		return User{}, err
	}
	if err := userFree(tx, row, u.Groups); err != nil {
		return User{}, err
	}
	upsert := tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}).Create(&row)
	if upsert.Error != nil {
		return User{}, taken(fmt.Errorf("save user: %w", upsert.Error), "name", "this name was taken a moment ago; choose another one")
	}
	if err := setUserGroups(tx, row.ID, u.Groups); err != nil {
		return User{}, err
	}
	saved := row.user()
	saved.Groups = u.Groups
	return saved, nil
}

// userToSave returns the stored row of u with u's values, or a new one. It refuses to take the last admin away.
func userToSave(tx *gorm.DB, u User, at time.Time) (userRow, error) {
	var row userRow
	if u.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return row, fmt.Errorf("save user: %w", err)
		}
		row.ID, row.CreatedMS = id.String(), at.UnixMilli()
	} else {
		if u.Role != Admin || u.Disabled {
			if err := keepAnAdmin(tx, u.ID); err != nil {
				return row, err
			}
		}
		if err := forUpdate(tx).Where("id = ?", u.ID).Take(&row).Error; err != nil {
			return row, one(err, "save user")
		}
	}
	row.Name, row.Role, row.Disabled, row.UpdatedMS = u.Name, u.Role, u.Disabled, at.UnixMilli()
	return row, nil
}

// keepAnAdmin is *Invalid when the user is the only enabled admin. It locks all of them until the transaction ends,
// so that two admins cannot remove each other at the same time.
func keepAnAdmin(tx *gorm.DB, without string) error {
	var admins []string
	err := forUpdate(tx).Model(&userRow{}).Where("role = ? AND disabled = ?", Admin, false).Order("id").Pluck("id", &admins).Error
	if err != nil {
		return fmt.Errorf("read admins: %w", err)
	}
	if len(admins) == 1 && admins[0] == without {
		return invalid("role", "this is the last enabled admin; make somebody else admin first")
	}
	return nil
}

func (s *Store) setUserPassword(ctx context.Context, row *userRow, password *string) error {
	if password == nil {
		if row.PasswordHash == "" {
			return invalid("password", "a new person needs a password; choose one with at least %d characters", minUserPassword)
		}
		return nil
	}
	if err := checkPassword(*password, minUserPassword); err != nil {
		return err
	}
	var err error
	if row.PasswordHash, err = s.passwords.hash(ctx, *password); err != nil {
		return fmt.Errorf("save user: %w", err)
	}
	return nil
}

// userFree tells whether the name is nobody else's and the groups exist.
func userFree(tx *gorm.DB, row userRow, groupIDs []string) error {
	var others int64
	if err := tx.Model(&userRow{}).Where("name = ? AND id <> ?", row.Name, row.ID).Count(&others).Error; err != nil {
		return fmt.Errorf("save user: %w", err)
	}
	if others > 0 {
		return invalid("name", "there is already a person named %s; choose another name", row.Name)
	}
	return groupsExist(tx, groupIDs)
}

// groupsExist is *Invalid unless every id, each given once, is a group.
func groupsExist(tx *gorm.DB, ids []string) error {
	var found int64
	if err := tx.Model(&groupRow{}).Where("id IN ?", ids).Count(&found).Error; err != nil {
		return fmt.Errorf("look up groups: %w", err)
	}
	if int(found) != len(ids) {
		return invalid("group", "there is no such group; choose one that exists")
	}
	return nil
}

func setUserGroups(tx *gorm.DB, userID string, groupIDs []string) error {
	if err := tx.Where("user_id = ?", userID).Delete(&userGroupRow{}).Error; err != nil {
		return fmt.Errorf("save user: %w", err)
	}
	var rows []userGroupRow
	for _, id := range groupIDs {
		rows = append(rows, userGroupRow{UserID: userID, GroupID: id})
	}
	if len(rows) == 0 {
		return nil
	}
	if err := tx.Create(&rows).Error; err != nil {
		return fmt.Errorf("save user: %w", err)
	}
	return nil
}

// DeleteUser removes a person with their API tokens, but never the last enabled admin.
func (s *Store) DeleteUser(ctx context.Context, tx *gorm.DB, id string) error {
	tx = tx.WithContext(ctx)
	if err := keepAnAdmin(tx, id); err != nil {
		return err
	}
	return deletedOne(tx.Where("id = ?", id).Delete(&userRow{}), "delete user")
}

// User returns one person.
func (s *Store) User(ctx context.Context, id string) (User, error) {
	return s.oneUser(ctx, "id = ?", id)
}

// UserByName returns one person by name.
func (s *Store) UserByName(ctx context.Context, name string) (User, error) {
	return s.oneUser(ctx, "name = ?", canonicalLogin(name))
}

// Users returns everybody by name, with two queries.
func (s *Store) Users(ctx context.Context) ([]User, error) {
	db := s.db.WithContext(ctx)
	var rows []userRow
	if err := db.Order("name").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	var memberships []userGroupRow
	if err := db.Order("group_id").Find(&memberships).Error; err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	groupsOf := map[string][]string{}
	for _, m := range memberships {
		groupsOf[m.UserID] = append(groupsOf[m.UserID], m.GroupID)
	}
	all := make([]User, 0, len(rows))
	for _, r := range rows {
		u := r.user()
		u.Groups = groupsOf[r.ID]
		all = append(all, u)
	}
	return all, nil
}

func (s *Store) oneUser(ctx context.Context, where string, value any) (User, error) {
	row, err := s.userRow(ctx, where, value)
	if err != nil {
		return User{}, err
	}
	return s.withGroups(ctx, row)
}

func (s *Store) userRow(ctx context.Context, where string, value any) (userRow, error) {
	var row userRow
	if err := s.db.WithContext(ctx).Where(where, value).Take(&row).Error; err != nil {
		return userRow{}, one(err, "read user")
	}
	return row, nil
}

func (s *Store) withGroups(ctx context.Context, row userRow) (User, error) {
	var memberships []userGroupRow
	if err := s.db.WithContext(ctx).Where("user_id = ?", row.ID).Order("group_id").Find(&memberships).Error; err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	u := row.user()
	for _, m := range memberships {
		u.Groups = append(u.Groups, m.GroupID)
	}
	return u, nil
}

// AuthenticateUser checks a person's password: ErrLogin, like AuthenticateMailbox, and also for who is disabled.
func (s *Store) AuthenticateUser(ctx context.Context, name, password string) (User, error) {
	row, err := s.userRow(ctx, "name = ?", canonicalLogin(name))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return User{}, err
	}
	if err := s.checkLogin(ctx, row.PasswordHash, password); err != nil {
		return User{}, err
	}
	if row.Disabled {
		return User{}, ErrLogin
	}
	return s.withGroups(ctx, row)
}

// canonical checks a person's values; groups are sorted, each once.
func (u User) canonical() (User, error) {
	u.Name = canonicalLogin(u.Name)
	if err := checkLoginName("name", u.Name); err != nil {
		return User{}, err
	}
	if u.Role != Agent && u.Role != Admin && u.Role != Auditor {
		return User{}, invalid("role", "the role must be agent, admin or auditor")
	}
	u.Groups = slices.Clone(u.Groups)
	slices.Sort(u.Groups)
	u.Groups = slices.Compact(u.Groups)
	return u, nil
}
