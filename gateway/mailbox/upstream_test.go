package mailbox

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// memory is an upstream server in this process.
type memory struct {
	t       *testing.T
	user    *imapmemserver.User
	address string
	server  *imapserver.Server
}

func newMemory(t *testing.T, caps ...imap.Cap) *memory {
	t.Helper()
	m := &memory{t: t, user: imapmemserver.NewUser("up", "stream")}
	if err := m.user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	m.start(listen(t), caps...)
	return m
}

func (m *memory) start(l net.Listener, caps ...imap.Cap) {
	m.t.Helper()
	known := imapmemserver.New()
	known.AddUser(m.user)
	set := imap.CapSet{imap.CapIMAP4rev1: {}}
	for _, c := range caps {
		set[c] = struct{}{}
	}
	m.server = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return wakefulSession{known.NewSession()}, nil, nil
		},
		Caps: set, InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
	})
	m.address = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- m.server.Serve(l) }()
	m.t.Cleanup(func() {
		m.server.Close()
		<-done
	})
}

// wakefulSession mends IDLE of the library's server: it forgets what changed between the last command and IDLE.
type wakefulSession struct{ imapserver.Session }

// Idle asks again and again.
func (s wakefulSession) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if err := s.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case <-again.C:
		}
	}
}

func (m *memory) upstream() Upstream {
	return Upstream{Address: m.address, TLS: "none", Username: "up", Password: "stream"}
}

// append delivers messages.
func (m *memory) append(messages ...string) {
	m.t.Helper()
	for _, message := range messages {
		if _, err := m.user.Append("INBOX", literal{bytes.NewReader([]byte(message))}, &imap.AppendOptions{}); err != nil {
			m.t.Fatal(err)
		}
	}
}

type literal struct{ *bytes.Reader }

// Size is the literal's length.
func (l literal) Size() int64 { return l.Reader.Size() }

// client is another client of the upstream mailbox.
func (m *memory) client() *imapclient.Client {
	m.t.Helper()
	c := client(m.t, m.address, "up", "stream", nil)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		m.t.Fatal(err)
	}
	return c
}

// holds waits until upstream's INBOX holds exactly these messages, given as "Subject flags".
func (m *memory) holds(want ...string) {
	m.t.Helper()
	upstreamHolds(m.t, m.client(), want...)
}

func upstreamHolds(t *testing.T, c *imapclient.Client, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("upstream holds %q", want), func() (bool, string) {
		have := upstreamList(t, c)
		return fmt.Sprint(have) == fmt.Sprint(want), fmt.Sprintf("%q", have)
	})
}

func upstreamList(t *testing.T, c *imapclient.Client) []string {
	t.Helper()
	if err := c.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	header := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, Peek: true}
	list := []string{}
	if c.Mailbox().NumMessages == 0 {
		return list
	}
	for _, m := range fetchAll(t, c, imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{Flags: true, BodySection: []*imap.FetchItemBodySection{header}}) {
		list = append(list, describeMessage(m.FindBodySection(header), flagsOf(m.Flags)))
	}
	return list
}
