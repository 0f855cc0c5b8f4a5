package submission_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/submission"
)

// TestTheEndFindsIdleClients: a client that says nothing does not hold the server's end up.
func TestTheEndFindsIdleClients(t *testing.T) {
	d := newDesk(t, nil)
	idle := d.dial(t, submission.Implicit)
	inTransaction := d.ready(t)
	d.end() // would wait for ever otherwise: the clients stay
	idle.want("421")
	inTransaction.want("421")
	inTransaction.wantEnd()
}

// TestTheEndWaitsForAMessage: what is being received and submitted when the end comes still gets its reply.
func TestTheEndWaitsForAMessage(t *testing.T) {
	d := newDesk(t, nil)
	c := d.ready(t)
	c.say("DATA", "354")
	c.send("From: support@desk.test\r\n")
	ended := make(chan struct{})
	go func() { defer close(ended); d.end() }()
	waitForClosedDoor(t, d)
	c.send("\r\nwords\r\n.\r\n")
	c.want("250 2.0.0 accepted")
	c.want("421")
	<-ended
	if got := d.messages(); len(got) != 1 || string(got[0].Message) != letter {
		t.Errorf("%d messages", len(got))
	}
}

// TestTheEndIsBounded: a message that never comes is cut off.
func TestTheEndIsBounded(t *testing.T) {
	d := newDesk(t, func(s *submission.Server) { s.Grace = 50 * time.Millisecond })
	c := d.ready(t)
	c.say("DATA", "354")
	d.end()
	c.wantEnd()
	if len(d.messages()) != 0 {
		t.Error("half a message was submitted")
	}
}

// TestAPanicIsOneAnswer: the session goes on, and the log says where without what.
func TestAPanicIsOneAnswer(t *testing.T) {
	d := newDesk(t, nil)
	d.answer = func(s submission.Submission) error { panic("the message was " + string(s.Message)) }
	c := d.ready(t)
	c.say("DATA", "354")
	c.say(letter+".", "451 4.3.0")
	c.envelope()
	c.send(lastChunk(letter))
	c.want("451 4.3.0")
	c.say("NOOP", "250")
	if l := d.log.String(); !strings.Contains(l, "panic") || strings.Contains(l, "words") {
		t.Errorf("the log is %s", l)
	}
}

// waitForClosedDoor returns when nobody new gets in.
func waitForClosedDoor(t *testing.T, d *desk) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		conn, err := net.Dial("tcp", d.addresses[submission.Plain])
		if err != nil {
			return
		}
		conn.Close()
	}
	t.Fatal("the server still listens")
}
