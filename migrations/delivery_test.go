package migrations_test

import (
	"strings"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestWhatWaitedBeforeGetsDestinationAndDeadline: migration 15 gives every recipient its mailbox as destination, and what is
// still tried the end of its five days as deadline. What is held or finished has none.
func TestWhatWaitedBeforeGetsDestinationAndDeadline(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		err := db.Exec(`INSERT INTO queue_messages (id, article_id, group_id, mailbox_id, reverse_path, message_id, protection, size, created_ms)
			VALUES ('m', 'a', 'g', 'box', '', '', 'clear', 1, 1000)`).Error
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range []string{"pending", "sending", "uncertain", "held", "relayed", "failed"} {
			err := db.Exec("INSERT INTO queue_recipients (id, queue_id, address, state, next_attempt_ms) VALUES (?, 'm', 'x', ?, 0)", state, state).Error
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, words := range []string{"UPDATE queue_recipients SET destination", "UPDATE queue_recipients SET deadline_ms"} {
			if err := db.Exec(statementOf(t, db.Name(), "00015_delivery.sql", words)).Error; err != nil {
				t.Fatal(err)
			}
		}
		var found []string
		if err := db.Raw("SELECT id || ' ' || destination || ' ' || deadline_ms FROM queue_recipients ORDER BY id").Scan(&found).Error; err != nil {
			t.Fatal(err)
		}
		want := "failed box 0, held box 0, pending box 432001000, relayed box 0, sending box 432001000, uncertain box 432001000"
		if got := strings.Join(found, ", "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}
