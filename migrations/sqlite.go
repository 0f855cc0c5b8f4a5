package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	gormlite "gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"modernc.org/sqlite"
	lite "modernc.org/sqlite/lib"
)

// sqliteConnections bounds the pool. One connection writes at a time, the others read or wait for their turn.
const sqliteConnections = 16

// sqliteSettings are the same for every connection. Each transaction takes the write lock when it begins: one that
// read first and then wants to write would fail without waiting. FULL makes a commit survive power loss, and deleted
// rows (shredded keys among them) are overwritten. They are constants: the driver runs _pragma values as SQL.
const sqliteSettings = "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=10000&_foreign_keys=1&_txlock=immediate&_pragma=secure_delete(fast)"

func openSQLite(ctx context.Context, path string) (*gorm.DB, error) {
	if path == "" {
		return nil, errors.New("the database address sqlite: names no file; write sqlite:PATH")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := prepareFile(path); err != nil {
		return nil, fileProblem(path, err)
	}
	// Only a name that begins with file: is an SQLite URI, in which '?' and '%' of the path can be escaped.
	dsn := "file://" + (&url.URL{Path: path}).EscapedPath() + sqliteSettings
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fileProblem(path, err)
	}
	pool := sql.OpenDB(remembering{connector})
	if err := turnToWAL(ctx, pool); err != nil {
		return nil, errors.Join(fileProblem(path, err), pool.Close())
	}
	db, err := open(dialector{&gormlite.Dialector{Conn: pool}})
	if err != nil {
		return nil, errors.Join(fileProblem(path, err), pool.Close())
	}
	if err := migrateSQLite(ctx, db); err != nil {
		return nil, errors.Join(fileProblem(path, err), Close(db))
	}
	return db, nil
}

// Times of the first connection.
const (
	walWait  = 10 * time.Second
	walAgain = 20 * time.Millisecond
)

// turnToWAL makes the first connection. It turns a new file to write-ahead logging, and where several processes do that at
// once, SQLite tells all but one that the file is busy, without waiting.
func turnToWAL(ctx context.Context, pool *sql.DB) error {
	end, again := time.NewTimer(walWait), time.NewTicker(walAgain)
	defer end.Stop()
	defer again.Stop()
	for {
		err := pool.PingContext(ctx)
		var failed *sqlite.Error
		if !errors.As(err, &failed) || failed.Code()&0xff != lite.SQLITE_BUSY {
			return err
		}
		select {
		case <-again.C:
		case <-end.C:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// prepareFile makes the folder and the file, and finds out whether the file can be written before SQLite does,
// because SQLite would silently open it for reading only.
func prepareFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// migrateSQLite migrates as long as somebody makes progress: where two processes start on one file, the one that
// loses the race for a step finds it done and goes on. goose has no lock for SQLite.
func migrateSQLite(ctx context.Context, db *gorm.DB) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(sqliteConnections)
	pool.SetMaxIdleConns(sqliteConnections)
	for reached := int64(-1); ; {
		p, err := newProvider(db, goose.DialectSQLite3, "sqlite")
		if err != nil {
			return err
		}
		failure := up(ctx, p)
		if failure == nil || errors.Is(failure, ErrNewer) {
			return failure
		}
		version, err := p.GetDBVersion(ctx)
		if err != nil || version <= reached {
			return failure
		}
		reached = version
	}
}

// fileProblem turns what SQLite or the file system said about the file into a sentence with the remedy.
func fileProblem(path string, err error) error {
	var failed *sqlite.Error
	code := 0
	if errors.As(err, &failed) {
		code = failed.Code() & 0xff // the primary result code
	}
	switch {
	case errors.Is(err, ErrNewer):
		return fmt.Errorf("%s: %w", path, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS),
		code == lite.SQLITE_READONLY, code == lite.SQLITE_CANTOPEN:
		return fmt.Errorf("%w: %s; give the user that runs sealgate write permission on the file and on its folder (%w)", ErrReadOnly, path, err)
	case errors.Is(err, syscall.ENOSPC), code == lite.SQLITE_FULL:
		return fmt.Errorf("no space is left for the database %s; make room and start again (%w)", path, err)
	case code == lite.SQLITE_NOTADB, code == lite.SQLITE_CORRUPT:
		return fmt.Errorf("%s is not an SQLite database, or is damaged; name another file or restore a backup (%w)", path, err)
	case code == lite.SQLITE_BUSY:
		return fmt.Errorf("another process holds the database %s; stop it and start again (%w)", path, err)
	}
	return fmt.Errorf("open database %s: %w", path, err)
}

// dialector is gorm's SQLite dialect, speaking to modernc's driver.
type dialector struct{ *gormlite.Dialector }

// Translate maps the driver's constraint errors to gorm's, and what stands in the way of writing to ours. The embedded dialect looks for exported fields, which
// modernc's error does not have.
func (dialector) Translate(err error) error {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Code() {
	case lite.SQLITE_CONSTRAINT_PRIMARYKEY, lite.SQLITE_CONSTRAINT_UNIQUE, lite.SQLITE_CONSTRAINT_ROWID:
		return fmt.Errorf("%w: %w", gorm.ErrDuplicatedKey, err)
	case lite.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: %w", gorm.ErrForeignKeyViolated, err)
	case lite.SQLITE_CONSTRAINT_CHECK:
		return fmt.Errorf("%w: %w", gorm.ErrCheckConstraintViolated, err)
	}
	switch failed.Code() & 0xff { // the primary code, whatever its detail
	case lite.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	case lite.SQLITE_READONLY:
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}
