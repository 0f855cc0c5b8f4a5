package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"modernc.org/sqlite"
)

// oneConnection is a database with a single connection that remembers.
func oneConnection(t *testing.T) (*sql.DB, *rememberingConn) {
	t.Helper()
	connector, err := sqlite.NewConnector("file:" + filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(remembering{connector})
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	var remembers *rememberingConn
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Raw(func(driven any) error { remembers = driven.(*rememberingConn); return nil }); err != nil {
		t.Fatal(err)
	}
	return db, remembers
}

func run(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func numbers(t *testing.T, rows *sql.Rows, err error) (all []int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

// TestAStatementIsCompiledOnce: the same words with other values are one compiled statement, before and after the schema
// changed.
func TestAStatementIsCompiledOnce(t *testing.T) {
	db, remembers := oneConnection(t)
	run(t, db, "CREATE TABLE t (n INTEGER)")
	for n := range 5 {
		run(t, db, "INSERT INTO t (n) VALUES (?)", n)
	}
	run(t, db, "ALTER TABLE t ADD COLUMN more TEXT NOT NULL DEFAULT 'x'")
	run(t, db, "INSERT INTO t (n) VALUES (?)", 5)
	rows, err := db.Query("SELECT n FROM t WHERE n > ? ORDER BY n", 3)
	if got := fmt.Sprint(numbers(t, rows, err)); got != "[4 5]" {
		t.Errorf("found %s", got)
	}
	if len(remembers.kept) != 2 {
		t.Errorf("kept %d statements: %v", len(remembers.kept), remembers.kept)
	}
}

// TestAStatementThatIsBeingReadIsNotShared: a loop that asks the same inside itself gets answers of its own.
func TestAStatementThatIsBeingReadIsNotShared(t *testing.T) {
	db, _ := oneConnection(t)
	run(t, db, "CREATE TABLE t (n INTEGER)")
	for n := range 3 {
		run(t, db, "INSERT INTO t (n) VALUES (?)", n)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	const query = "SELECT n FROM t WHERE n >= ? ORDER BY n"
	outer, err := tx.Query(query, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	var all []string
	for outer.Next() {
		var n int
		if err := outer.Scan(&n); err != nil {
			t.Fatal(err)
		}
		inner, err := tx.Query(query, n)
		all = append(all, fmt.Sprint(n, numbers(t, inner, err)))
	}
	if got := fmt.Sprint(all); got != "[0 [0 1 2] 1 [1 2] 2 [2]]" {
		t.Errorf("found %s", got)
	}
}

// TestOldStatementsAreForgotten: a connection keeps only so many.
func TestOldStatementsAreForgotten(t *testing.T) {
	db, remembers := oneConnection(t)
	for n := range 3 * maxStatements {
		rows, err := db.Query(fmt.Sprintf("SELECT %d + ?", n), 1)
		if got := numbers(t, rows, err); len(got) != 1 || got[0] != n+1 {
			t.Fatalf("SELECT %d + 1 is %v", n, got)
		}
	}
	if len(remembers.kept) > maxStatements {
		t.Errorf("kept %d statements", len(remembers.kept))
	}
}

// TestAFailedStatementCanBeUsedAgain: a constraint, or a context that ended, spoils nothing.
func TestAFailedStatementCanBeUsedAgain(t *testing.T) {
	db, _ := oneConnection(t)
	run(t, db, "CREATE TABLE t (n INTEGER PRIMARY KEY)")
	const insert = "INSERT INTO t (n) VALUES (?)"
	run(t, db, insert, 1)
	if _, err := db.Exec(insert, 1); err == nil {
		t.Error("the same key twice")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.ExecContext(ended, insert, 2); err == nil {
		t.Error("written after the end of its context")
	}
	run(t, db, insert, 3)
	if _, err := db.Query("SELECT no FROM t"); err == nil {
		t.Error("an unknown column was found")
	}
	rows, err := db.Query("SELECT n FROM t ORDER BY n")
	if got := fmt.Sprint(numbers(t, rows, err)); got != "[1 3]" {
		t.Errorf("found %s", got)
	}
}
