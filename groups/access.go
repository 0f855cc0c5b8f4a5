package groups

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/seal"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// errOtherServer tells that tokens came too late: the mailbox has another mail server or token server by now.
var errOtherServer = errors.New("save tokens: the mailbox was changed while they were asked for")

// SaveTokens seals OAuth tokens, which were granted for a mailbox as it is given, in place of those before them. The keeper
// must have been made Ready before the transaction began.
func (s *Store) SaveTokens(ctx context.Context, tx *gorm.DB, m Mailbox, tokens []byte) error {
	tx = tx.WithContext(ctx)
	var row, granted mailboxRow
	granted.fill(m)
	if err := forUpdate(tx).Where("id = ?", m.ID).Take(&row).Error; err != nil {
		return one(err, "save tokens")
	}
	if row.grantedFor() != granted.grantedFor() {
		return errOtherServer
	}
	if err := s.keeper.Shred(ctx, tx, kms.Token, m.ID); err != nil {
		return fmt.Errorf("save tokens: %w", err)
	}
	row.TokenVersion++ // a version is never used twice
	if err := s.keeper.Seal(ctx, tx, kms.Ref{Kind: kms.Token, ID: m.ID, Version: row.TokenVersion}, tokens); err != nil {
		return fmt.Errorf("save tokens: %w", err)
	}
	if err := tx.Model(&row).Update("token_version", row.TokenVersion).Error; err != nil {
		return fmt.Errorf("save tokens: %w", err)
	}
	return nil
}

// grantedFor names whom tokens may be shown to: the mail server, and the token server with our name there.
func (r mailboxRow) grantedFor() [3]string {
	o := oauthOf(r.OAuth)
	return [3]string{r.SMTPAddress, o.TokenURL, o.ClientID}
}

// forgetTokens shreds a mailbox's tokens, if there are any.
func (s *Store) forgetTokens(ctx context.Context, tx *gorm.DB, row mailboxRow) error {
	if row.TokenVersion == 0 {
		return nil
	}
	if err := s.keeper.Shred(ctx, tx, kms.Token, row.ID); err != nil {
		return fmt.Errorf("save mailbox: %w", err)
	}
	return nil
}

// Tokens opens a mailbox's OAuth tokens; nil when there are none. The caller wipes them.
func (s *Store) Tokens(ctx context.Context, mailboxID string) ([]byte, error) {
	row, err := s.mailboxRow(ctx, "id = ?", mailboxID)
	if err != nil || row.TokenVersion == 0 {
		return nil, err
	}
	tokens, err := s.keeper.Open(ctx, s.db, kms.Ref{Kind: kms.Token, ID: mailboxID, Version: row.TokenVersion})
	if errors.Is(err, seal.ErrGone) { // forgotten
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open tokens: %w", err)
	}
	return tokens, nil
}

// renewalRow says who renews a mailbox's tokens.
type renewalRow struct {
	MailboxID string `gorm:"column:mailbox_id;primaryKey"`
	Holder    string `gorm:"column:holder"`
	UntilMS   int64  `gorm:"column:until_ms"`
}

func (renewalRow) TableName() string { return "token_renewals" }

// BeginRenewal makes holder the one that renews a mailbox's tokens until it calls EndRenewal, or for a time in case it dies;
// false while another one is.
func (s *Store) BeginRenewal(ctx context.Context, mailboxID, holder string, at time.Time, most time.Duration) (bool, error) {
	row := renewalRow{mailboxID, holder, at.Add(most).UnixMilli()}
	begun := s.db.WithContext(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "mailbox_id"}},
		DoUpdates: clause.AssignmentColumns([]string{"holder", "until_ms"}),
		Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "token_renewals.until_ms <= ?", Vars: []any{at.UnixMilli()}}}},
	}).Create(&row)
	if begun.Error != nil {
		return false, fmt.Errorf("begin renewal: %w", begun.Error)
	}
	return begun.RowsAffected == 1, nil
}

// EndRenewal lets the next one renew.
func (s *Store) EndRenewal(ctx context.Context, mailboxID, holder string) error {
	if err := s.db.WithContext(ctx).Where("mailbox_id = ? AND holder = ?", mailboxID, holder).Delete(&renewalRow{}).Error; err != nil {
		return fmt.Errorf("end renewal: %w", err)
	}
	return nil
}
