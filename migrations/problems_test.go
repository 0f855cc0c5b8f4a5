package migrations_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/sealgate/sealgate/migrations"
	"github.com/sealgate/sealgate/migrations/dbtest"
)

func TestSQLitePathMayHoldAnyCharacter(t *testing.T) {
	for _, name := range []string{"with space.db", "what?.db", "100%.db", "a%20b.db", "#1&mode=ro.db", "desk;drop.db", "ü.db"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a folder?", name)
			insertGroup(t, mustOpen(t, "sqlite:"+path), "1", "Support")
			entries, err := os.ReadDir(filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if !strings.HasPrefix(e.Name(), name) {
					t.Errorf("unexpected file %q", e.Name())
				}
			}
			if info, err := os.Stat(path); err != nil || info.Size() == 0 {
				t.Errorf("the database is not at its path: %v", err)
			}
		})
	}
}

func TestReadOnlyDatabaseIsRefusedWithTheRemedy(t *testing.T) {
	for _, c := range []struct {
		name    string
		protect func(t *testing.T, folder, file string)
	}{
		{"file", func(t *testing.T, _, file string) { chmod(t, file, 0o444) }},
		{"folder", func(t *testing.T, folder, _ string) { chmod(t, folder, 0o555) }},
		{"missing file in a read-only folder", func(t *testing.T, folder, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			chmod(t, folder, 0o555)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			chmod(t, filepath.Dir(folder), 0o755)
			file := filepath.Join(folder, "sealgate.db")
			if err := migrations.Close(mustOpen(t, "sqlite:"+file)); err != nil {
				t.Fatal(err)
			}
			chmod(t, folder, 0o777)
			chmod(t, file, 0o666)
			c.protect(t, folder, file)
			err := openUnprivileged(t, "sqlite:"+file)
			if !errors.Is(err, migrations.ErrReadOnly) {
				t.Fatalf("error %v, want ErrReadOnly", err)
			}
			if !strings.Contains(err.Error(), "write permission") || !strings.Contains(err.Error(), file) {
				t.Errorf("no remedy or no path in: %v", err)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(path, 0o700) })
}

// openUnprivileged opens as a user whom file modes bind, on a thread of its own that ends with the goroutine.
func openUnprivileged(t *testing.T, url string) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			const nobody = 65534
			if err := syscall.Setfsuid(nobody); err != nil {
				done <- err
				return
			}
		}
		db, err := migrations.Open(t.Context(), url)
		if err == nil {
			migrations.Close(db)
		}
		done <- err
	}()
	return <-done
}

func TestFileThatIsNoDatabaseIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letter.txt")
	letter := strings.Repeat("Dear customer, this is no database.\n", 100)
	if err := os.WriteFile(path, []byte(letter), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := migrations.Open(t.Context(), "sqlite:"+path)
	if err == nil || !strings.Contains(err.Error(), "is not an SQLite database") {
		t.Errorf("error %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != letter {
		t.Errorf("the file has changed (%v)", err)
	}
}

func TestUnreachableServerIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, err = migrations.Open(t.Context(), "postgres://desk:hunter2@"+address+"/desk?sslmode=disable")
	expectSentence(t, err, "cannot reach PostgreSQL at 127.0.0.1", "check that it runs")
}

func TestServerRefusals(t *testing.T) {
	url := dbtest.Postgres(t)
	base := url[:strings.LastIndex(url, "/")]
	t.Run("unknown user", func(t *testing.T) {
		_, err := migrations.Open(t.Context(), strings.Replace(url, "postgres@", "stranger:hunter2@", 1))
		expectSentence(t, err, "refused user stranger", "check user and password")
	})
	t.Run("wrong password", func(t *testing.T) {
		if err := mustOpen(t, url).Exec("CREATE ROLE locked LOGIN PASSWORD 'right'").Error; err != nil {
			t.Fatal(err)
		}
		_, err := migrations.Open(t.Context(), strings.Replace(url, "postgres@", "locked:hunter2@", 1))
		expectSentence(t, err, "refused user locked", "check user and password")
	})
	t.Run("missing database", func(t *testing.T) {
		_, err := migrations.Open(t.Context(), base+"/nowhere?sslmode=disable")
		expectSentence(t, err, "has no database nowhere", "createdb")
	})
	t.Run("read-only server", func(t *testing.T) {
		mustOpen(t, url) // even when there is nothing to migrate
		for _, address := range []string{url, dbtest.Postgres(t)} {
			_, err := migrations.Open(t.Context(), address+"&default_transaction_read_only=on")
			expectSentence(t, err, "accepts no writes", "name the primary server")
			if !errors.Is(err, migrations.ErrReadOnly) {
				t.Errorf("error %v, want ErrReadOnly", err)
			}
		}
	})
	t.Run("user without rights", func(t *testing.T) {
		if err := mustOpen(t, url).Exec("CREATE ROLE guest LOGIN").Error; err != nil {
			t.Fatal(err)
		}
		empty := dbtest.Postgres(t)
		_, err := migrations.Open(t.Context(), strings.Replace(empty, "postgres@", "guest@", 1))
		expectSentence(t, err, "guest may not create tables", "make it the owner")
	})
	t.Run("broken address", func(t *testing.T) {
		_, err := migrations.Open(t.Context(), "postgres://desk:hunter2%@[::1/desk")
		expectSentence(t, err, "not a valid postgres:// URL", "percent-encode")
	})
}

func expectSentence(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in: %v", part, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows the password: %v", err)
	}
}
