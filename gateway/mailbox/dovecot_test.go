package mailbox

import (
	"bytes"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestDovecotUpstream is the whole life of a mailbox with a real server behind it, over TLS in both ways.
func TestDovecotUpstream(t *testing.T) {
	bed.Need(t, "dovecot", "doveadm")
	authority := bed.NewAuthority(t)
	dovecot := bed.StartDovecot(t, authority, "implicit", "starttls")
	for user, address := range map[string]string{"implicit": dovecot.IMAPS, "starttls": dovecot.IMAP} {
		t.Run(user, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
				dovecot.Doveadm(t, "expunge", "-u", user, "mailbox", "INBOX", "all")
				d := newDesk(t, db)
				u := Upstream{Address: address, TLS: user, Roots: poolOf(t, authority.CertPEM), Username: user, Password: "secret"}
				dovecotStory(t, d, dovecot, u, user)
			})
		})
	}
}

func dovecotStory(t *testing.T, d *desk, dovecot *bed.Dovecot, u Upstream, user string) {
	dovecot.Deliver(t, user, []byte(letter("one")))
	dovecot.Deliver(t, user, []byte(letter("two")))
	s, _ := d.sync(u)
	d.shows("one", "two")
	address, _ := d.serve()
	c := deskClient(t, address)
	sameBytes(t, d, dovecot, user)

	store(t, c, imap.SeqSetNum(1), imap.StoreFlagsAdd, imap.FlagFlagged, "$Ticket")
	eventually(t, "the flag is upstream", func() (bool, string) {
		flags := dovecot.Doveadm(t, "-f", "tab", "fetch", "-u", user, "flags", "mailbox", "INBOX", "header", "subject", "one")
		return strings.Contains(flags, `\Flagged`) && strings.Contains(flags, "$Ticket"), flags
	})
	store(t, c, imap.SeqSetNum(2), imap.StoreFlagsAdd, imap.FlagDeleted)
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	upstreamSubjects(t, dovecot, user, "one")

	dovecot.Deliver(t, user, []byte(letter("three")))
	d.shows(`one $Ticket \Flagged`, "three")
	dovecot.Doveadm(t, "expunge", "-u", user, "mailbox", "INBOX", "header", "subject", "one")
	d.shows("three")
	upstreamSubjects(t, dovecot, user, "three")
	for name, message := range messageFiles(t) {
		if name != "09-empty.eml" && name != "05-nul.eml" { // Dovecot's LMTP takes neither as it is
			dovecot.Deliver(t, user, message)
		}
	}
	eventually(t, "the worst mail arrives", func() (bool, string) {
		return len(d.inbox()) == 1+len(messageFiles(t))-2, s.Status().Problem
	})
	sameBytes(t, d, dovecot, user)
}

// sameBytes compares what a client reads here with what the upstream server has.
func sameBytes(t *testing.T, d *desk, dovecot *bed.Dovecot, user string) {
	t.Helper()
	address, _ := d.serve()
	c := deskClient(t, address)
	whole := &imap.FetchItemBodySection{Peek: true}
	var here [][]byte
	for _, m := range fetchAll(t, c, imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{
		BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, BodySection: []*imap.FetchItemBodySection{whole},
	}) {
		here = append(here, m.FindBodySection(whole))
	}
	there := dovecot.Messages(t, user, "INBOX")
	if len(here) != len(there) {
		t.Fatalf("%d messages here, %d upstream", len(here), len(there))
	}
	for i := range here {
		// doveadm's text output ends where the message ends, give or take the last line break.
		if !bytes.Equal(bytes.TrimRight(here[i], "\r\n"), bytes.TrimRight(there[i], "\r\n")) {
			t.Errorf("message %d:\nhere  %q\nthere %q", i+1, here[i], there[i])
		}
	}
}

func upstreamSubjects(t *testing.T, dovecot *bed.Dovecot, user string, want ...string) {
	t.Helper()
	eventually(t, "upstream's subjects", func() (bool, string) {
		var have []string
		for _, message := range dovecot.Messages(t, user, "INBOX") {
			have = append(have, describeMessage(message, ""))
		}
		return strings.Join(have, " ") == strings.Join(want, " "), strings.Join(have, " ")
	})
}
