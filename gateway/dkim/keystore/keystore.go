// Package keystore keeps the keys with which Sealgate signs for its domains (DKIM).
//
// A key and its secret enter inside the caller's transaction, the secret is sealed by the keeper; rows leave, and on
// request one opened secret. A key is named by its domain and selector, of which there is one. It is inactive until it is
// made active. The package knows nothing of DNS or of signatures, and caches nothing: every node sees a change at once.
package keystore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
)

// Errors that callers branch on.
var (
	ErrNotFound = errors.New("there is no DKIM key of this domain and selector")
	ErrTaken    = errors.New("there is a DKIM key of this domain and selector already")
	ErrActive   = errors.New("the DKIM key is active")
)

// Key is a key without its secret.
type Key struct {
	ID        string // given by Add
	Domain    string // as A-labels in lower case
	Selector  string // in lower case
	Algorithm string // rsa, ed25519
	Public    string // as in the p= tag of the key record
	Origin    string // generated, imported
	Active    bool
	Finding   string    // what the last look at the DNS saw, "" before the first
	Checked   time.Time // of the last look, in ms
	Created   time.Time // in ms
}

// Store keeps keys. It is safe for concurrent use.
type Store struct {
	db     *gorm.DB
	keeper *kms.Keeper
}

// New returns a store over a database.
func New(db *gorm.DB, keeper *kms.Keeper) *Store { return &Store{db, keeper} }

// Add stores a new key, inactive, and seals its secret. The keeper must have been made Ready before the transaction began.
// ErrTaken says that the name is used.
func (s *Store) Add(ctx context.Context, tx *gorm.DB, k Key, secret []byte) (Key, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Key{}, fmt.Errorf("add DKIM key: %w", err)
	}
	k.ID, k.Active = id.String(), false
	var held int64
	if err := tx.WithContext(ctx).Model(&keyRow{}).Where("domain = ? AND selector = ?", k.Domain, k.Selector).Count(&held).Error; err != nil {
		return Key{}, fmt.Errorf("add DKIM key: %w", err)
	}
	if held > 0 {
		return Key{}, ErrTaken
	}
	row := rowOf(k)
	if err := tx.WithContext(ctx).Create(&row).Error; errors.Is(err, gorm.ErrDuplicatedKey) {
		return Key{}, ErrTaken
	} else if err != nil {
		return Key{}, fmt.Errorf("add DKIM key: %w", err)
	}
	if err := s.keeper.Seal(ctx, tx, ref(k.ID), secret); err != nil {
		return Key{}, fmt.Errorf("add DKIM key: %w", err)
	}
	return row.key(), nil
}

func ref(id string) kms.Ref { return kms.Ref{Kind: kms.DKIMKey, ID: id, Version: 1} }

// List returns all keys by domain, the newest of each first.
func (s *Store) List(ctx context.Context) ([]Key, error) {
	return s.find(s.db.WithContext(ctx).Order("domain, created_ms DESC, selector"))
}

// Active returns the keys that sign for a domain.
func (s *Store) Active(ctx context.Context, domain string) ([]Key, error) {
	return s.find(s.db.WithContext(ctx).Where("domain = ? AND active = ?", domain, true).Order("selector"))
}

func (s *Store) find(query *gorm.DB) ([]Key, error) {
	var rows []keyRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read DKIM keys: %w", err)
	}
	var all []Key
	for _, r := range rows {
		all = append(all, r.key())
	}
	return all, nil
}

// Get returns one key.
func (s *Store) Get(ctx context.Context, domain, selector string) (Key, error) {
	var row keyRow
	err := s.db.WithContext(ctx).Where("domain = ? AND selector = ?", domain, selector).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Key{}, ErrNotFound
	}
	if err != nil {
		return Key{}, fmt.Errorf("read DKIM key: %w", err)
	}
	return row.key(), nil
}

// Secret opens the secret of a key. The caller wipes it.
func (s *Store) Secret(ctx context.Context, k Key) ([]byte, error) {
	secret, err := s.keeper.Open(ctx, s.db, ref(k.ID))
	if err != nil {
		return nil, fmt.Errorf("open DKIM key %s of %s: %w", k.Selector, k.Domain, err)
	}
	return secret, nil
}

// SetActive makes a key sign, or not. ErrNotFound says that it was deleted meanwhile.
func (s *Store) SetActive(ctx context.Context, tx *gorm.DB, k Key, active bool) error {
	return changed(tx.WithContext(ctx).Model(&keyRow{}).Where("id = ?", k.ID).Update("active", active))
}

// SetFinding stores what a look at the DNS saw.
func (s *Store) SetFinding(ctx context.Context, tx *gorm.DB, k Key, finding string, at time.Time) error {
	return changed(tx.WithContext(ctx).Model(&keyRow{}).Where("id = ?", k.ID).
		Updates(map[string]any{"finding": finding, "checked_ms": at.UnixMilli()}))
}

// Delete removes a key that is not active and shreds its secret. ErrActive says that it signs.
func (s *Store) Delete(ctx context.Context, tx *gorm.DB, k Key) error {
	tx = tx.WithContext(ctx)
	err := changed(tx.Where("id = ? AND active = ?", k.ID, false).Delete(&keyRow{}))
	if errors.Is(err, ErrNotFound) && k.Active {
		return ErrActive
	}
	if err != nil {
		return err
	}
	if err := s.keeper.Shred(ctx, tx, kms.DKIMKey, k.ID); err != nil {
		return fmt.Errorf("delete DKIM key: %w", err)
	}
	return nil
}

func changed(result *gorm.DB) error {
	if result.Error != nil {
		return fmt.Errorf("change DKIM key: %w", result.Error)
	}
	if result.RowsAffected == 0 {
		return ErrNotFound
	}
	return nil
}
