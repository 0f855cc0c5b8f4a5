package smarthost

import (
	"bufio"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// TestAHopThatNeverStops is cut off by what it says, not by the clock.
func TestAHopThatNeverStops(t *testing.T) {
	ours, theirs := net.Pipe()
	w := &wire{Conn: ours, timeout: 10 * time.Second}
	client := smtp.NewClient(w)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := io.WriteString(theirs, "220-and on\r\n"); err != nil {
				return
			}
		}
	}()
	if err := client.Hello("sealgate.test"); !errors.Is(err, errTooMuch) {
		t.Errorf("hello: %v", err)
	}
	ours.Close()
	<-done
}

// TestAFinalDotThatNeverLeft is no uncertainty: a pipe, unlike a socket, takes nothing that nobody reads.
func TestAFinalDotThatNeverLeft(t *testing.T) {
	ours, theirs := net.Pipe()
	c := &connection{wire: &wire{Conn: ours, timeout: 10 * time.Second}}
	c.client = smtp.NewClient(c.wire)
	defer c.client.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		bufio.NewReader(theirs).ReadString('\n') //nolint:errcheck // DATA
		io.WriteString(theirs, "354 go on\r\n")  //nolint:errcheck // the result tells
		theirs.Close()
	}()
	if r := c.data([]byte("From: a\r\n\r\nwords\r\n")); r.Outcome != Deferred || r.Code != lost {
		t.Errorf("%+v", r)
	}
	<-done
}
