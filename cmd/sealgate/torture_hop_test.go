package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// nextHop takes mail by SMTP and tells the auditor of every message before it answers. Each connection is served in a
// manner of its own.
type nextHop struct {
	address string
	auditor *auditor
	closing chan struct{}
	serving sync.WaitGroup

	mu     sync.Mutex
	manner func() manner
	open   map[net.Conn]bool
	served int
}

// manner is how one connection is served: well, or with one misdeed.
type manner struct {
	name string
	step string // at which it happens: banner, EHLO, MAIL, RCPT, DATA, body, dot; "" for never
	do   func(c *hopConnection) error
}

// errEnough ends a connection.
var errEnough = errors.New("the connection ends here")

// startNextHop starts a hop that serves every connection well until other manners are given.
func startNextHop(t *testing.T, a *auditor) *nextHop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &nextHop{address: l.Addr().String(), auditor: a, closing: make(chan struct{}), open: map[net.Conn]bool{}}
	h.behave(func() manner { return manner{} })
	h.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h.serving.Go(func() { h.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(h.closing)
		h.mu.Lock()
		for conn := range h.open {
			conn.Close()
		}
		h.mu.Unlock()
		h.serving.Wait()
	})
	return h
}

// behave sets the manner of later connections.
func (h *nextHop) behave(m func() manner) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.manner = m
}

func (h *nextHop) serve(conn net.Conn) {
	h.mu.Lock()
	m := h.manner()
	h.open[conn] = true
	h.served++
	h.mu.Unlock()
	c := &hopConnection{Conn: conn, hop: h, manner: m, in: bufio.NewReader(conn)}
	c.talk() //nolint:errcheck // every end is expected here
	conn.Close()
	h.mu.Lock()
	delete(h.open, conn)
	h.mu.Unlock()
}

// hopConnection is one connection with its transaction.
type hopConnection struct {
	net.Conn
	hop    *nextHop
	manner manner
	in     *bufio.Reader

	reversePath string
	recipients  []string
}

// talk serves the connection until it ends.
func (c *hopConnection) talk() error {
	if err := c.answer("banner", "220 hop.test ESMTP"); err != nil {
		return err
	}
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return err
		}
		if err := c.command(strings.TrimRight(line, "\r\n")); err != nil {
			return err
		}
	}
}

// answer writes a reply, unless the connection misbehaves at this step.
func (c *hopConnection) answer(step, reply string) error {
	if c.manner.step == step {
		return c.manner.do(c)
	}
	return c.say(reply)
}

func (c *hopConnection) say(reply string) error {
	_, err := io.WriteString(c, reply+"\r\n")
	return err
}

func (c *hopConnection) command(line string) error {
	verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
	switch verb {
	case "EHLO", "HELO":
		return c.answer("EHLO", "250-hop.test\r\n250-8BITMIME\r\n250 SIZE 100000000")
	case "MAIL":
		c.reversePath, c.recipients = path(line), nil
		return c.answer("MAIL", "250 2.1.0 go on")
	case "RCPT":
		c.recipients = append(c.recipients, path(line))
		return c.answer("RCPT", "250 2.1.5 go on")
	case "DATA":
		return c.data()
	case "RSET", "NOOP":
		return c.say("250 2.0.0 well")
	case "QUIT":
		return errors.Join(c.say("221 2.0.0 bye"), errEnough)
	}
	return c.say("502 5.5.1 unknown")
}

// path is what stands between the angle brackets of MAIL and RCPT.
func path(line string) string {
	_, rest, _ := strings.Cut(line, "<")
	inside, _, _ := strings.Cut(rest, ">")
	return inside
}

// data reads one message, and tells the auditor of it once it is complete.
func (c *hopConnection) data() error {
	if err := c.answer("DATA", "354 go on"); err != nil || c.manner.step == "DATA" {
		return err
	}
	var message bytes.Buffer
	for {
		line, err := c.in.ReadBytes('\n')
		if err != nil {
			return err // cut off before the final dot: it was never ours
		}
		if bytes.Equal(line, []byte(".\r\n")) {
			break
		}
		message.Write(bytes.TrimPrefix(line, []byte(".")))
		if c.manner.step == "body" && message.Len() > 500 {
			return c.manner.do(c)
		}
	}
	answered := c.manner.step != "dot" || c.manner.name == "answers 250 and closes"
	c.hop.auditor.arrive(c.reversePath, c.recipients, message.Bytes(), answered)
	return c.answer("dot", "250 2.0.0 taken")
}

// hostileManners are the misdeeds, one a connection.
func hostileManners() []manner {
	reset := func(c *hopConnection) error {
		c.Conn.(*net.TCPConn).SetLinger(0) //nolint:errcheck // the close that follows resets
		return errEnough
	}
	garbage := func(c *hopConnection) error {
		_, err := c.Write([]byte("\x00\xff\x13garbage \x1b[2J\r\n25O well\r\n999 \r\n"))
		return errors.Join(err, errEnough)
	}
	all := []manner{
		{"hangs after the final dot, then closes", "dot", func(c *hopConnection) error { c.hang(3 * time.Second); return errEnough }},
		{"answers 250 and closes", "dot", func(c *hopConnection) error { return errors.Join(c.say("250 2.0.0 taken"), errEnough) }},
		{"refuses one recipient for now", "RCPT", (*hopConnection).refuseOther},
		{"421 in the banner", "banner", func(c *hopConnection) error { return errors.Join(c.say("421 4.3.2 later"), errEnough) }},
		{"421 after the final dot", "dot", func(c *hopConnection) error { return errors.Join(c.say("421 4.3.2 later"), errEnough) }},
		{"closes in the banner", "banner", func(c *hopConnection) error {
			_, err := io.WriteString(c, "220-hop")
			return errors.Join(err, errEnough)
		}},
		{"an endless line", "EHLO", (*hopConnection).endless},
		{"an endless line after the final dot", "dot", (*hopConnection).endless},
	}
	for _, step := range []string{"banner", "EHLO", "MAIL", "RCPT", "DATA", "body", "dot"} {
		all = append(all, manner{"resets at " + step, step, reset}, manner{"garbage at " + step, step, garbage})
	}
	return all
}

// hang waits, at most until the test ends.
func (c *hopConnection) hang(pause time.Duration) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		select {
		case <-c.hop.closing:
			stop()
		case <-ctx.Done():
		}
	}()
	await(ctx, pause)
}

// refuseOther takes everybody but one customer.
func (c *hopConnection) refuseOther() error {
	last := len(c.recipients) - 1
	if c.recipients[last] != otherCustomer {
		return c.say("250 2.1.5 go on")
	}
	c.recipients = slices.Delete(c.recipients, last, last+1)
	return c.say("450 4.2.1 <" + otherCustomer + "> not now")
}

// endless writes a reply without an end, until the other side has had enough or 8 MB were written.
func (c *hopConnection) endless() error {
	chunk := bytes.Repeat([]byte("x"), 1<<16)
	for range 128 {
		if _, err := c.Write(chunk); err != nil {
			return err
		}
	}
	return fmt.Errorf("nobody minds a reply of 8 MB: %w", errEnough)
}
