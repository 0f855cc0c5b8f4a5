// Package dbtest gives tests a fresh, migrated database on each engine. It is imported by tests only.
//
// SQLite is always there. PostgreSQL is a real server started on loopback for the test binary, at the first test that
// asks for it, and stopped with it; where it is not installed the PostgreSQL half is skipped, or failed when
// SEALGATE_PEERS=required (make test). A package that uses Each or Postgres wires the server's end once:
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
package dbtest

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealgate/sealgate/migrations"
	"gorm.io/gorm"
)

// Main runs the tests of a package, stops the server if one was started, and exits.
func Main(m *testing.M) {
	shared.wire()
	code := m.Run()
	shared.stop()
	os.Exit(code)
}

// Each runs story once per engine, as subtests "sqlite" and "postgres", each with an empty migrated database.
func Each(t *testing.T, story func(t *testing.T, db *gorm.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { story(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { story(t, open(t, Postgres(t))) })
}

// SQLite returns an empty migrated SQLite database in a temporary folder, closed when the test ends.
func SQLite(t testing.TB) *gorm.DB {
	t.Helper()
	return open(t, SQLiteURL(t))
}

// SQLiteURL returns the address of an SQLite database that does not exist yet, in a temporary folder.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "sealgate.db")
}

// Postgres returns the address of an empty PostgreSQL database, without tables, dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	name := shared.createDatabase(t)
	return (&url.URL{
		Scheme: "postgres", User: url.User(superuser), Host: shared.address, Path: "/" + name, RawQuery: "sslmode=disable",
	}).String()
}

func open(t testing.TB, address string) *gorm.DB {
	t.Helper()
	db, err := migrations.Open(t.Context(), address)
	if err != nil {
		t.Fatalf("open test database: %v", err)
	}
	t.Cleanup(func() {
		if err := migrations.Close(db); err != nil {
			t.Errorf("close test database: %v", err)
		}
	})
	return db
}
