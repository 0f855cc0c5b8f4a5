package web

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// How long a session lasts at most, and without a request.
const (
	sessionLife = 12 * time.Hour
	sessionIdle = time.Hour
)

// newSessions keeps sessions in the database, under the hash of a token that only the browser has.
func (s *site) newSessions(store sessionStore) *scs.SessionManager {
	m := scs.New()
	m.Store = store
	m.HashTokenInStore = true
	m.Lifetime, m.IdleTimeout = sessionLife, sessionIdle
	m.Cookie.Name = "sealgate"
	if s.Secure {
		m.Cookie.Name = "__Host-sealgate" // RFC 6265bis, section 4.1.3.2: no other host can set it
	}
	m.Cookie.HttpOnly, m.Cookie.Secure = true, s.Secure
	m.Cookie.SameSite = http.SameSiteLaxMode // links from the ticket system must find the session
	m.Cookie.Persist = false
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		(&visit{site: s, w: w, r: r}).fail(fmt.Errorf("session: %w", err))
	}
	return m
}

type sessionRow struct {
	Token    string `gorm:"column:token;primaryKey"`
	Data     []byte `gorm:"column:data"`
	ExpiryMS int64  `gorm:"column:expiry_ms"`
}

func (sessionRow) TableName() string { return "web_sessions" }

// sessionStore keeps sessions in web_sessions. It implements scs.CtxStore.
type sessionStore struct {
	db  *gorm.DB
	now func() time.Time
}

// FindCtx returns the data of a session that has not expired.
func (s sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	var row sessionRow
	err := s.db.WithContext(ctx).Where("token = ? AND expiry_ms > ?", token, s.now().UnixMilli()).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, false, nil
	}
	return row.Data, err == nil, err
}

// CommitCtx stores a session and forgets those that expired.
func (s sessionStore) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	row := sessionRow{Token: token, Data: data, ExpiryMS: expiry.UnixMilli()}
	db := s.db.WithContext(ctx)
	if err := db.Where("expiry_ms <= ?", s.now().UnixMilli()).Delete(&sessionRow{}).Error; err != nil {
		return err
	}
	return db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "token"}}, UpdateAll: true}).Create(&row).Error
}

// DeleteCtx removes a session.
func (s sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.db.WithContext(ctx).Where("token = ?", token).Delete(&sessionRow{}).Error
}

// Find, Commit and Delete complete scs.Store; scs calls those with a context.
func (s sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a context.
func (s sessionStore) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// Delete is DeleteCtx without a context.
func (s sessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// endOthers ends every session of a person but the one whose token is keep: after a change of password nobody who
// knew the old one stays in.
func (s sessionStore) endOthers(ctx context.Context, userID, keep string) error {
	var rows []sessionRow
	if err := s.db.WithContext(ctx).Find(&rows).Error; err != nil {
		return fmt.Errorf("read sessions: %w", err)
	}
	for _, row := range rows {
		_, values, err := scs.GobCodec{}.Decode(row.Data)
		if err != nil || values["user"] != userID || row.Token == storedToken(keep) {
			continue
		}
		if err := s.DeleteCtx(ctx, row.Token); err != nil {
			return fmt.Errorf("end session: %w", err)
		}
	}
	return nil
}

// storedToken is the form in which scs hands tokens to its store.
func storedToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
