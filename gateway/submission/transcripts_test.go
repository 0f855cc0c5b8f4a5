package submission_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/submission"
)

// TestTranscripts plays the dialogues in testdata. "C: " lines are sent with CRLF (\r, \n, \0 and \t stand for those
// bytes), "C> " lines without; "S: " lines must be what comes back; "TLS" starts it; "END" wants the server to close.
// "MODE starttls" in the first line chooses the listener, plain is the default.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d := newDesk(t, func(s *submission.Server) { s.MaxRecipients = 3 })
			d.play(t, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"))
		})
	}
}

func (d *desk) play(t *testing.T, lines []string) {
	t.Helper()
	mode := submission.Plain
	if chosen, ok := strings.CutPrefix(lines[0], "MODE "); ok {
		mode, lines = submission.Mode(chosen), lines[1:]
	}
	c := d.connect(t, mode)
	escapes := strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00", `\t`, "\t")
	for _, l := range lines {
		switch {
		case strings.HasPrefix(l, "#"):
		case strings.HasPrefix(l, "C: "):
			c.send(escapes.Replace(l[3:]) + "\r\n")
		case strings.HasPrefix(l, "C> "):
			c.send(escapes.Replace(l[3:]))
		case strings.HasPrefix(l, "S: "):
			if got := c.want(l[3:]); got != l[3:] {
				t.Fatalf("got %q, want %q", got, l[3:])
			}
		case l == "TLS":
			c.startTLS()
		case l == "END":
			c.wantEnd()
		default:
			t.Fatalf("%q is no transcript line", l)
		}
	}
}
