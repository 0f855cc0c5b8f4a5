package disk

import (
	"bufio"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// asWriter makes the test binary write to an SQLite database and say each commit, until it is killed.
const asWriter = "SEALGATE_TEST_DISK_WRITER"

func TestMain(m *testing.M) {
	if file := os.Getenv(asWriter); file != "" {
		err := commitForever(file)
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func commitForever(file string) error {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	if _, err := db.Exec("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, filler TEXT)"); err != nil {
		return err
	}
	var rows int
	if err := db.QueryRow("SELECT COUNT(*) FROM t").Scan(&rows); err != nil {
		return err
	}
	for fmt.Println("rows", rows); ; rows++ { // each commit is said as the number of rows then
		if _, err := db.Exec("INSERT INTO t (filler) VALUES (?)", strings.Repeat("x", 3000)); err != nil {
			return err
		}
		fmt.Println("rows", rows+1)
	}
}

// commits runs the writer until it said n more commits, kills it, and returns what it found and what it said last.
func commits(t *testing.T, file string, n int) (found, last int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asWriter+"="+file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill() //nolint:errcheck // it runs until it is killed
		cmd.Wait()         //nolint:errcheck // it was killed
	}()
	lines := bufio.NewScanner(out)
	for said := 0; said <= n && lines.Scan(); said++ {
		if _, err := fmt.Sscanf(lines.Text(), "rows %d", &last); err != nil {
			t.Fatalf("the writer says %q", lines.Text())
		}
		if said == 0 {
			found = last
		}
	}
	return found, last
}

func TestSQLiteKeepsItsCommitsThroughPowerCuts(t *testing.T) {
	m := fresh(t)
	file := filepath.Join(m.Folder(), "db")
	m.shell(t, "touch db; sync .") // the name of the database is its maker's to sync
	said := 0
	for range 5 {
		found, last := commits(t, file, 400)
		if found < said {
			t.Errorf("%d commits were said, %d are left after the cut", said, found)
		}
		said = last
		m.PowerCut(func() bool { return said%2 == 0 })
	}
	m.Set(Fault{SyncLies: true})
	_, said = commits(t, file, 50)
	m.PowerCut(nil)
	if found, _ := commits(t, file, 0); found >= said {
		t.Errorf("a lying disk kept all of %d commits: the test sees nothing", said)
	}
}
