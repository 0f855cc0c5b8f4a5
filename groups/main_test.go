package groups

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// noon is when everything happens in these tests, in the precision of the database.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const goodPassword = "correct horse battery"

// in runs change in a transaction of its own and fails the test if it fails.
func in[T any](t *testing.T, db *gorm.DB, change func(tx *gorm.DB) (T, error)) T {
	t.Helper()
	result, err := try(db, change)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func try[T any](db *gorm.DB, change func(tx *gorm.DB) (T, error)) (T, error) {
	var result T
	err := db.Transaction(func(tx *gorm.DB) error {
		var err error
		result, err = change(tx)
		return err
	})
	return result, err
}

func plainGroup(name string, addresses ...string) Group {
	return Group{
		Name: name, Addresses: addresses, Sign: On, Encrypt: Auto, AutoSign: Auto, AutoEncrypt: Auto, Mixed: MixedRefuse, InlineIn: InlineWhole,
	}
}

func saveGroup(t *testing.T, s *Store, g Group) Group {
	t.Helper()
	return in(t, s.db, func(tx *gorm.DB) (Group, error) { return s.SaveGroup(t.Context(), tx, g, noon) })
}

func trySaveGroup(t *testing.T, s *Store, g Group) error {
	_, err := try(s.db, func(tx *gorm.DB) (Group, error) { return s.SaveGroup(t.Context(), tx, g, noon) })
	return err
}

func saveMailbox(t *testing.T, s *Store, m Mailbox, password *string, c *Credentials) Mailbox {
	t.Helper()
	return in(t, s.db, func(tx *gorm.DB) (Mailbox, error) { return s.SaveMailbox(t.Context(), tx, m, password, c, noon) })
}

func trySaveMailbox(t *testing.T, s *Store, m Mailbox, password *string) error {
	_, err := try(s.db, func(tx *gorm.DB) (Mailbox, error) { return s.SaveMailbox(t.Context(), tx, m, password, nil, noon) })
	return err
}

func saveUser(t *testing.T, s *Store, u User, password *string) User {
	t.Helper()
	return in(t, s.db, func(tx *gorm.DB) (User, error) { return s.SaveUser(t.Context(), tx, u, password, noon) })
}

func trySaveUser(t *testing.T, s *Store, u User, password *string) error {
	_, err := try(s.db, func(tx *gorm.DB) (User, error) { return s.SaveUser(t.Context(), tx, u, password, noon) })
	return err
}

func remove(db *gorm.DB, delete func(tx *gorm.DB) error) error { return db.Transaction(delete) }

func of(text string) *string { return &text }

func wantInvalid(t *testing.T, err error, field, part string) {
	t.Helper()
	expectInvalid(t, err, field, part)
	var invalid *Invalid
	if errors.As(err, &invalid) && invalid.Field != field {
		t.Errorf("field %q, want %q (%s)", invalid.Field, field, invalid.Sentence)
	}
}

// counter counts statements.
type counter struct {
	logger.Interface
	statements *int
}

func (c counter) Trace(context.Context, time.Time, func() (string, int64), error) { *c.statements++ }

// statementsOf returns how many statements read runs on a store over db.
func statementsOf(t *testing.T, db *gorm.DB, read func(s *Store) error) int {
	t.Helper()
	n := 0
	s := NewStore(db.Session(&gorm.Session{Logger: counter{logger.Discard, &n}}), nil)
	if err := read(s); err != nil {
		t.Fatal(err)
	}
	return n
}
