// Package migrations opens Sealgate's database and brings its schema up to date.
//
// What enters is a database URL: "sqlite:PATH" for the embedded engine (no cgo) or "postgres://…" for a shared
// PostgreSQL. What leaves is a ready *gorm.DB. The schema is numbered SQL, one folder per engine, applied by goose;
// nothing else in Sealgate ever alters a table. A database that is newer than the binary is refused, never touched.
package migrations

import (
	"context"
	"errors"

	"gorm.io/gorm"
)

// ErrNewer says that the database was written by a newer Sealgate than this one.
var ErrNewer = errors.New("the database is newer than this sealgate")

// Open opens the database at url and migrates it to the newest schema. It never creates a PostgreSQL database, only
// its tables; an SQLite file and its folder (mode 0700) are created when missing.
func Open(ctx context.Context, url string) (*gorm.DB, error) { panic("skeleton") }

// Close releases every connection of db.
func Close(db *gorm.DB) error { panic("skeleton") }
