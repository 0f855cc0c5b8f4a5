package submission_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/submission"
)

// FuzzConversation sends any bytes after a login: no panic, and nothing is submitted with a bare CR, a bare LF or a NUL,
// without a recipient, or with a line end in what a relay or a DSN would repeat.
func FuzzConversation(f *testing.F) {
	begin := "EHLO x\r\nAUTH PLAIN " + plainLogin("support", "desk-password") + "\r\nMAIL FROM:<support@desk.test>\r\n"
	for _, seed := range []string{
		"RCPT TO:<a@x.test>\r\nDATA\r\nFrom: a\r\n\r\nx\r\n.\r\nQUIT\r\n",
		"RCPT TO:<a@x.test>\r\nBDAT 10\r\nFrom: a\r\n\r\nBDAT 5 LAST\r\na\r\nb\r\nQUIT\r\n",
		"RCPT TO:<a@x.test>\r\nBDAT 0\r\nRSET\r\n", "RCPT TO:<a@x.test>\r\nBDAT 100 LAST\r\nhalf",
		"RCPT TO:<\"a b\"@x.test> ORCPT=utf-8;a\\x{0A}b\r\nDATA\r\na\r.\r\n.\r\n",
		"MAIL FROM:<>\r\nRCPT TO:<a\x00@x>\r\nDATA\r\n", "STARTTLS\r\nNOOP\r\n",
	} {
		f.Add(seed)
	}
	d := newDesk(f, func(s *submission.Server) { s.MaxMessageBytes = 1 << 12 })
	f.Fuzz(func(t *testing.T, dialogue string) {
		conn, err := net.Dial("tcp", d.addresses[submission.Plain])
		if err != nil {
			t.Skip(err)
		}
		defer conn.Close()
		before := len(d.messages())
		conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // reading would end late
		io.WriteString(conn, begin+dialogue)       //nolint:errcheck // any outcome is fine
		conn.(*net.TCPConn).CloseWrite()           //nolint:errcheck // any outcome is fine
		io.Copy(io.Discard, conn)                  //nolint:errcheck // any outcome is fine
		for _, s := range d.messages()[before:] {
			if hasBareLineEnds(s.Message) || len(s.Envelope.ForwardPaths) == 0 {
				t.Fatalf("submitted %q to %q", s.Message, s.Envelope.ForwardPaths)
			}
			for _, p := range s.Envelope.ForwardPaths {
				if strings.ContainsAny(p.Address+p.ORcpt+p.Notify+s.Envelope.EnvID, "\r\n\x00") {
					t.Fatalf("submitted to %q", p)
				}
			}
		}
		if l := d.log.String(); strings.Contains(l, "panic") {
			t.Fatalf("the log is %s", l)
		}
	})
}

// FuzzNeighbour lets a trusted neighbour say anything: the server neither panics nor believes an attribute that holds
// more than one word.
func FuzzNeighbour(f *testing.F) {
	f.Add("XFORWARD NAME=a ADDR=192.0.2.1\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nFrom: a@x.test\r\n\r\nx\r\n.\r\n")
	f.Add("XCLIENT HELO=a+2Bb LOGIN=[UNAVAILABLE]\r\nEHLO x\r\nBDAT 5\r\n")
	f.Add("MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nBDAT 16 LAST\r\nXFORWARD NAME=a\r\nQUIT\r\n")
	f.Fuzz(func(t *testing.T, said string) {
		h, address := newRelay(t, "tcp", submission.Relay{Mode: submission.Plain, Networks: loopback()}, nil)
		c := greet(t, "tcp", address, nil)
		c.send("HELO x\r\n" + said)
		c.Conn.(*net.TCPConn).CloseWrite() //nolint:errcheck // reading ends then too
		io.Copy(io.Discard, c.r)           //nolint:errcheck // what it says does not matter
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, m := range h.carried {
			told := m.peer.Client
			for _, word := range []string{told.Name, told.Hello, told.Login, told.Address, told.Protocol} {
				if strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' }) {
					t.Errorf("believed %q", word)
				}
			}
		}
	})
}
