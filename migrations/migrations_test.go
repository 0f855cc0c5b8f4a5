package migrations_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/migrations"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// onEach runs story with the address of an empty, unmigrated database of each engine.
func onEach(t *testing.T, story func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { story(t, dbtest.SQLiteURL(t)) })
	t.Run("postgres", func(t *testing.T) { story(t, dbtest.Postgres(t)) })
}

func mustOpen(t *testing.T, url string) *gorm.DB {
	t.Helper()
	db, err := migrations.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { migrations.Close(db) })
	return db
}

func TestASecondStartFindsTheDataOfTheFirst(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		first := mustOpen(t, url)
		insertGroup(t, first, "1", "Support")
		if err := migrations.Close(first); err != nil {
			t.Fatal(err)
		}
		var names []string
		if err := mustOpen(t, url).Raw("SELECT name FROM groups").Scan(&names).Error; err != nil {
			t.Fatal(err)
		}
		if len(names) != 1 || names[0] != "Support" {
			t.Errorf("groups after the second start: %q", names)
		}
	})
}

func TestManyProcessesMayStartAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		var starts sync.WaitGroup
		for range 8 {
			starts.Go(func() {
				db, err := migrations.Open(t.Context(), url)
				if err != nil {
					t.Error(err)
					return
				}
				if err := migrations.Close(db); err != nil {
					t.Error(err)
				}
			})
		}
		starts.Wait()
	})
}

func TestNewerDatabaseIsRefusedAndNotTouched(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		db := mustOpen(t, url)
		if err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)").Error; err != nil {
			t.Fatal(err)
		}
		_, err := migrations.Open(t.Context(), url)
		if !errors.Is(err, migrations.ErrNewer) {
			t.Fatalf("error %v, want ErrNewer", err)
		}
		if !strings.Contains(err.Error(), "start the newer sealgate") {
			t.Errorf("no remedy in: %v", err)
		}
		var version int64
		if err := db.Raw("SELECT max(version_id) FROM goose_db_version").Scan(&version).Error; err != nil || version != 99999 {
			t.Errorf("version is now %d (%v)", version, err)
		}
	})
}

func TestConstraintErrorsAreTheSameOnEachEngine(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		insertGroup(t, db, "1", "Support")
		address := "INSERT INTO group_addresses (address, group_id, position) VALUES (?, ?, 0)"
		if err := db.Exec(address, "help@desk.test", "1").Error; err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name, statement string
			values          []any
			want            error
		}{
			{"primary key", address, []any{"help@desk.test", "1"}, gorm.ErrDuplicatedKey},
			{"unique column", groupInsert, []any{"2", "Support"}, gorm.ErrDuplicatedKey},
			{"foreign key", address, []any{"info@desk.test", "none"}, gorm.ErrForeignKeyViolated},
			{"check", "INSERT INTO activity_heads (id, seq, hash) VALUES (2, 1, ?)", []any{[]byte{}}, gorm.ErrCheckConstraintViolated},
		} {
			if err := db.Exec(c.statement, c.values...).Error; !errors.Is(err, c.want) {
				t.Errorf("%s: error %v, want %v", c.name, err, c.want)
			}
		}
	})
}

func TestWritersWaitForEachOther(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		if err := db.Exec("INSERT INTO activity_heads (id, seq, hash) VALUES (1, 0, ?)", []byte{}).Error; err != nil {
			t.Fatal(err)
		}
		var writers sync.WaitGroup
		for range 8 {
			writers.Go(func() {
				for range 10 {
					if err := db.Transaction(increment); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		var seq int64
		if err := db.Raw("SELECT seq FROM activity_heads").Scan(&seq).Error; err != nil || seq != 80 {
			t.Errorf("seq %d (%v), want 80", seq, err)
		}
	})
}

// increment reads, then writes: the pattern that fails on SQLite unless a transaction takes the write lock first.
func increment(tx *gorm.DB) error {
	var seq int64
	read := "SELECT seq FROM activity_heads"
	if tx.Name() == "postgres" {
		read += " FOR UPDATE"
	}
	if err := tx.Raw(read).Scan(&seq).Error; err != nil {
		return err
	}
	return tx.Exec("UPDATE activity_heads SET seq = ?", seq+1).Error
}

func TestAddressOfNeitherEngineIsRefused(t *testing.T) {
	for _, url := range []string{"", "mysql://root:hunter2@localhost/x", "sqlite", "sqlite:"} {
		_, err := migrations.Open(t.Context(), url)
		if err == nil || !strings.Contains(err.Error(), "sqlite:") {
			t.Errorf("%q: error %v does not name a right form", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

const groupInsert = `INSERT INTO groups (id, name, sign_level, encrypt_level, auto_sign_level, auto_encrypt_level, mixed, created_ms, updated_ms)
VALUES (?, ?, 'auto', 'auto', 'auto', 'auto', 'refuse', 0, 0)`

func insertGroup(t *testing.T, db *gorm.DB, id, name string) {
	t.Helper()
	if err := db.Exec(groupInsert, id, name).Error; err != nil {
		t.Fatal(err)
	}
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestSQLiteFilesAreForOneUserOnly(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(folder, "sealgate.db")
	insertGroup(t, mustOpen(t, "sqlite:"+path), "1", "Support")
	if got := modeOf(t, folder); got != 0o700 {
		t.Errorf("folder mode %o", got)
	}
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		if got := modeOf(t, file); got != 0o600 {
			t.Errorf("%s: mode %o", filepath.Base(file), got)
		}
	}
}
