package submission_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/submission"
)

// TestSmuggledTerminators: whatever some server takes for the end of a message gives one message or none, and never a
// bare CR or LF that goes on.
func TestSmuggledTerminators(t *testing.T) {
	for _, terminator := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n\x00.\r\n"} {
		t.Run(fmt.Sprintf("%q", terminator), func(t *testing.T) {
			d := newDesk(t, nil)
			c := d.ready(t)
			c.say("DATA", "354")
			c.send("From: support@desk.test\r\n\r\nfirst" + terminator +
				"MAIL FROM:<support@desk.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nFrom: evil@x.test\r\n\r\nsecond\r\n.\r\n")
			if terminator == "\r\n.\r" {
				// QUIRK: the library drops the dot and the CR, so that one whole message without a bare CR is left.
				c.want("250")
			} else {
				c.want("550 5.6.0")
			}
			c.say("NOOP", "250")
			for i, m := range d.messages() {
				if i > 0 || !bytes.HasSuffix(m.Message, []byte("second\r\n")) || hasBareLineEnds(m.Message) {
					t.Errorf("message %d: %q", i, m.Message)
				}
			}
		})
	}
}

func hasBareLineEnds(message []byte) bool {
	return bytes.ContainsAny(bytes.ReplaceAll(message, []byte("\r\n"), nil), "\r\n\x00")
}

// TestLineEndsAcrossReads: a CR and its LF may come in different packets.
func TestLineEndsAcrossReads(t *testing.T) {
	d := newDesk(t, nil)
	c := d.ready(t)
	c.say("DATA", "354")
	for _, b := range []byte(letter + ".\r\n") {
		c.send(string([]byte{b}))
	}
	c.want("250")
	if got := d.messages(); len(got) != 1 || string(got[0].Message) != letter {
		t.Errorf("%d messages", len(got))
	}
}

// TestSTARTTLSInjection: commands that somebody on the way put behind STARTTLS in clear are never obeyed, and what was
// said before TLS is forgotten (RFC 3207, section 4.2).
func TestSTARTTLSInjection(t *testing.T) {
	t.Run("in one packet", func(t *testing.T) {
		c := newDesk(t, nil).dial(t, submission.StartTLS)
		c.say("HELO injected.test", "250")
		c.send("STARTTLS\r\nHELO injected.test\r\nNOOP\r\n")
		c.want("220")
		c.startTLS()
		// The first reply under TLS belongs to the first command under TLS.
		c.say("VRFY x", "252")
		c.say("MAIL FROM:<support@desk.test>", "502 5.5.1 Please introduce yourself")
	})
	t.Run("in a packet of its own", func(t *testing.T) {
		d := newDesk(t, nil)
		c := d.dial(t, submission.StartTLS)
		c.say("STARTTLS", "220")
		c.send("HELO injected.test\r\nAUTH PLAIN " + plainLogin("support", "desk-password") + "\r\nQUIT\r\n")
		c.Conn.(*net.TCPConn).CloseWrite() //nolint:errcheck // the server's view counts
		rest, _ := io.ReadAll(c.r)         // until the server is done with us
		if strings.Contains(string(rest), "235") || len(d.messages()) > 0 {
			t.Errorf("the server obeyed: %q", rest)
		}
	})
}
