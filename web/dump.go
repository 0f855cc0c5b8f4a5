package web

import (
	"context"
	"errors"
	"io"

	"github.com/google/uuid"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// maxDumpRows is how many certificates of a dump are named in its report; the others are counted.
const maxDumpRows = 500

// dumpTally is what became of a dump so far.
type dumpTally struct {
	Read, Size int64 // bytes
	Seen       int
	Count      map[string]int
	Waiting    map[string]bool // fingerprints of those that wait for a person, because another certificate is in use
	Reopened   int
	Rows       []keyring.Change // refused or waiting
	Unnamed    int              // how many more of these there were
	Sentence   string           // why it ended early
}

func newTally(size int64) *dumpTally {
	return &dumpTally{Size: size, Count: map[string]int{}, Waiting: map[string]bool{}}
}

func (t *dumpTally) add(report gateway.ImportReport) {
	t.Reopened += report.Reopened
	for _, c := range report.Changes {
		t.Seen++
		t.Count[string(c.Outcome)]++
		waits := len(c.Conflicts) > 0 && !t.Waiting[c.Fingerprint]
		if waits {
			t.Waiting[c.Fingerprint] = true
		}
		switch {
		case c.Outcome != keyring.Refused && !waits:
		case len(t.Rows) < maxDumpRows:
			t.Rows = append(t.Rows, c)
		default:
			t.Unnamed++
		}
	}
}

// counter counts the bytes that were read.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// tallyDump imports a dump and counts what becomes of it; after each batch it calls after.
func (s *site) tallyDump(ctx context.Context, a gateway.Actor, r io.Reader, passphrase string, t *dumpTally, after func() error) error {
	from := &counter{Reader: r}
	return s.Gateway.ImportDump(ctx, a, from, []byte(passphrase), func(report gateway.ImportReport) error {
		t.add(report)
		t.Read = from.n
		return after()
	})
}

// reportDump imports, and shows a page that grows: a line after each batch, of which only the newest is seen, and the
// report at the end. It needs no script.
func (v *visit) reportDump(r io.Reader, size int64) error {
	page, err := v.grow("dump", "Import of a dump")
	if err != nil {
		return err
	}
	t := newTally(size)
	page.add("dump-line", t)
	err = v.tallyDump(v.r.Context(), v.actor(), r, v.secret("passphrase"), t, func() error {
		page.add("dump-line", t)
		return v.r.Context().Err()
	})
	if err != nil {
		t.Sentence = v.endedEarly(err)
	}
	page.add("dump-report", t)
	page.end()
	return nil
}

// endedEarly says why something long ended in the middle, when no page for the error can be shown any more.
func (v *visit) endedEarly(err error) string {
	if words := sentenceOf(err); words != "" || errors.Is(err, context.Canceled) {
		return words
	}
	incident := uuid.NewString()
	v.Log.ErrorContext(v.r.Context(), "page failed", "incident", incident, "method", v.r.Method, "path", v.r.URL.Path, "error", err)
	return "Sealgate could not go on; it is not your mistake. What is counted here was imported. The log says why under " + incident + "."
}
