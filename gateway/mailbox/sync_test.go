package mailbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestMirrorAppearsAndChangesTravel is the whole life of a mailbox: mail appears with UIDs of ours, flags and expunges
// of a client reach upstream, what others do upstream appears here, and nobody's message is expunged but the client's.
func TestMirrorAppearsAndChangesTravel(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		d, up := newDesk(t, db), newMemory(t, imap.CapUIDPlus)
		up.append(letter("one"), letter("two"), letter("three"))
		d.sync(up.upstream())
		d.shows("one", "two", "three")

		address, _ := d.serve()
		c := deskClient(t, address)
		store(t, c, imap.SeqSetNum(2), imap.StoreFlagsAdd, imap.FlagFlagged, "$ticket")
		up.holds("one", `two $ticket \Flagged`, "three")
		store(t, c, imap.SeqSetNum(2), imap.StoreFlagsDel, imap.FlagFlagged)
		up.holds("one", "two $ticket", "three")

		store(t, c, imap.SeqSetNum(1), imap.StoreFlagsAdd, imap.FlagDeleted)
		if err := c.Expunge().Close(); err != nil {
			t.Fatal(err)
		}
		up.holds("two $ticket", "three")

		other := up.client()
		store(t, other, imap.SeqSetNum(1), imap.StoreFlagsAdd, imap.FlagAnswered)
		d.shows(`two $ticket \Answered`, "three")
		store(t, other, imap.SeqSetNum(2), imap.StoreFlagsAdd, imap.FlagDeleted)
		if err := other.Expunge().Close(); err != nil {
			t.Fatal(err)
		}
		d.shows(`two $ticket \Answered`)
		up.append(letter("four"))
		d.shows(`two $ticket \Answered`, "four")
		up.holds(`two $ticket \Answered`, "four")
		d.mirror.mustNotPend(t)
	})
}

// mustNotPend checks that upstream heard everything.
func (m *Mirror) mustNotPend(t *testing.T) {
	t.Helper()
	eventually(t, "no change is pending", func() (bool, string) {
		ids, err := m.pendingIDs(t.Context(), deskMailbox)
		return err == nil && len(ids) == 0, strings.Join(ids, " ")
	})
}

// TestExpungeWithoutUIDPLUS waits until no message but the client's is flagged \Deleted upstream.
func TestExpungeWithoutUIDPLUS(t *testing.T) {
	d, up := newDesk(t, dbtest.SQLite(t)), newMemory(t)
	up.append(letter("mine"), letter("other's"), letter("third"))
	s, _ := d.sync(up.upstream())
	d.shows("mine", "other's", "third")
	other := up.client()
	store(t, other, imap.SeqSetNum(2), imap.StoreFlagsAdd, imap.FlagDeleted)
	d.shows("mine", `other's \Deleted`, "third")

	address, _ := d.serve()
	c := deskClient(t, address)
	store(t, c, imap.SeqSetNum(1), imap.StoreFlagsAdd, imap.FlagDeleted)
	if err := c.UIDExpunge(imap.UIDSetNum(1)).Close(); err != nil {
		t.Fatal(err)
	}
	up.holds(`mine \Deleted`, `other's \Deleted`, "third")
	d.shows(`other's \Deleted`, "third")
	eventually(t, "the status tells it", func() (bool, string) {
		p := s.Status().Problem
		return strings.Contains(p, "has not taken every expunge yet"), p
	})
	store(t, other, imap.SeqSetNum(2), imap.StoreFlagsDel, imap.FlagDeleted)
	up.holds("other's", "third")
	d.shows("other's", "third")
}

// TestPoisonMessageBlocksNobody: what Receive refuses is skipped, left alone upstream, and comes when it is well.
func TestPoisonMessageBlocksNobody(t *testing.T) {
	d, up := newDesk(t, dbtest.SQLite(t)), newMemory(t, imap.CapUIDPlus)
	well := make(chan struct{})
	d.refuse = func(message []byte) error {
		select {
		case <-well:
			return nil
		default:
		}
		if strings.Contains(string(message), "Subject: poison") {
			return errors.New("cannot be received")
		}
		return nil
	}
	up.append(letter("before"), letter("poison"), letter("behind"))
	s, _ := d.sync(up.upstream())
	d.shows("before", "behind")
	eventually(t, "the status tells it", func() (bool, string) {
		p := s.Status().Problem
		return strings.Contains(p, "One message upstream cannot be received"), p
	})
	up.holds("before", "poison", "behind")
	close(well)
	d.shows("before", "behind", "poison")
	eventually(t, "the status is well", func() (bool, string) { p := s.Status().Problem; return p == "", p })
}

// TestUIDValidityChangeUpstream keeps our UIDs for the messages that are the same bytes, takes others as new, and
// loses none. A change that upstream had not heard of finds its message again.
func TestUIDValidityChangeUpstream(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		d, up := newDesk(t, db), newMemory(t, imap.CapUIDPlus)
		up.append(letter("one"), letter("two"), letter("two"), letter("gone"))
		_, stop := d.sync(up.upstream())
		d.shows("one", "two", "two", "gone")
		stop()
		address, _ := d.serve()
		c := deskClient(t, address)
		store(t, c, imap.SeqSetNum(2), imap.StoreFlagsAdd, imap.FlagFlagged)
		store(t, c, imap.SeqSetNum(1), imap.StoreFlagsAdd, imap.FlagDeleted)
		if err := c.Expunge().Close(); err != nil {
			t.Fatal(err)
		}

		renewed := newMemory(t, imap.CapUIDPlus)
		if err := renewed.user.Delete("INBOX"); err != nil {
			t.Fatal(err)
		}
		if err := renewed.user.Create("INBOX", nil); err != nil {
			t.Fatal(err)
		}
		renewed.append(letter("two"), letter("new"), letter("one"), letter("two"))
		d.sync(renewed.upstream())
		d.shows(`two \Flagged`, "two", "gone", "new")
		renewed.holds(`two \Flagged`, "new", "two")
		if uids := fetchUIDs(t, c); len(uids) != 4 || uids[0] != 2 || uids[1] != 3 || uids[2] != 4 || uids[3] != 5 {
			t.Errorf("UIDs %v, want 2 3 4 5", uids)
		}
	})
}

// TestOversizeMessageArrivesAsNotice leaves the message itself upstream.
func TestOversizeMessageArrivesAsNotice(t *testing.T) {
	d, up := newDesk(t, dbtest.SQLite(t)), newMemory(t, imap.CapUIDPlus)
	large := letter("large") + strings.Repeat("0123456789\r\n", 1000)
	up.append(large, letter("small"))
	d.sync(up.upstream(), func(s *Syncer) { s.MaxBytes = 4096 })
	d.shows("large", "small")
	up.holds("large", "small")
	address, _ := d.serve()
	c := deskClient(t, address)
	whole := &imap.FetchItemBodySection{Peek: true}
	got := string(fetchAll(t, c, imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{whole}})[0].FindBodySection(whole))
	for _, want := range []string{"From: Customer <customer@example.test>\r\n", "Message-ID: <large@example.test>\r\n", "untouched in the folder INBOX"} {
		if !strings.Contains(got, want) {
			t.Errorf("notice has no %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "0123456789") {
		t.Error("the notice holds the message's text")
	}
}

// TestReadingGoesOnWithoutUpstream: the mirror answers while upstream is away, and hears of changes when it is back.
func TestReadingGoesOnWithoutUpstream(t *testing.T) {
	d, up := newDesk(t, dbtest.SQLite(t)), newMemory(t, imap.CapUIDPlus)
	up.append(letter("one"))
	s, _ := d.sync(up.upstream())
	d.shows("one")
	up.server.Close()
	eventually(t, "the sync notices", func() (bool, string) {
		st := s.Status()
		return !st.Connected && strings.Contains(st.Problem, "Cannot connect"), st.Problem
	})
	address, _ := d.serve()
	c := deskClient(t, address)
	whole := &imap.FetchItemBodySection{}
	got := fetchAll(t, c, imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{whole}})[0]
	if string(got.FindBodySection(whole)) != letter("one") {
		t.Errorf("got %q", got.FindBodySection(whole))
	}
	up.start(listenAt(t, up.address), imap.CapUIDPlus)
	up.holds(`one \Seen`)
	eventually(t, "the status is well", func() (bool, string) { st := s.Status(); return st.Connected && st.Problem == "", st.Problem })
}

// TestRestartKeepsUIDs: another process over the same database answers the same UIDVALIDITY and UIDs.
func TestRestartKeepsUIDs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		d, up := newDesk(t, db), newMemory(t, imap.CapUIDPlus)
		up.append(letter("one"), letter("two"))
		_, stop := d.sync(up.upstream())
		d.shows("one", "two")
		stop()
		before, err := d.mirror.folder(t.Context(), deskMailbox, inbox)
		if err != nil {
			t.Fatal(err)
		}
		d.mirror = NewMirror(db, d.archive, d.mirror.now)
		up.append(letter("three"))
		d.sync(up.upstream())
		d.shows("one", "two", "three")
		address, _ := d.serve()
		c := client(t, address, "desk", "gate", nil)
		data, err := c.Select("INBOX", nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		if data.UIDValidity != before.UIDValidity || data.UIDValidity == 0 || data.UIDNext != 4 {
			t.Errorf("UIDVALIDITY %d UIDNEXT %d, want %d and 4", data.UIDValidity, data.UIDNext, before.UIDValidity)
		}
	})
}

// TestOnlyHereIsNeverPushed: a message without upstream UID is flagged and expunged here alone.
func TestOnlyHereIsNeverPushed(t *testing.T) {
	d, up := newDesk(t, dbtest.SQLite(t)), newMemory(t, imap.CapUIDPlus)
	up.append(letter("one"))
	d.sync(up.upstream())
	d.shows("one")
	d.put(letter("reopened"))
	address, _ := d.serve()
	c := deskClient(t, address)
	store(t, c, imap.SeqSetNum(2), imap.StoreFlagsAdd, imap.FlagDeleted, imap.FlagSeen)
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	d.shows("one")
	d.mirror.mustNotPend(t)
	up.holds("one")
}

// TestOtherFoldersAreMirrored with their names, and followed by STATUS.
func TestOtherFoldersAreMirrored(t *testing.T) {
	d, up := newDesk(t, dbtest.SQLite(t)), newMemory(t, imap.CapUIDPlus)
	const name = "Entwürfe/Änderung"
	deliver := func(subject string) {
		if _, err := up.user.Append(name, literalOf(letter(subject)), &imap.AppendOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := up.user.Create(name, nil); err != nil {
		t.Fatal(err)
	}
	deliver("draft")
	d.sync(up.upstream())
	address, _ := d.serve()
	c := client(t, address, "desk", "gate", nil)
	holds := func(n uint32) {
		eventually(t, "the folder has its messages", func() (bool, string) {
			data, err := c.Select(name, nil).Wait()
			if err != nil {
				return false, err.Error()
			}
			return data.NumMessages == n, "another number"
		})
	}
	holds(1)
	deliver("second")
	holds(2)
	store(t, c, imap.SeqSetNum(1), imap.StoreFlagsAdd, imap.FlagDeleted)
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	other := client(t, up.address, "up", "stream", nil)
	if _, err := other.Select(name, nil).Wait(); err != nil {
		t.Fatal(err)
	}
	upstreamHolds(t, other, "second")
}

// TestMessageThatBreaksTheConnection is passed over by the next connection. This upstream has no IDLE, so that the
// sync polls.
func TestMessageThatBreaksTheConnection(t *testing.T) {
	d := newDesk(t, dbtest.SQLite(t))
	l := listen(t)
	background(t, func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { l.Close() })
		defer stop()
		for {
			c, err := l.Accept()
			if err != nil {
				return nil
			}
			breaksAtFirst(ctx, c)
		}
	})
	d.sync(Upstream{Address: l.Addr().String(), TLS: "none", Username: "up", Password: "stream"})
	d.shows("second")
}

// breaksAtFirst is an upstream server with two messages. It hangs up when it is asked for the first.
func breaksAtFirst(ctx context.Context, c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1 UIDPLUS] ready\r\n")
	for lines := bufio.NewScanner(c); lines.Scan(); {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		message := letter("second")
		switch {
		case strings.HasPrefix(command, "LIST"):
			fmt.Fprint(c, "* LIST () \"/\" INBOX\r\n")
		case strings.HasPrefix(command, "SELECT"):
			fmt.Fprint(c, "* 2 EXISTS\r\n* OK [UIDVALIDITY 5] valid\r\n")
		case strings.HasPrefix(command, "UID FETCH 1:*"):
			fmt.Fprint(c, "* 1 FETCH (UID 1 FLAGS ())\r\n* 2 FETCH (UID 2 FLAGS ())\r\n")
		case strings.HasPrefix(command, "UID FETCH 1 ") && strings.Contains(command, "BODY.PEEK[]"):
			fmt.Fprint(c, "* 1 FETCH (UID 1 BODY[] nonsense\r\n")
			return
		case strings.Contains(command, "BODY.PEEK[]"):
			fmt.Fprintf(c, "* 2 FETCH (UID 2 BODY[] {%d}\r\n%s)\r\n", len(message), message)
		case strings.HasPrefix(command, "UID FETCH"):
			number := strings.Fields(command)[2]
			fmt.Fprintf(c, "* %s FETCH (UID %s FLAGS () RFC822.SIZE %d INTERNALDATE \" 4-Mar-2026 10:00:00 +0100\")\r\n", number, number, len(message))
		}
		fmt.Fprintf(c, "%s OK done\r\n", tag)
	}
}

// TestRefusedLoginWaitsLong: trying on would lock the account at many providers.
func TestRefusedLoginWaitsLong(t *testing.T) {
	d, up := newDesk(t, dbtest.SQLite(t)), newMemory(t)
	u := up.upstream()
	u.Password = "wrong"
	s, _ := d.sync(u, func(s *Syncer) { s.pauses.login = defaultPauses().login })
	eventually(t, "the status says it", func() (bool, string) {
		p := s.Status().Problem
		return strings.Contains(p, "refused the login of up; correct user name or password"), p
	})
	first, later := defaultPauses().login.after(1), defaultPauses().login.after(20)
	if first < 2*time.Minute || later < 30*time.Minute || later > time.Hour {
		t.Errorf("waits %v, later %v", first, later)
	}
}
