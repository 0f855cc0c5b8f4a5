package groups

import (
	"context"
	"fmt"

	"github.com/sealgate/sealgate/keyring/kms"
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

// Tokens opens a mailbox's OAuth tokens; nil when there are none. The caller wipes them.
func (s *Store) Tokens(ctx context.Context, mailboxID string) ([]byte, error) {
	row, err := s.mailboxRow(ctx, "id = ?", mailboxID)
	if err != nil || row.TokenVersion == 0 {
		return nil, err
	}
	tokens, err := s.keeper.Open(ctx, s.db, kms.Ref{Kind: kms.Token, ID: mailboxID, Version: row.TokenVersion})
	if err != nil {
		return nil, fmt.Errorf("open tokens: %w", err)
	}
	return tokens, nil
}
