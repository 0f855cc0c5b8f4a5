// Package dbtest gives tests a fresh, migrated database on each engine. It is imported by tests only.
//
// SQLite is always there. PostgreSQL is a real server started on loopback for the test binary and stopped with it;
// where it is not installed the PostgreSQL half is skipped, or failed when SEALGATE_PEERS=required (make test).
package dbtest

import (
	"testing"

	"gorm.io/gorm"
)

// Each runs story once per engine, as subtests "sqlite" and "postgres", each with an empty migrated database.
func Each(t *testing.T, story func(t *testing.T, db *gorm.DB)) { panic("skeleton") }

// SQLite returns an empty migrated SQLite database in a temporary folder, closed when the test ends.
func SQLite(t testing.TB) *gorm.DB { panic("skeleton") }
