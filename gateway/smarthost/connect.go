package smarthost

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// defaultTimeout bounds each step of the dialogue.
const defaultTimeout = 60 * time.Second

// connection is an open dialogue with the next hop, logged in.
type connection struct {
	client *smtp.Client
	done   func() bool // ends the watch on ctx
}

// problem is why no dialogue came about: a sentence for the administrator. The message is not to blame, so it stays in
// the queue.
type problem struct {
	sentence string
	cause    error
}

func (p *problem) Error() string { return p.sentence }
func (p *problem) Unwrap() error { return p.cause }

// dial connects, protects the connection as the hop asks, and logs in.
func dial(ctx context.Context, hop Hop) (*connection, error) {
	if hop.Timeout == 0 {
		hop.Timeout = defaultTimeout
	}
	host, _, err := net.SplitHostPort(hop.Address)
	if err != nil {
		return nil, &problem{"the mail server's address must be host:port", err}
	}
	dialing, cancel := context.WithTimeout(ctx, hop.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(dialing, "tcp", hop.Address)
	if err != nil {
		return nil, &problem{"cannot connect to " + hop.Address + "; check the address and that the server runs", err}
	}
	c := &connection{done: context.AfterFunc(ctx, func() { conn.Close() })}
	if err := c.start(conn, hop, host); err != nil {
		conn.Close()
		c.done()
		return nil, err
	}
	return c, nil
}

// start speaks TLS, EHLO and AUTH.
func (c *connection) start(conn net.Conn, hop Hop, host string) error {
	conn.SetDeadline(time.Now().Add(hop.Timeout)) //nolint:errcheck // the dialogue fails if it could not be set
	if err := c.protect(conn, hop, host); err != nil {
		return err
	}
	c.client.CommandTimeout, c.client.SubmissionTimeout = hop.Timeout, 5*hop.Timeout
	if err := c.client.Hello(hop.Hello); err != nil {
		return tlsOr(err, "the mail server did not greet as it should")
	}
	return c.logIn(hop)
}

func (c *connection) protect(conn net.Conn, hop Hop, host string) error {
	settings := &tls.Config{ServerName: host, RootCAs: hop.Roots, MinVersion: tls.VersionTLS12}
	switch hop.TLS {
	case Implicit:
		secured := tls.Client(conn, settings)
		if err := secured.Handshake(); err != nil {
			return tlsOr(err, "the mail server does not speak TLS on this port")
		}
		c.client = smtp.NewClient(secured)
	case StartTLS:
		client, err := smtp.NewClientStartTLS(conn, settings)
		if err != nil {
			return tlsOr(err, "the mail server does not offer STARTTLS, and without TLS nothing is sent")
		}
		c.client = client
	case None:
		if a, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
			return &problem{"TLS none is for loopback addresses only; choose starttls or implicit", nil}
		}
		c.client = smtp.NewClient(conn)
	default:
		return &problem{fmt.Sprintf("unknown TLS choice %q", hop.TLS), nil}
	}
	return nil
}

// logIn authenticates with what the server offers. Without TLS it does so only where None was allowed: on loopback.
func (c *connection) logIn(hop Hop) error {
	if hop.Username == "" {
		return nil
	}
	var mechanism sasl.Client
	switch {
	case c.client.SupportsAuth(sasl.Plain):
		mechanism = sasl.NewPlainClient("", hop.Username, hop.Password)
	case c.client.SupportsAuth(sasl.Login):
		mechanism = sasl.NewLoginClient(hop.Username, hop.Password)
	default:
		return &problem{"the mail server offers no login that we know (PLAIN or LOGIN); check the port, or leave the user name empty", nil}
	}
	if err := c.client.Auth(mechanism); err != nil {
		return &problem{"the mail server refused our login; check user name and password of this mailbox", err}
	}
	return nil
}

// quit ends the dialogue politely.
func (c *connection) quit() error {
	if err := c.client.Quit(); err != nil {
		return &problem{"the mail server ended the dialogue in the middle", err}
	}
	return nil
}

// close ends the connection.
func (c *connection) close() {
	c.done()
	c.client.Close() //nolint:errcheck // the results are known
}

// tlsOr names what is wrong with a certificate, or says otherwise.
func tlsOr(err error, otherwise string) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return &problem{"the mail server's TLS certificate expired or is not valid yet; have it renewed, or check this machine's clock", err}
	case errors.As(err, &name):
		return &problem{"the mail server's TLS certificate is for another name; use the name that it is made for", err}
	case errors.As(err, &unknown):
		return &problem{"the mail server's TLS certificate is from an unknown authority; give its authority's certificate to the mailbox", err}
	}
	var answer *smtp.SMTPError
	if errors.As(err, &answer) {
		otherwise += ": " + oneLine(answer.Message)
	}
	return &problem{otherwise, err}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
