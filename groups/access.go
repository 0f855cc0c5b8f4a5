package groups

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/seal"
	"gorm.io/gorm"
)

// SaveTokens seals a mailbox's OAuth tokens in place of those before them. The keeper must have been made Ready before the
// transaction began.
func (s *Store) SaveTokens(ctx context.Context, tx *gorm.DB, mailboxID string, tokens []byte) error {
	tx = tx.WithContext(ctx)
	var row mailboxRow
	if err := forUpdate(tx).Where("id = ?", mailboxID).Take(&row).Error; err != nil {
		return one(err, "save tokens")
	}
	if err := s.keeper.Shred(ctx, tx, kms.Token, mailboxID); err != nil {
		return fmt.Errorf("save tokens: %w", err)
	}
	row.TokenVersion++ // a version is never used twice
	if err := s.keeper.Seal(ctx, tx, kms.Ref{Kind: kms.Token, ID: mailboxID, Version: row.TokenVersion}, tokens); err != nil {
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
