package mailbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// model is what one client knows from what it was told: the UID behind each sequence number, 0 where it has not asked.
type model struct {
	uids []int
	bad  []string
}

// hear takes one line of the server, in the order in which they come.
func (m *model) hear(line, next string) {
	var seq, uid int
	switch {
	case scans(line, "* %d EXPUNGE", &seq):
		m.expunged(seq)
	case scans(line, "* %d EXISTS", &seq):
		m.exists(seq)
	case scans(line, "* %d FETCH (UID %d BODY", &seq, &uid):
		m.answered(seq, uid, strings.TrimPrefix(next, "Subject: "))
	}
}

// scans is strict where Sscanf is not: the words behind the numbers must be there.
func scans(line, format string, numbers ...any) bool {
	n, err := fmt.Sscanf(line, format, numbers...)
	return err == nil && n == len(numbers)
}

func (m *model) expunged(seq int) {
	if seq == 0 || seq > len(m.uids) {
		m.bad = append(m.bad, fmt.Sprintf("EXPUNGE %d of %d", seq, len(m.uids)))
		return
	}
	m.uids = append(m.uids[:seq-1], m.uids[seq:]...)
}

func (m *model) exists(n int) {
	if n < len(m.uids) {
		m.bad = append(m.bad, fmt.Sprintf("EXISTS %d after %d", n, len(m.uids)))
	}
	for len(m.uids) < n {
		m.uids = append(m.uids, 0)
	}
}

// answered holds an answer to a question about a sequence number against everything heard before.
func (m *model) answered(seq int, uid int, subject string) {
	if seq > len(m.uids) {
		m.bad = append(m.bad, fmt.Sprintf("FETCH %d of %d", seq, len(m.uids)))
		return
	}
	if known := m.uids[seq-1]; known != 0 && known != uid {
		m.bad = append(m.bad, fmt.Sprintf("number %d was UID %d and is now %d", seq, known, uid))
	}
	m.uids[seq-1] = uid
	if want := fmt.Sprintf("m%d", uid); subject != want {
		m.bad = append(m.bad, fmt.Sprintf("UID %d answers with message %q", uid, subject))
	}
}

// TestSequenceNumbersNeverAnswerAnotherMessage: three clients read, flag and expunge one folder at once, by numbers and
// by UIDs, while mail arrives. Each answer must be the message that this client was told stands there.
func TestSequenceNumbersNeverAnswerAnotherMessage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		d := newDesk(t, db)
		for uid := 1; uid <= 40; uid++ {
			d.put(letter(fmt.Sprintf("m%d", uid)))
		}
		address, _ := d.serve()
		ctx, cancel := context.WithCancel(t.Context())
		var arrivals, clients sync.WaitGroup
		arrivals.Go(func() {
			for uid := 41; uid <= 80 && ctx.Err() == nil; uid++ {
				d.put(letter(fmt.Sprintf("m%d", uid)))
			}
		})
		for n := range 3 {
			clients.Go(func() { stress(t, address, rand.New(rand.NewPCG(7, uint64(n)))) })
		}
		clients.Wait()
		cancel()
		arrivals.Wait()
	})
}

func stress(t *testing.T, address string, random *rand.Rand) {
	m := &model{}
	c := dialRaw(t, address)
	c.expect("* OK")
	for i := range 100 {
		command := "LOGIN desk gate"
		if i == 1 {
			command = "SELECT INBOX"
		}
		if i > 1 {
			command = m.choose(random)
		}
		if err := c.run(fmt.Sprintf("t%d", i), command, m.hear); err != nil {
			t.Errorf("%s: %v", command, err)
			return
		}
	}
	for _, bad := range m.bad {
		t.Error(bad)
	}
}

// choose is one random thing to do.
func (m *model) choose(random *rand.Rand) string {
	if len(m.uids) == 0 {
		return "NOOP"
	}
	seq := 1 + random.IntN(len(m.uids))
	switch random.IntN(8) {
	case 0:
		return "NOOP"
	case 1:
		return fmt.Sprintf("STORE %d +FLAGS.SILENT (\\Deleted)", seq)
	case 2:
		return "EXPUNGE"
	case 3:
		return "SEARCH DELETED"
	case 4:
		return "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
	case 5:
		return "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
	}
	return fmt.Sprintf("FETCH %d (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])", seq)
}

// run says a command and hands every line before its end to hear, each with the one behind it.
func (c *rawClient) run(tag, command string, hear func(line, next string)) error {
	c.say(tag + " " + command)
	line := c.line()
	for !strings.HasPrefix(line, tag+" ") {
		if c.err != nil {
			return c.err
		}
		next := c.line()
		hear(line, next)
		if next == "" { // the blank line of a header
			next = c.line()
		}
		line = next
	}
	if !strings.HasPrefix(line, tag+" OK") {
		return fmt.Errorf("got %q", line)
	}
	return nil
}
