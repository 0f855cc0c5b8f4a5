// Package migrations opens Sealgate's database and brings its schema up to date.
//
// What enters is a database URL: "sqlite:PATH" for the embedded engine (no cgo) or "postgres://…" for a shared
// PostgreSQL. What leaves is a ready *gorm.DB. The schema is numbered SQL, one folder per engine, applied by goose;
// nothing else in Sealgate ever alters a table. A database that is newer than the binary is refused, never touched.
//
// Nothing here logs: gorm's own logger prints statements with their values, so it is switched off. Errors are
// sentences for the administrator and never hold a password. Constraint errors are gorm.ErrDuplicatedKey and
// gorm.ErrForeignKeyViolated on both engines. gorm wraps no single statement in a transaction of its own: what must
// happen together needs an explicit one.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// ErrNewer says that the database was written by a newer Sealgate than this one.
var ErrNewer = errors.New("the database is newer than this sealgate")

// ErrReadOnly says that the database, or the folder of its file, cannot be written.
var ErrReadOnly = errors.New("the database is read-only")

// ErrDiskFull says that the disk under the database is full.
var ErrDiskFull = errors.New("the disk under the database is full")

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// Open opens the database at url and migrates it to the newest schema. It never creates a PostgreSQL database, only
// its tables; an SQLite file (mode 0600) and its folder (mode 0700) are created when missing. Several processes may
// open one database at once. Errors are sentences that name the remedy; they wrap ErrNewer and ErrReadOnly.
func Open(ctx context.Context, url string) (*gorm.DB, error) {
	path, isFile := strings.CutPrefix(url, "sqlite:")
	switch {
	case isFile:
		return openSQLite(ctx, path)
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		return openPostgres(ctx, url)
	}
	return nil, errors.New("the database address must begin with sqlite: or postgres://; correct it in the configuration")
}

// Close releases every connection of db.
func Close(db *gorm.DB) error {
	pool, err := db.DB()
	if err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return pool.Close()
}

func open(d gorm.Dialector) (*gorm.DB, error) {
	return gorm.Open(d, &gorm.Config{
		Logger:                 logger.Discard,
		TranslateError:         true,
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
	})
}

// newProvider returns goose over the embedded files of one engine.
func newProvider(db *gorm.DB, dialect goose.Dialect, folder string, options ...goose.ProviderOption) (*goose.Provider, error) {
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	sql, err := fs.Sub(files, folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, pool, sql, append(options, goose.WithDisableGlobalRegistry(true))...)
}

// up applies what is missing, unless the database has a version that this binary does not know.
func up(ctx context.Context, p *goose.Provider) error {
	current, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	if known := sources[len(sources)-1].Version; current > known {
		return fmt.Errorf("%w (schema %d, this one knows %d); start the newer sealgate, or restore a backup from before the upgrade",
			ErrNewer, current, known)
	}
	_, err = p.Up(ctx)
	return err
}
