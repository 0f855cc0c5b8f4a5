package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/migrations"
)

// TestCommandLineTellsWhatRests: who has no browser sees what cannot be reached, since when, until when and why.
func TestCommandLineTellsWhatRests(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "sealgate.db")
	config := writeConfig(t, "domain: sealgate.test\ndatabase: "+url+"\n")
	if out, _ := sealgate(t, "", "-c", config, "doctor"); !strings.Contains(out, "nothing waits for a mail server that cannot be reached") {
		t.Errorf("doctor, before anything failed: %s", out)
	}
	if out := must(t, "", "-c", config, "queue", "destinations"); strings.Contains(out, "mail.test") {
		t.Errorf("before anything failed: %s", out)
	}
	db, err := migrations.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	since := time.Now().UTC().Truncate(time.Second)
	err = db.Exec("INSERT INTO queue_destinations (destination, failures, rest_until_ms, reason, since_ms) VALUES ('mail.test:587', 2, ?, 'cannot connect', ?)",
		since.Add(time.Hour).UnixMilli(), since.UnixMilli()).Error
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`INSERT INTO queue_messages (id, article_id, group_id, mailbox_id, reverse_path, message_id, protection, size, created_ms) VALUES ('m', 'a', 'g', 'b', '', '', 'clear', 1, 1)`,
		`INSERT INTO queue_recipients (id, queue_id, address, state, next_attempt_ms, destination) VALUES ('r', 'm', 'ann@customer.test', 'pending', 1, 'mail.test:587')`,
	} {
		if err := db.Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
	}
	if err := migrations.Close(db); err != nil {
		t.Fatal(err)
	}
	out := strings.Join(strings.Fields(must(t, "", "-c", config, "queue", "destinations")), " ")
	want := "mail.test:587 1 " + since.Format(time.RFC3339) + " " + since.Add(time.Hour).Format(time.RFC3339) + " cannot connect"
	if !strings.Contains(out, want) {
		t.Errorf("it says %s\nwant %s", out, want)
	}
	for destination, want := range map[string]bool{"mail.test:587": true, "elsewhere:587": false} {
		if out := must(t, "", "-c", config, "queue", "list", "--destination", destination); strings.Contains(out, "ann@customer.test") != want {
			t.Errorf("what waits for %s: %s", destination, out)
		}
	}
	if out, code := sealgate(t, "", "-c", config, "doctor"); code != 1 || !strings.Contains(out, "mail.test:587 cannot be reached since "+since.Format(time.RFC3339)+", and mail waits for it (recipients: 1): cannot connect") {
		t.Errorf("doctor: exit %d, %s", code, out)
	}
}
