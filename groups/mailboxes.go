package groups

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// SaveMailbox creates or replaces a mailbox. password is the ticket system's for this gateway, credentials are the
// upstream's; nil keeps what is stored. Bad values are *Invalid. With credentials, the keeper must have been made Ready
// before the transaction began.
func (s *Store) SaveMailbox(ctx context.Context, tx *gorm.DB, m Mailbox, password *string, c *Credentials, at time.Time) (Mailbox, error) {
	tx = tx.WithContext(ctx)
	m, err := m.canonical()
	if err != nil {
		return Mailbox{}, err
	}
	row, before, err := mailboxToSave(tx, m, at)
	if err != nil {
		return Mailbox{}, err
	}
	if before.grantedFor() != row.grantedFor() {
		// Tokens go neither to another mail server nor to another token server than those they were granted for.
		if err := s.forgetTokens(ctx, tx, row); err != nil {
			return Mailbox{}, err
		}
	}
	if err := s.setMailboxPassword(ctx, &row, password); err != nil {
		return Mailbox{}, err
	}
	if err := mailboxFree(tx, row); err != nil {
		return Mailbox{}, err
	}
	if c != nil {
		if err := s.sealCredentials(ctx, tx, &row, *c); err != nil {
			return Mailbox{}, err
		}
	}
	upsert := tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}).Create(&row)
	if upsert.Error != nil {
		return Mailbox{}, taken(fmt.Errorf("save mailbox: %w", upsert.Error), "login", "this login was taken a moment ago; choose another one")
	}
	return row.mailbox(), nil
}

// mailboxToSave returns the stored row of m, locked and with m's values, or a new one; and the row as it was.
func mailboxToSave(tx *gorm.DB, m Mailbox, at time.Time) (row, before mailboxRow, err error) {
	if m.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return row, before, fmt.Errorf("save mailbox: %w", err)
		}
		row.ID, row.CreatedMS = id.String(), at.UnixMilli()
	} else if err := forUpdate(tx).Where("id = ?", m.ID).Take(&row).Error; err != nil {
		return row, before, one(err, "save mailbox")
	}
	before = row
	row.fill(m)
	row.UpdatedMS = at.UnixMilli()
	return row, before, nil
}

// forUpdate locks the rows that are read until the transaction ends. SQLite's transactions lock everything anyway.
func forUpdate(tx *gorm.DB) *gorm.DB { return tx.Clauses(clause.Locking{Strength: "UPDATE"}) }

func (s *Store) setMailboxPassword(ctx context.Context, row *mailboxRow, password *string) error {
	if password == nil {
		if row.PasswordHash == "" && row.LoginWith != LoginPresented {
			return invalid("password", "a new mailbox needs a password for the ticket system; choose one with at least %d characters", minMailboxPassword)
		}
		return nil
	}
	if err := checkPassword(*password, minMailboxPassword); err != nil {
		return err
	}
	var err error
	if row.PasswordHash, err = s.passwords.hash(ctx, *password); err != nil {
		return fmt.Errorf("save mailbox: %w", err)
	}
	return nil
}

// mailboxFree tells whether the group exists and the login is nobody else's.
func mailboxFree(tx *gorm.DB, row mailboxRow) error {
	if err := groupsExist(tx, []string{row.GroupID}); err != nil {
		return err
	}
	var others int64
	if err := tx.Model(&mailboxRow{}).Where("login = ? AND id <> ?", row.Login, row.ID).Count(&others).Error; err != nil {
		return fmt.Errorf("save mailbox: %w", err)
	}
	if others > 0 {
		return invalid("login", "there is already a mailbox with the login %s; choose another one", row.Login)
	}
	return nil
}

// sealCredentials seals c as the next version and shreds the versions before it. A version number is never used twice.
func (s *Store) sealCredentials(ctx context.Context, tx *gorm.DB, row *mailboxRow, c Credentials) error {
	plaintext, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("save mailbox: %w", err)
	}
	defer clear(plaintext)
	if err := s.keeper.Shred(ctx, tx, kms.Credential, row.ID); err != nil {
		return fmt.Errorf("save mailbox: %w", err)
	}
	row.CredentialVersion++
	ref := kms.Ref{Kind: kms.Credential, ID: row.ID, Version: row.CredentialVersion}
	if err := s.keeper.Seal(ctx, tx, ref, plaintext); err != nil {
		return fmt.Errorf("save mailbox: %w", err)
	}
	return nil
}

// DeleteMailbox removes a mailbox and shreds its credentials and tokens.
func (s *Store) DeleteMailbox(ctx context.Context, tx *gorm.DB, id string) error {
	tx = tx.WithContext(ctx)
	if err := deletedOne(tx.Where("id = ?", id).Delete(&mailboxRow{}), "delete mailbox"); err != nil {
		return err
	}
	for _, kind := range []kms.Kind{kms.Credential, kms.Token} {
		if err := s.keeper.Shred(ctx, tx, kind, id); err != nil {
			return fmt.Errorf("delete mailbox: %w", err)
		}
	}
	return nil
}

// Mailbox returns one mailbox.
func (s *Store) Mailbox(ctx context.Context, id string) (Mailbox, error) {
	return s.oneMailbox(ctx, "id = ?", id)
}

// MailboxByLogin returns one mailbox by its login.
func (s *Store) MailboxByLogin(ctx context.Context, login string) (Mailbox, error) {
	return s.oneMailbox(ctx, "login = ?", canonicalLogin(login))
}

// Mailboxes returns all mailboxes by login, with one query.
func (s *Store) Mailboxes(ctx context.Context) ([]Mailbox, error) {
	var rows []mailboxRow
	if err := s.db.WithContext(ctx).Order("login").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read mailboxes: %w", err)
	}
	all := make([]Mailbox, 0, len(rows))
	for _, r := range rows {
		all = append(all, r.mailbox())
	}
	return all, nil
}

func (s *Store) oneMailbox(ctx context.Context, where, value string) (Mailbox, error) {
	row, err := s.mailboxRow(ctx, where, value)
	if err != nil {
		return Mailbox{}, err
	}
	return row.mailbox(), nil
}

func (s *Store) mailboxRow(ctx context.Context, where, value string) (mailboxRow, error) {
	var row mailboxRow
	if err := s.db.WithContext(ctx).Where(where, value).Take(&row).Error; err != nil {
		return mailboxRow{}, one(err, "read mailbox")
	}
	return row, nil
}

// Credentials opens the sealed upstream passwords of a mailbox. They are empty when none were ever stored.
func (s *Store) Credentials(ctx context.Context, mailboxID string) (Credentials, error) {
	row, err := s.mailboxRow(ctx, "id = ?", mailboxID)
	if err != nil || row.CredentialVersion == 0 {
		return Credentials{}, err
	}
	ref := kms.Ref{Kind: kms.Credential, ID: row.ID, Version: row.CredentialVersion}
	plaintext, err := s.keeper.Open(ctx, s.db, ref)
	if err != nil {
		return Credentials{}, fmt.Errorf("open credentials: %w", err)
	}
	defer clear(plaintext)
	var c Credentials
	if err := json.Unmarshal(plaintext, &c); err != nil {
		return Credentials{}, errors.New("open credentials: they are damaged; save the mailbox again with its passwords")
	}
	return c, nil
}

// AuthenticateMailbox checks a ticket system's login: ErrLogin for unknown logins and wrong passwords alike, in the
// same time.
func (s *Store) AuthenticateMailbox(ctx context.Context, login, password string) (Mailbox, error) {
	row, err := s.mailboxRow(ctx, "login = ?", canonicalLogin(login))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Mailbox{}, err
	}
	if err := s.checkLogin(ctx, row.PasswordHash, password); err != nil {
		return Mailbox{}, err
	}
	return row.mailbox(), nil
}

// checkLogin compares a password with a stored hash, "" when the login is unknown.
func (s *Store) checkLogin(ctx context.Context, stored, password string) error {
	ok, err := s.passwords.matches(ctx, stored, password)
	if err != nil {
		return fmt.Errorf("check password: %w", err)
	}
	if !ok {
		return ErrLogin
	}
	return nil
}
