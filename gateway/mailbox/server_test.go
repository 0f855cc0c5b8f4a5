package mailbox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestEveryMessageIsServedByteForByte: size, whole, header and text of the worst mail agree with its bytes, and its
// structure is answered on a connection that lives on.
func TestEveryMessageIsServedByteForByte(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		d := newDesk(t, db)
		messages := messageFiles(t)
		names := sortedNames(messages)
		for _, name := range names {
			d.put(string(messages[name]))
		}
		address, _ := d.serve()
		c := deskClient(t, address)
		whole, head, text := &imap.FetchItemBodySection{}, &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader}, &imap.FetchItemBodySection{Specifier: imap.PartSpecifierText}
		slice := &imap.FetchItemBodySection{Partial: &imap.SectionPartial{Offset: 3, Size: 5}}
		got := fetchAll(t, c, imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{
			UID: true, RFC822Size: true, Envelope: true, InternalDate: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
			BodySection: []*imap.FetchItemBodySection{whole, head, text, slice},
		})
		if len(got) != len(names) {
			t.Fatalf("%d messages, want %d", len(got), len(names))
		}
		for i, m := range got {
			want := messages[names[i]]
			if !bytes.Equal(m.FindBodySection(whole), want) || m.RFC822Size != int64(len(want)) || m.UID != imap.UID(i+1) {
				t.Errorf("%s: UID %d, %d bytes told, got %q", names[i], m.UID, m.RFC822Size, m.FindBodySection(whole))
			}
			if both := append(bytes.Clone(m.FindBodySection(head)), m.FindBodySection(text)...); !bytes.Equal(both, want) {
				t.Errorf("%s: header and text are %q", names[i], both)
			}
			if m.BodyStructure == nil || m.Envelope == nil {
				t.Errorf("%s: no structure or envelope", names[i])
			}
			if len(want) > 8 && !bytes.Equal(m.FindBodySection(slice), want[3:8]) {
				t.Errorf("%s: bytes 3 to 8 are %q", names[i], m.FindBodySection(slice))
			}
		}
	})
}

func sortedNames(messages map[string][]byte) []string {
	var names []string
	for name := range messages {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestIdleTellsWithinASecond: a wake in this process is heard at once, without waiting for the poll.
func TestIdleTellsWithinASecond(t *testing.T) {
	d := newDesk(t, dbtest.SQLite(t))
	d.put(letter("one"))
	address, _ := d.serve()
	exists, expunged := make(chan uint32, 10), make(chan uint32, 10)
	c := client(t, address, "desk", "gate", &imapclient.UnilateralDataHandler{
		Expunge: func(n uint32) { expunged <- n },
		Mailbox: func(m *imapclient.UnilateralDataMailbox) {
			if m.NumMessages != nil {
				exists <- *m.NumMessages
			}
		},
	})
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	d.put(letter("two"))
	if n := <-exists; n != 2 {
		t.Errorf("EXISTS %d, want 2", n)
	}
	if waited := time.Since(start); waited > truthPoll {
		t.Errorf("told after %v, by the poll and not by the wake", waited)
	}
	other := deskClient(t, address)
	store(t, other, imap.SeqSetNum(1), imap.StoreFlagsAdd, imap.FlagDeleted)
	if err := other.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	if n := <-expunged; n != 1 {
		t.Errorf("EXPUNGE %d, want 1", n)
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Wait(); err != nil {
		t.Fatal(err)
	}
	if uids := fetchUIDs(t, c); len(uids) != 1 || uids[0] != 2 {
		t.Errorf("UIDs %v, want 2", uids)
	}
}

// TestIdleAsksTheDatabase: what another process does is seen although nobody wakes.
func TestIdleAsksTheDatabase(t *testing.T) {
	d := newDesk(t, dbtest.SQLite(t))
	d.put(letter("one"))
	address, _ := d.serve()
	exists := make(chan uint32, 10)
	c := client(t, address, "desk", "gate", &imapclient.UnilateralDataHandler{Mailbox: func(m *imapclient.UnilateralDataMailbox) {
		if m.NumMessages != nil {
			exists <- *m.NumMessages
		}
	}})
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	d.mirror = NewMirror(d.db, d.archive, time.Now) // its wakes reach nobody
	d.put(letter("two"))
	if n := <-exists; n != 2 {
		t.Errorf("EXISTS %d, want 2", n)
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestServeEndsWithBye: clients are told, whether they idle or are silent, and Serve returns without goroutines.
func TestServeEndsWithBye(t *testing.T) {
	d := newDesk(t, dbtest.SQLite(t))
	d.put(letter("one"))
	address, stop := d.serve()
	silent := dialRaw(t, address)
	silent.expect("* OK")
	idling := dialRaw(t, address)
	idling.expect("* OK")
	idling.say("a LOGIN desk gate")
	idling.until("a OK")
	idling.say("b SELECT INBOX")
	idling.until("b OK")
	idling.say("c IDLE")
	idling.until("+ idling")
	stop()
	for _, c := range []*rawClient{silent, idling} {
		c.until("* BYE Sealgate is shutting down")
	}
}

// TestAbruptCloseLeavesNothing: a client that drops its connection in the middle of anything costs nothing but its own
// session.
func TestAbruptCloseLeavesNothing(t *testing.T) {
	d := newDesk(t, dbtest.SQLite(t))
	d.put(letter("one") + strings.Repeat("0123456789\r\n", 100000))
	const slots = 5
	address, _ := d.serve(func(s *Server) { s.MaxConnections = slots })
	for _, last := range []string{"c FETCH 1 BODY[]", "c IDLE", "c STORE 1 +FLAGS (\\Flagged", "c FETCH 1 (BODY[HEADER]) {7}"} {
		c := dialRaw(t, address)
		c.expect("* OK")
		c.say("a LOGIN desk gate")
		c.until("a OK")
		c.say("b SELECT INBOX")
		c.until("b OK")
		c.say(last)
		c.conn.Close()
	}
	eventually(t, "every slot is free again", func() (bool, string) {
		greetings := ""
		for range slots {
			c := dialRaw(t, address)
			defer c.conn.Close()
			greetings += c.line()
		}
		return strings.Count(greetings, "* OK") == slots, greetings
	})
}

// TestConnectionLimit turns the one too many away with a sentence.
func TestConnectionLimit(t *testing.T) {
	d := newDesk(t, dbtest.SQLite(t))
	address, _ := d.serve(func(s *Server) { s.MaxConnections = 1 })
	first := dialRaw(t, address)
	first.expect("* OK")
	dialRaw(t, address).expect("* BYE Too many connections")
}

// TestWhoDoesNotLogInIsCut, however busy the connection is.
func TestWhoDoesNotLogInIsCut(t *testing.T) {
	d := newDesk(t, dbtest.SQLite(t))
	address, _ := d.serve(func(s *Server) { s.loginTime = 50 * time.Millisecond })
	c := dialRaw(t, address)
	c.expect("* OK")
	eventually(t, "the connection ends", func() (bool, string) {
		if _, err := fmt.Fprint(c.conn, "a NOOP\r\n"); err != nil {
			return true, ""
		}
		line := c.line()
		return c.err != nil, line
	})
}

// TestGuessingIsSlow: each failed login of an address makes the next one wait, on other connections too.
func TestGuessingIsSlow(t *testing.T) {
	d := newDesk(t, dbtest.SQLite(t))
	address, _ := d.serve()
	start := time.Now()
	for range 3 {
		c := dialRaw(t, address)
		c.expect("* OK")
		c.say("a LOGIN desk wrong")
		c.until("a NO [AUTHENTICATIONFAILED]")
	}
	if took := time.Since(start); took < 2*firstDelay {
		t.Errorf("three guesses took %v", took)
	}
	c := dialRaw(t, address)
	c.expect("* OK")
	c.say("a LOGIN desk gate")
	c.until("a OK")
}

// TestManyGuessesAreTurnedAway before the password is looked at.
func TestManyGuessesAreTurnedAway(t *testing.T) {
	var f failures
	remote := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7)}
	for range 20 {
		f.failed(remote)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody waits in this test
	var err error
	for range 20 {
		err = f.await(ctx, remote)
	}
	if err != errTooManyGuesses {
		t.Errorf("got %v", err)
	}
	if err := f.await(t.Context(), &net.TCPAddr{IP: net.IPv4(192, 0, 2, 8)}); err != nil {
		t.Errorf("another address: %v", err)
	}
}

// TestPlainListensOnLoopbackOnly: a password never crosses a network in clear.
func TestPlainListensOnLoopbackOnly(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Log: slog.New(slog.DiscardHandler)}
	if err := s.Serve(t.Context(), l, Plain); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v", err)
	}
	if err := s.Serve(t.Context(), listen(t), Implicit); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

// TestTLSModes: implicit TLS and STARTTLS let in, and before STARTTLS no password is taken.
func TestTLSModes(t *testing.T) {
	d := newDesk(t, dbtest.SQLite(t))
	d.put(letter("one"))
	a := bed.NewAuthority(t)
	pair, err := tls.X509KeyPair(a.CertPEM, a.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	s := d.server()
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	for _, mode := range []Mode{Implicit, StartTLS} {
		t.Run(string(mode), func(t *testing.T) {
			l := listen(t)
			background(t, func(ctx context.Context) error { return s.Serve(ctx, l, mode) })
			u := Upstream{Address: l.Addr().String(), TLS: string(mode), Roots: poolOf(t, a.CertPEM), Username: "desk", Password: "gate"}
			if err := Check(t.Context(), u); err != nil {
				t.Errorf("%v: %v", err, err.(*problem).cause)
			}
		})
	}
	l := listen(t)
	background(t, func(ctx context.Context) error { return s.Serve(ctx, l, StartTLS) })
	c := dialRaw(t, l.Addr().String())
	if greeting := c.line(); !strings.Contains(greeting, "LOGINDISABLED") {
		t.Errorf("greeting %q", greeting)
	}
	c.say("a LOGIN desk gate")
	c.until("a NO [PRIVACYREQUIRED]")
}

// TestPythonClient runs a client of another make: Python's imaplib.
func TestPythonClient(t *testing.T) {
	bed.Need(t, "python3")
	d := newDesk(t, dbtest.SQLite(t))
	for _, subject := range []string{"one", "two", "three"} {
		d.put(letter(subject))
	}
	address, _ := d.serve()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "python3", "testdata/imaplib_client.py", port).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d.shows(`one \Seen`, `three \Answered`)
}

// rawClient speaks lines.
type rawClient struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	err  error // why there is no further line
}

func dialRaw(t *testing.T, address string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &rawClient{t: t, conn: conn, r: bufio.NewReader(conn)}
}

func (c *rawClient) say(line string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, "%s\r\n", line); err != nil {
		c.t.Fatal(err)
	}
}

// line returns the next line, or what is wrong.
func (c *rawClient) line() string {
	if c.err = c.conn.SetDeadline(time.Now().Add(patience)); c.err != nil {
		return c.err.Error()
	}
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.err = err
		return line + err.Error()
	}
	return strings.TrimRight(line, "\r\n")
}

func (c *rawClient) expect(prefix string) {
	c.t.Helper()
	if line := c.line(); !strings.HasPrefix(line, prefix) {
		c.t.Fatalf("got %q, want %q", line, prefix)
	}
}

// until reads up to a line with this prefix.
func (c *rawClient) until(prefix string) {
	c.t.Helper()
	var seen []string
	for {
		line := c.line()
		if c.err != nil {
			c.t.Fatalf("no %q in %q: %v", prefix, seen, c.err)
		}
		if strings.HasPrefix(line, prefix) {
			return
		}
		seen = append(seen, line)
	}
}

// TestTranscripts plays what clients say (C:) and compares every line that they hear (S:). A "~" in an S: line stands
// for anything from there on.
func TestTranscripts(t *testing.T) {
	for _, name := range transcriptNames(t) {
		t.Run(name, func(t *testing.T) {
			script, err := os.ReadFile("testdata/transcripts/" + name)
			if err != nil {
				t.Fatal(err)
			}
			d := newDesk(t, dbtest.SQLite(t))
			d.put(letter("one"))
			d.put(string(messageFiles(t)["11-mixed.eml"]), "\\Seen")
			d.put(string(messageFiles(t)["02-empty-multipart.eml"]), "\\Flagged", "Ticket")
			address, _ := d.serve()
			c := dialRaw(t, address)
			c.expect("* OK")
			for i, line := range strings.Split(strings.TrimSpace(string(script)), "\n") {
				if said, ok := strings.CutPrefix(line, "C: "); ok {
					c.say(said)
				} else if want, ok := strings.CutPrefix(line, "S: "); ok {
					got := c.line()
					start, open := strings.CutSuffix(want, "~")
					if got != want && !(open && strings.HasPrefix(got, start)) {
						t.Fatalf("line %d:\ngot  %s\nwant %s", i+1, got, want)
					}
				}
			}
		})
	}
}

func transcriptNames(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("testdata/transcripts")
	if err != nil || len(entries) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
