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
}

// problem is why no dialogue came about: a sentence for the administrator and an enhanced status code. The message is
// not to blame, so it stays in the queue.
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
	loginTrouble  = "4.7.0"
	tlsMissing    = "4.7.4"
	tlsTrouble    = "4.7.5"
)

// dial connects, protects the connection as the hop asks, and logs in.
func dial(ctx context.Context, hop Hop) (*connection, error) {
	if hop.Timeout == 0 {
		hop.Timeout = defaultTimeout
	}
	if hop.Hello == "" {
		hop.Hello = "localhost"
	}
	host, _, err := net.SplitHostPort(hop.Address)
	if err != nil {
		return nil, &problem{misconfigured, "the mail server's address must be host:port; correct it", err}
	}
	dialing, cancel := context.WithTimeout(ctx, hop.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(dialing, "tcp", hop.Address)
	if err != nil {
		return nil, &problem{noConnection, "cannot connect to " + words(hop.Address) + "; check the address and that the server runs", err}
	}
	c := &connection{wire: &wire{Conn: conn, timeout: hop.Timeout}}
	c.unwatch = context.AfterFunc(ctx, func() { conn.Close() })
	if err := c.start(hop, host); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// start speaks TLS, EHLO and AUTH.
func (c *connection) start(hop Hop, host string) error {
	conn, err := c.protect(hop, host)
	if err != nil {
		return err
	}
	c.client = smtp.NewClient(conn)
	c.client.CommandTimeout, c.client.SubmissionTimeout = hop.Timeout, finalPatience*hop.Timeout
	if err := c.client.Hello(hop.Hello); err != nil {
		return greetingProblem(err)
	}
	return c.logIn(hop)
}

// protect returns the connection that the hop asks for: under TLS, or in clear on loopback.
func (c *connection) protect(hop Hop, host string) (net.Conn, error) {
	c.wire.SetDeadline(time.Now().Add(hop.Timeout)) //nolint:errcheck // the dialogue fails if it could not be set
	switch hop.TLS {
	case Implicit:
		return c.secure(hop, host)
	case StartTLS:
		if err := c.askForTLS(hop.Hello); err != nil {
			return nil, err
		}
		secured, err := c.secure(hop, host)
		if err != nil {
			return nil, err
		}
		return newGreeted(secured), nil
	case None:
		if a, ok := c.wire.RemoteAddr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
			return nil, &problem{misconfigured, "TLS none is for loopback addresses only; choose starttls or implicit", nil}
		}
		return c.wire, nil
	}
	return nil, &problem{misconfigured, fmt.Sprintf("unknown TLS choice %q; choose starttls or implicit", hop.TLS), nil}
}

// secure makes the TLS handshake.
func (c *connection) secure(hop Hop, host string) (net.Conn, error) {
	c.wire.SetDeadline(time.Now().Add(hop.Timeout)) //nolint:errcheck // the handshake fails then too
	secured := tls.Client(c.wire, &tls.Config{ServerName: host, RootCAs: hop.Roots, MinVersion: tls.VersionTLS12})
	if err := secured.Handshake(); err != nil {
		return nil, handshakeProblem(err, host)
	}
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
