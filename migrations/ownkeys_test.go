package migrations_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestReadersOfOldArticlesAreFound: migration 11 reads from the verdicts of before to which keys articles came encrypted.
func TestReadersOfOldArticlesAreFound(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		for i, a := range []struct{ direction, verdict, reopened string }{
			{"in", `{"encryption":"decrypted","encrypted_to":["00000000000000AA","00000000000000BB"]}`, ""},
			{"in", `{"encryption":"no-key","encrypted_to":["00000000000000AA","00000000000000AA"]}`, ""},
			{"in", `{"encryption":"decrypted","encrypted_to":["00000000000000AA"]}`, "1"},
			{"in", `{"encryption":"none"}`, ""},
			{"in", `{}`, ""},
			{"out", `{"encrypt":true}`, ""},
		} {
			err := db.Exec(`INSERT INTO articles (id, group_id, mailbox_id, direction, from_address, to_addresses, message_id, date_ms,
				received_ms, size, encryption, signature, verdict, reopened_from) VALUES (?, 'g', 'm', ?, '', '[]', '', 0, 0, 0, '', '', ?, ?)`,
				fmt.Sprint(i), a.direction, a.verdict, a.reopened).Error
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Exec(statementOf(t, db.Name(), "00011_own_keys.sql", "INSERT INTO article_readers")).Error; err != nil {
			t.Fatal(err)
		}
		var found []string
		if err := db.Raw("SELECT article_id || ' ' || key_id FROM article_readers ORDER BY 1").Scan(&found).Error; err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(found, ", "); got != "0 00000000000000AA, 0 00000000000000BB, 1 00000000000000AA" {
			t.Errorf("found %s", got)
		}
	})
}

// statementOf is the statement in a migration that begins with these words.
func statementOf(t *testing.T, engine, file, words string) string {
	t.Helper()
	sql, err := os.ReadFile(filepath.Join(engine, file))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(sql), words)
	statement, _, ended := strings.Cut(rest, ";")
	if !found || !ended {
		t.Fatalf("no statement %q in %s", words, file)
	}
	return words + statement
}
