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
	if err := migrations.Close(db); err != nil {
		t.Fatal(err)
	}
	out := strings.Join(strings.Fields(must(t, "", "-c", config, "queue", "destinations")), " ")
	want := "mail.test:587 0 " + since.Format(time.RFC3339) + " " + since.Add(time.Hour).Format(time.RFC3339) + " cannot connect"
	if !strings.Contains(out, want) {
		t.Errorf("it says %s\nwant %s", out, want)
	}
	if out := must(t, "", "-c", config, "queue", "list", "--destination", "mail.test:587"); out != "" {
		t.Errorf("something waits: %s", out)
	}
}
