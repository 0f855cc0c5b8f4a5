package submission

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// What a client may use of our time and memory; the library knows one limit for a command line and for a line of a
// message, and one deadline from one command to the next, however long the message between them.
const (
	loginPatience   = time.Minute // from connecting to being logged in
	messagePatience = time.Hour   // from DATA to the reply; each read has Server.Timeout as well
	strangerBytes   = 64 << 10    // before the login, TLS included
)

var (
	errHungUp  = errors.New("the client hung up in the middle of a message")
	errTooMuch = errors.New("the client sent too much before its login")
)

// tooMany is said to a connection that is not let in.
const tooMany = "421 4.3.2 too many connections; try again in a moment\r\n"

// longAgo is a deadline that has passed.
func longAgo() time.Time { return time.Unix(1, 0) }

// door is a listener that knows who is inside. It turns connections away when the server has too many.
type door struct {
	net.Listener
	server *Server

	mu      sync.Mutex
	inside  map[*connection]struct{}
	closing bool
	relay   *Relay // nil at a submission port
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if d.server.connections.Add(1) <= int64(orDefault(d.server.MaxConnections, defaultConnections)) {
			return d.admit(conn), nil
		}
		d.server.connections.Add(-1)
		conn.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // it is closed next
		io.WriteString(conn, tooMany)                      //nolint:errcheck // it is closed next
		conn.Close()
	}
}

func (d *door) admit(conn net.Conn) *connection {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &connection{
		Conn: conn, door: d, timeout: orDefault(d.server.Timeout, defaultTimeout),
		loginBy: time.Now().Add(loginPatience), ending: d.closing,
	}
	if d.relay != nil && d.relay.Mode == Plain {
		c.interpreter = newInterpreter(conn, d.greeting())
	}
	d.inside[c] = struct{}{}
	return c
}

// leave gives a connection's place back, once.
func (d *door) leave(c *connection) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, here := d.inside[c]; here {
		delete(d.inside, c)
		d.server.connections.Add(-1)
	}
}

// each calls do for everyone inside.
func (d *door) each(do func(*connection)) {
	d.mu.Lock()
	d.closing = true
	var all []*connection
	for c := range d.inside {
		all = append(all, c)
	}
	d.mu.Unlock()
	for _, c := range all {
		do(c)
	}
}

// connection is a client's socket, below TLS. It bends the library's deadlines to what the session is doing.
type connection struct {
	net.Conn
	door    *door
	timeout time.Duration
	loginBy time.Time
	// interpreter answers XFORWARD and XCLIENT; nil where nobody may say them.
	interpreter *interpreter

	mu        sync.Mutex
	read      int // bytes, before the login
	loggedIn  bool
	messageBy time.Time // not zero while a message is received
	ending    bool
}

// Read implements net.Conn.
func (c *connection) Read(p []byte) (int, error) {
	c.mu.Lock()
	receiving := !c.messageBy.IsZero()
	if receiving {
		c.Conn.SetReadDeadline(earlier(time.Now().Add(c.timeout), c.messageBy)) //nolint:errcheck // reading fails then too
	}
	c.mu.Unlock()
	n, err := c.take(p, receiving)
	if receiving && errors.Is(err, io.EOF) {
		// QUIRK: the library takes io.EOF inside a BDAT chunk for the end of the chunk and would submit half a message.
		return n, errHungUp
	}
	if err != nil {
		return n, err
	}
	return n, c.count(n)
}

// count bounds what somebody sends who is not logged in.
func (c *connection) count(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loggedIn {
		return nil
	}
	if c.read += n; c.read > strangerBytes {
		return errTooMuch
	}
	return nil
}

// SetReadDeadline implements net.Conn: not later than a stranger may stay, and at once when the server ends.
func (c *connection) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ending && c.messageBy.IsZero():
		t = longAgo()
	case !c.loggedIn:
		t = earlier(t, c.loginBy)
	}
	return c.Conn.SetReadDeadline(t)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (c *connection) welcome() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loggedIn = true
}

// beginMessage and endMessage enclose the receiving of a message.
func (c *connection) beginMessage() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messageBy = time.Now().Add(messagePatience)
}

func (c *connection) endMessage() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messageBy = time.Time{}
	if c.interpreter != nil {
		c.interpreter.endMessage()
	}
}

// end makes the session end after the command that it is in: the next reading of a command times out at once.
func (c *connection) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
	if c.messageBy.IsZero() {
		c.Conn.SetReadDeadline(longAgo()) //nolint:errcheck // it is closed then anyway
	}
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.door.leave(c)
	return c.Conn.Close()
}
