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
