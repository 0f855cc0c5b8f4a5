package groups

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
)

// Store keeps all of it in one database. It caches nothing and is safe for concurrent use. Methods that change
// something take the caller's transaction, so that the change and its activity entry commit together.
type Store struct {
	db        *gorm.DB
	keeper    *kms.Keeper
	passwords hasher
	parts     parts
}

// NewStore returns the store in db whose credentials k seals.
func NewStore(db *gorm.DB, k *kms.Keeper) *Store {
	return &Store{db: db, keeper: k, passwords: newHasher()}
}

// SaveGroup creates (ID empty) or replaces a group and returns it as stored. Bad values are *Invalid.
func (s *Store) SaveGroup(ctx context.Context, tx *gorm.DB, g Group, at time.Time) (Group, error) {
	tx = tx.WithContext(ctx)
	g, err := g.canonical()
	if err != nil {
		return Group{}, err
	}
	if err := claimable(tx, g); err != nil {
		return Group{}, err
	}
	g.CreatedAt, g.UpdatedAt = at, at
	if g.ID == "" {
		g, err = createGroup(tx, g)
	} else {
		g, err = updateGroup(tx, g)
	}
	if err != nil {
		return Group{}, taken(err, "name", "the name or an address of this group was taken a moment ago; look at the groups again")
	}
	return g, nil
}

// claimable tells whether the name and the addresses are free, and if not, who has them.
func claimable(tx *gorm.DB, g Group) error {
	var named int64
	if err := tx.Model(&groupRow{}).Where("name = ? AND id <> ?", g.Name, g.ID).Count(&named).Error; err != nil {
		return fmt.Errorf("save group: %w", err)
	}
	if named > 0 {
		return invalid("name", "there is already a group named %s; choose another name", g.Name)
	}
	var owned []struct{ Address, Name string }
	err := tx.Table("group_addresses").Select("group_addresses.address, groups.name").
		Joins("JOIN groups ON groups.id = group_addresses.group_id").
		Where("group_addresses.address IN ? AND group_addresses.group_id <> ?", g.Addresses, g.ID).
		Limit(1).Scan(&owned).Error
	if err != nil {
		return fmt.Errorf("save group: %w", err)
	}
	if len(owned) > 0 {
		return invalid("addresses", "%s belongs to group %s; remove it there first", owned[0].Address, owned[0].Name)
	}
	return nil
}

func createGroup(tx *gorm.DB, g Group) (Group, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Group{}, fmt.Errorf("save group: %w", err)
	}
	g.ID = id.String()
	row := rowOfGroup(g)
	if err := tx.Create(&row).Error; err != nil {
		return Group{}, fmt.Errorf("save group: %w", err)
	}
	return insertParts(tx, row.group(), g)
}

func updateGroup(tx *gorm.DB, g Group) (Group, error) {
	row := rowOfGroup(g)
	changed := tx.Model(&groupRow{}).Where("id = ?", g.ID).Select("*").Omit("id", "created_ms", "revision").Updates(&row)
	if changed.Error != nil {
		return Group{}, fmt.Errorf("save group: %w", changed.Error)
	}
	if changed.RowsAffected == 0 {
		return Group{}, ErrNotFound
	}
	if err := tx.Model(&groupRow{}).Where("id = ?", g.ID).Update("revision", gorm.Expr("revision + 1")).Error; err != nil {
		return Group{}, fmt.Errorf("save group: %w", err)
	}
	for _, part := range []any{&addressRow{}, &ruleRow{}} {
		if err := tx.Where("group_id = ?", g.ID).Delete(part).Error; err != nil {
			return Group{}, fmt.Errorf("save group: %w", err)
		}
	}
	var stored groupRow
	if err := tx.Where("id = ?", g.ID).Take(&stored).Error; err != nil {
		return Group{}, fmt.Errorf("save group: %w", err)
	}
	return insertParts(tx, stored.group(), g)
}

// insertParts writes the addresses and rules of g and returns stored with them.
func insertParts(tx *gorm.DB, stored, g Group) (Group, error) {
	var addresses []addressRow
	for i, a := range g.Addresses {
		addresses = append(addresses, addressRow{Address: a, GroupID: stored.ID, Position: i})
	}
	var rules []ruleRow
	for _, r := range g.DomainRules {
		rules = append(rules, ruleRow{GroupID: stored.ID, Domain: r.Domain, SignLevel: r.Sign, EncryptLevel: r.Encrypt, Inline: r.Inline})
	}
	if len(addresses) > 0 {
		if err := tx.Create(&addresses).Error; err != nil {
			return Group{}, fmt.Errorf("save group: %w", err)
		}
	}
	if len(rules) > 0 {
		if err := tx.Create(&rules).Error; err != nil {
			return Group{}, fmt.Errorf("save group: %w", err)
		}
	}
	stored.Addresses, stored.DomainRules = g.Addresses, g.DomainRules
	return stored, nil
}

// DeleteGroup removes a group; it is *Invalid while mailboxes use it.
func (s *Store) DeleteGroup(ctx context.Context, tx *gorm.DB, id string) error {
	tx = tx.WithContext(ctx)
	var logins []string
	if err := tx.Model(&mailboxRow{}).Where("group_id = ?", id).Order("login").Limit(1).Pluck("login", &logins).Error; err != nil {
		return fmt.Errorf("delete group: %w", err)
	}
	if len(logins) > 0 {
		return invalid("", "mailbox %s still belongs to this group; delete the mailbox or move it to another group first", logins[0])
	}
	deleted := tx.Where("id = ?", id).Delete(&groupRow{})
	if errors.Is(deleted.Error, gorm.ErrForeignKeyViolated) {
		return invalid("", "a mailbox still belongs to this group; delete the mailbox or move it to another group first")
	}
	return deletedOne(deleted, "delete group")
}

// Group returns one group.
func (s *Store) Group(ctx context.Context, id string) (Group, error) {
	return s.oneGroup(ctx, "id = ?", id)
}

// GroupByName returns one group by its name.
func (s *Store) GroupByName(ctx context.Context, name string) (Group, error) {
	return s.oneGroup(ctx, "name = ?", canonicalText(name))
}

// GroupBySender returns the group that owns a sender address.
func (s *Store) GroupBySender(ctx context.Context, address string) (Group, error) {
	canonical, err := canonicalAddress(address)
	if err != nil {
		return Group{}, ErrNotFound
	}
	return s.oneGroup(ctx, "id = (SELECT group_id FROM group_addresses WHERE address = ?)", canonical)
}

// Groups returns all groups by name, with addresses and rules, in a fixed number of queries.
func (s *Store) Groups(ctx context.Context) ([]Group, error) {
	_, found, err := s.readGroups(ctx, "1 = 1")
	return found, err
}

func (s *Store) oneGroup(ctx context.Context, where string, value any) (Group, error) {
	var row groupRow
	if err := s.db.WithContext(ctx).Where(where, value).Take(&row).Error; err != nil {
		return Group{}, one(err, "read group")
	}
	if g, known := s.parts.complete(row); known {
		return g, nil
	}
	rows, found, err := s.readGroups(ctx, where, value)
	if err != nil {
		return Group{}, err
	}
	if len(found) == 0 {
		return Group{}, ErrNotFound
	}
	s.parts.remember(rows[0], found[0])
	return found[0], nil
}

// readGroups reads with three queries, however many groups there are, and at one instant: the level of one moment with
// the domain rules of another could be weaker than either.
// readGroups returns rows and groups in one order, all as they were at one moment.
func (s *Store) readGroups(ctx context.Context, where string, values ...any) (rows []groupRow, found []Group, err error) {
	var addresses []addressRow
	var rules []ruleRow
	err = s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		chosen := tx.Model(&groupRow{}).Select("id").Where(where, values...)
		return errors.Join(
			tx.Where(where, values...).Order("name").Find(&rows).Error,
			tx.Where("group_id IN (?)", chosen).Order("position").Find(&addresses).Error,
			tx.Where("group_id IN (?)", chosen).Order("domain").Find(&rules).Error,
		)
	}, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, nil, fmt.Errorf("read groups: %w", err)
	}
	return rows, assemble(rows, addresses, rules), nil
}

func assemble(rows []groupRow, addresses []addressRow, rules []ruleRow) []Group {
	found := make([]Group, 0, len(rows))
	index := map[string]int{}
	for _, r := range rows {
		index[r.ID] = len(found)
		found = append(found, r.group())
	}
	for _, a := range addresses {
		g := &found[index[a.GroupID]]
		g.Addresses = append(g.Addresses, a.Address)
	}
	for _, r := range rules {
		g := &found[index[r.GroupID]]
		g.DomainRules = append(g.DomainRules, DomainRule{Domain: r.Domain, Sign: r.SignLevel, Encrypt: r.EncryptLevel, Inline: r.Inline})
	}
	return found
}

// one turns gorm's "no such row" into ErrNotFound.
func one(err error, doing string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gorm.ErrRecordNotFound):
		return ErrNotFound
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func deletedOne(result *gorm.DB, doing string) error {
	if result.Error != nil {
		return fmt.Errorf("%s: %w", doing, result.Error)
	}
	if result.RowsAffected == 0 {
		return ErrNotFound
	}
	return nil
}

// taken turns a unique value that somebody else stored between our look and our write into *Invalid.
func taken(err error, field, sentence string) error {
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return invalid(field, "%s", sentence)
	}
	return err
}
