package dbtest

import (
	"bufio"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
)

func TestMain(m *testing.M) { Main(m) }

func TestEachStoryHasADatabaseOfItsOwn(t *testing.T) {
	for range 2 {
		Each(t, func(t *testing.T, db *gorm.DB) {
			var n int64
			if err := db.Table("instances").Count(&n).Error; err != nil || n != 0 {
				t.Errorf("%d rows in a fresh database (%v)", n, err)
			}
			if err := db.Exec("INSERT INTO instances (id, created_ms) VALUES ('one', 0)").Error; err != nil {
				t.Error(err)
			}
		})
	}
}

// child makes TestChild start a server and wait to be killed.
const child = "SEALGATE_DBTEST_CHILD"

func TestChild(t *testing.T) {
	if os.Getenv(child) == "" {
		t.Skip("started by TestNothingIsLeftWhenTheTestsAreKilled")
	}
	os.Stdout.WriteString(Postgres(t) + "\n")
	io.Copy(io.Discard, os.Stdin)
}

func TestNothingIsLeftWhenTheTestsAreKilled(t *testing.T) {
	needPostgres(t)
	tmp := t.TempDir()
	for _, dir := range []string{tmp, filepath.Dir(tmp)} {
		if err := os.Chmod(dir, 0o777); err != nil { // the server's user must get through
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), child+"=1", "TMPDIR="+tmp)
	stdin, stdout, err := startPiped(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !listens(address.Host) {
		t.Fatalf("no server at %s", address.Host)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	await(t, "the server to stop", func() bool { return !listens(address.Host) })
	await(t, "its data to be removed", func() bool {
		left, err := filepath.Glob(filepath.Join(tmp, "sealgate-pg*"))
		return err == nil && len(left) == 0
	})
}

func listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func await(t *testing.T, what string, happened func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !happened() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		}
	}
}
