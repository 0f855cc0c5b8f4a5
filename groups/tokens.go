package groups

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
)

// tokenPrefix marks an API token, for people and for scanners that look for leaked secrets.
const tokenPrefix = "sg_"

// tokenSize is the randomness of a token in bytes: enough to need no slow hash.
const tokenSize = 32

// NewToken makes an API token for a person and returns it; only its hash is kept.
func (s *Store) NewToken(ctx context.Context, tx *gorm.DB, userID, label string, at time.Time) (string, error) {
	tx = tx.WithContext(ctx)
	label = canonicalText(label)
	if err := checkText("label", label, 0, maxName); err != nil {
		return "", err
	}
	var owner userRow
	if err := tx.Where("id = ?", userID).Take(&owner).Error; err != nil {
		return "", one(err, "new token")
	}
	secret := make([]byte, tokenSize)
	if _, err := rand.Read(secret); err != nil {
		return "", fmt.Errorf("new token: %w", err)
	}
	token := tokenPrefix + base64.RawURLEncoding.EncodeToString(secret)
	row := tokenRow{Hash: hashToken(token), UserID: userID, Label: label, CreatedMS: at.UnixMilli()}
	if err := tx.Create(&row).Error; err != nil {
		return "", fmt.Errorf("new token: %w", err)
	}
	return token, nil
}

// UserByToken returns the enabled person that an API token belongs to, or ErrLogin.
func (s *Store) UserByToken(ctx context.Context, token string) (User, error) {
	if !strings.HasPrefix(token, tokenPrefix) || len(token) != len(tokenPrefix)+base64.RawURLEncoding.EncodedLen(tokenSize) {
		return User{}, ErrLogin
	}
	u, err := s.oneUser(ctx, "id = (SELECT user_id FROM api_tokens WHERE hash = ?)", hashToken(token))
	if errors.Is(err, ErrNotFound) || err == nil && u.Disabled {
		return User{}, ErrLogin
	}
	return u, err
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
