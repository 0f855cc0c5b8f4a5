package submission_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/submission"
)

// TestCutChunksAreNotSubmitted: a connection that ends inside the last chunk took the rest of the message with it,
// however politely it ended.
func TestCutChunksAreNotSubmitted(t *testing.T) {
	closeWrite := func(c interface{ CloseWrite() error }) { c.CloseWrite() } //nolint:errcheck // the server's view counts
	for name, c := range map[string]struct {
		mode submission.Mode
		end  func(net.Conn)
	}{
		"plain":                 {submission.Plain, func(c net.Conn) { closeWrite(c.(*net.TCPConn)) }},
		"TLS ended politely":    {submission.Implicit, func(c net.Conn) { closeWrite(c.(*tls.Conn)) }},
		"TLS cut":               {submission.Implicit, func(c net.Conn) { closeWrite(c.(*tls.Conn).NetConn().(*net.TCPConn)) }},
		"STARTTLS, and an end":  {submission.StartTLS, func(c net.Conn) { closeWrite(c.(*tls.Conn)) }},
		"STARTTLS, and a break": {submission.StartTLS, func(c net.Conn) { closeWrite(c.(*tls.Conn).NetConn().(*net.TCPConn)) }},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			dialogue := d.dial(t, c.mode)
			if c.mode == submission.StartTLS {
				dialogue.say("STARTTLS", "220")
				dialogue.startTLS()
			}
			dialogue.logIn()
			dialogue.envelope()
			dialogue.send("BDAT 1000 LAST\r\n" + letter)
			c.end(dialogue.Conn)
			for { // until the server has ended the session
				if _, err := dialogue.r.ReadString('\n'); err != nil {
					break
				}
			}
			d.end()
			if got := d.messages(); len(got) != 0 {
				t.Errorf("submitted %q", got[0].Message)
			}
		})
	}
}

// lastChunk is a BDAT command with its chunk.
func lastChunk(words string) string { return fmt.Sprintf("BDAT %d LAST\r\n%s", len(words), words) }

// TestChunksAreOneMessage: chunks of any size, over TLS too, with the next command right behind the last.
func TestChunksAreOneMessage(t *testing.T) {
	for _, mode := range []submission.Mode{submission.Plain, submission.Implicit} {
		t.Run(string(mode), func(t *testing.T) {
			d := newDesk(t, nil)
			c := d.dial(t, mode)
			c.logIn()
			for range 2 { // the connection stays in use
				c.envelope()
				c.send("BDAT 10\r\n" + letter[:10])
				c.want("250")
				c.send(lastChunk(letter[10:]))
				c.want("250 2.0.0 accepted")
			}
			c.envelope()
			c.send(lastChunk(letter) + "QUIT\r\n")
			c.want("250 2.0.0 accepted")
			for _, m := range d.messages() {
				if string(m.Message) != letter {
					t.Errorf("submitted %q", m.Message)
				}
			}
		})
	}
}

// TestImpatientChunks: to learn that a large chunk is whole we may have to read a byte of what an impatient client sent
// behind it. The message is taken, and what follows is either read whole or not at all, never as another command.
func TestImpatientChunks(t *testing.T) {
	d := newDesk(t, nil)
	c := d.dial(t, submission.Implicit)
	c.logIn()
	c.envelope()
	large := letter + strings.Repeat("more than the library buffers\r\n", 300)
	c.send(lastChunk(large) + "XNOOP\r\n" + "NOOP\r\n")
	c.want("250 2.0.0 accepted")
	c.Conn.(*tls.Conn).CloseWrite() //nolint:errcheck // the server's view counts
	if rest, _ := io.ReadAll(c.r); len(rest) > 0 && !strings.HasPrefix(string(rest), "501") {
		t.Errorf("XNOOP was answered by %q", rest)
	}
	if got := d.messages(); len(got) != 1 || string(got[0].Message) != large {
		t.Errorf("%d messages", len(got))
	}
}

// TestAbortedChunksLeaveNothing: after RSET in the middle the client must connect again.
func TestAbortedChunksLeaveNothing(t *testing.T) {
	d := newDesk(t, nil)
	c := d.ready(t)
	c.send("BDAT 5\r\nwrong")
	c.want("250")
	c.say("RSET", "250")
	c.say("MAIL FROM:<support@desk.test>", "421 4.5.0")
	c = d.ready(t)
	c.send(lastChunk(letter))
	c.want("250 2.0.0 accepted")
	if got := d.messages(); len(got) != 1 || string(got[0].Message) != letter {
		t.Errorf("%d messages", len(got))
	}
}
