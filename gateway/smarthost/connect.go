package smarthost

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/emersion/go-smtp"
)

// Bounds of each step of the dialogue.
const (
	defaultTimeout = 60 * time.Second
	finalPatience  = 10 // timeouts; RFC 5321, section 4.5.3.2.6 asks for 10 minutes after the final dot
)

// connection is an open dialogue with the next hop, logged in.
type connection struct {
	client  *smtp.Client
	wire    *wire
	unwatch func() bool // ends the watch on ctx

	host       string
	guard      guard
	protection string // in words
}

// problem is why no dialogue came about: a sentence for the administrator and an enhanced status code. Those of class 4
// may pass; the message is not to blame, so it stays in the queue.
type problem struct {
	code     string
	sentence string
	cause    error
}

func (p *problem) Error() string { return p.sentence }
func (p *problem) Unwrap() error { return p.cause }

// Enhanced status codes (RFC 3463) of problems.
const (
	misconfigured = "4.3.5"
	noConnection  = "4.4.1"
	lost          = "4.4.2"
	dnsTrouble    = "4.4.3"
	loginTrouble  = "4.7.0"
	tlsMissing    = "4.7.4"
	tlsTrouble    = "4.7.5"
	noRequireTLS  = "5.7.30"
)

// line is a way to one server: whom to call, what to say there, and what the server must show.
type line struct {
	hop   Hop
	host  string // for sentences
	call  func(context.Context) (net.Conn, error)
	guard guard
}

// dial connects to a fixed hop, protects the connection as the hop asks, and logs in.
func dial(ctx context.Context, hop Hop) (*connection, error) {
	host, port, err := net.SplitHostPort(hop.Address)
	if err != nil {
		return nil, &problem{misconfigured, "the mail server's address must be host:port; correct it", err}
	}
	hop = hop.withDefaults()
	g, err := hop.guard(ctx, host, port)
	if err != nil {
		return nil, err
	}
	return line{hop: hop, host: host, guard: g, call: func(ctx context.Context) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", hop.Address)
		if err != nil {
			return nil, &problem{noConnection, "cannot connect to " + words(hop.Address) + "; check the address and that the server runs", err}
		}
		return conn, nil
	}}.open(ctx)
}

func (h Hop) withDefaults() Hop {
	if h.Timeout == 0 {
		h.Timeout = defaultTimeout
	}
	if h.Hello == "" {
		h.Hello = "localhost"
	}
	return h
}

// open makes the dialogue. Where TLS is opportunistic, a handshake that fails is followed by a connection in clear
// (RFC 7435, section 3): whoever can disturb the one could have read the other.
func (l line) open(ctx context.Context) (*connection, error) {
	c, err := l.try(ctx)
	var failed *handshakeError
	if l.hop.TLS == Opportunistic && errors.As(err, &failed) && ctx.Err() == nil {
		l.hop.TLS = inClear
		return l.try(ctx)
	}
	return c, err
}

func (l line) try(ctx context.Context) (*connection, error) {
	dialing, cancel := context.WithTimeout(ctx, l.hop.Timeout)
	defer cancel()
	conn, err := l.call(dialing)
	if err != nil {
		return nil, err
	}
	c := &connection{wire: &wire{Conn: conn, timeout: l.hop.Timeout}, host: l.host, guard: l.guard, protection: "in clear"}
	c.unwatch = context.AfterFunc(ctx, func() { conn.Close() })
	if err := c.start(ctx, l.hop); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// start speaks TLS, EHLO and AUTH.
func (c *connection) start(ctx context.Context, hop Hop) error {
	conn, err := c.protect(hop)
	if err != nil {
		return err
	}
	c.client = smtp.NewClient(conn)
	c.client.CommandTimeout, c.client.SubmissionTimeout = hop.Timeout, finalPatience*hop.Timeout
	if err := c.client.Hello(hop.Hello); err != nil {
		return greetingProblem(err)
	}
	return c.logIn(ctx, hop)
}

// protect returns the connection that the hop asks for: under TLS, or in clear where that is allowed.
func (c *connection) protect(hop Hop) (net.Conn, error) {
	c.wire.SetDeadline(time.Now().Add(hop.Timeout)) //nolint:errcheck // the dialogue fails if it could not be set
	switch hop.TLS {
	case Implicit:
		return c.secure(hop)
	case StartTLS, Opportunistic:
		return c.startTLS(hop)
	case None:
		if !c.loopback() {
			return nil, &problem{misconfigured, "TLS none is for loopback addresses only; choose starttls or implicit", nil}
		}
		return c.inClear(), nil
	case inClear:
		return c.inClear(), nil
	}
	return nil, &problem{misconfigured, fmt.Sprintf("unknown TLS choice %q; choose starttls or implicit", hop.TLS), nil}
}

// inClear is the connection itself. Nothing was proven on it.
func (c *connection) inClear() net.Conn {
	c.guard = guard{}
	return c.wire
}

func (c *connection) loopback() bool {
	a, ok := c.wire.RemoteAddr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// startTLS asks for TLS in clear and then secures the connection. Where it is opportunistic, a server that has none goes
// on in clear.
func (c *connection) startTLS(hop Hop) (net.Conn, error) {
	err := c.askForTLS(hop.Hello)
	var p *problem
	if hop.TLS == Opportunistic && errors.As(err, &p) && p.code == tlsMissing {
		return newGreeted(c.inClear()), nil
	}
	if err != nil {
		return nil, err
	}
	secured, err := c.secure(hop)
	if err != nil {
		return nil, err
	}
	return newGreeted(secured), nil
}

// secure makes the TLS handshake. The guard, not the library, judges the certificate.
func (c *connection) secure(hop Hop) (net.Conn, error) {
	c.wire.SetDeadline(time.Now().Add(hop.Timeout)) //nolint:errcheck // the handshake fails then too
	secured := tls.Client(c.wire, &tls.Config{
		ServerName: c.guard.name, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, VerifyConnection: c.guard.judge, //nolint:gosec // the guard verifies
	})
	if err := secured.Handshake(); err != nil {
		return nil, handshakeProblem(err, c.guard.name)
	}
	c.protection = tls.VersionName(secured.ConnectionState().Version) + ", " + c.guard.words()
	return secured, nil
}

// greetingProblem tells why greeting and EHLO failed, in the server's words where it had any.
func greetingProblem(err error) error {
	sentence := "the mail server did not greet as it should; check address, port and TLS choice"
	var answer *smtp.SMTPError
	if errors.As(err, &answer) {
		sentence = "the mail server did not let us in: " + said(answer)
	}
	return &problem{lost, sentence, err}
}

// quit ends the dialogue politely; what the hop says to that changes nothing.
func (c *connection) quit() {
	c.client.Quit() //nolint:errcheck // the work is done
}

// close ends the connection.
func (c *connection) close() {
	c.unwatch()
	c.wire.Close() //nolint:errcheck // the results are known
}
