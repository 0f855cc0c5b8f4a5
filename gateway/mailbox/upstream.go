package mailbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// Upstream is the IMAP server behind one mailbox.
type Upstream struct {
	MailboxID string
	Address   string // host:port
	TLS       string // "implicit", "starttls", "none" (loopback only)
	Roots     *x509.CertPool
	Username  string
	Password  string
}

const (
	connectTimeout = 30 * time.Second
	// silenceLimit is how long upstream may be silent while we wait for it. It is longer than one round of IDLE.
	silenceLimit = 10 * time.Minute
)

// Check connects and logs in, and says in one sentence what is wrong and what to do.
func Check(ctx context.Context, u Upstream) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	l, err := connect(ctx, u)
	if err != nil {
		return err
	}
	defer l.close()
	// The server's last words do not matter any more.
	_ = l.client.Logout().Wait()
	return nil
}

// link is one connection that is logged in. Its client sends UID commands only, and never asks for ENVELOPE or
// BODYSTRUCTURE: an answer that the library cannot parse would close the connection.
type link struct {
	client  *imapclient.Client
	caps    imap.CapSet
	changed chan struct{} // receives when upstream said something unasked
	release func() bool

	selected string    // id of the selected folder
	inboxAt  time.Time // when INBOX was last looked through; zero when something was announced since
}

// connect returns a link that ends with ctx. Its errors are *problem.
func connect(ctx context.Context, u Upstream) (*link, error) {
	host, err := u.host()
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := u.dial(limited, host)
	if err != nil {
		return nil, u.explain(err)
	}
	l := &link{changed: make(chan struct{}, 1)}
	conn = &patientConn{Conn: conn}
	// Closing the socket ends whatever the client waits for, before and after the login.
	abort := context.AfterFunc(limited, func() { conn.Close() })
	// What the closed socket says then is not the cause.
	explain := func(err error) error { return u.explain(errors.Join(limited.Err(), err)) }
	if l.client, err = u.greet(conn, l.options(u.tlsConfig(host))); err != nil {
		abort()
		return nil, explain(err)
	}
	if err := l.login(u); err != nil {
		abort()
		l.client.Close()
		return nil, explain(err)
	}
	l.caps = l.client.Caps()
	if !abort() {
		l.client.Close()
		return nil, u.explain(limited.Err())
	}
	l.release = context.AfterFunc(ctx, func() { l.client.Close() })
	return l, nil
}

func (u Upstream) host() (string, error) {
	host, _, err := net.SplitHostPort(u.Address)
	if err != nil {
		return "", &problem{sentence: fmt.Sprintf("The IMAP server address %q is not host:port; correct it in the mailbox settings.", u.Address), cause: err}
	}
	switch u.TLS {
	case "implicit", "starttls":
		return host, nil
	case "none":
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
			return host, nil
		}
		return "", &problem{sentence: fmt.Sprintf("Without TLS an IMAP server must be on this machine, %s is not; choose implicit TLS or STARTTLS in the mailbox settings.", host)}
	}
	return "", &problem{sentence: fmt.Sprintf("The TLS setting %q is not known; choose implicit, starttls or none in the mailbox settings.", u.TLS)}
}

func (u Upstream) tlsConfig(host string) *tls.Config {
	return &tls.Config{ServerName: host, RootCAs: u.Roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"imap"}}
}

func (u Upstream) dial(ctx context.Context, host string) (net.Conn, error) {
	if u.TLS != "implicit" {
		return new(net.Dialer).DialContext(ctx, "tcp", u.Address)
	}
	return (&tls.Dialer{Config: u.tlsConfig(host)}).DialContext(ctx, "tcp", u.Address)
}

// greet waits for the greeting and upgrades to TLS where it is due. RFC 9051, section 7.1.4: a PREAUTH greeting
// before STARTTLS is refused, because it would go on in clear; the library does that. It closes conn when it fails.
func (u Upstream) greet(conn net.Conn, options *imapclient.Options) (*imapclient.Client, error) {
	if u.TLS == "starttls" {
		return imapclient.NewStartTLS(conn, options)
	}
	client := imapclient.New(conn, options)
	if err := client.WaitGreeting(); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// options tells the link of everything that upstream says unasked. A sequence number in it may be stale by the time
// it is looked at, so that it only means: look again.
func (l *link) options(config *tls.Config) *imapclient.Options {
	return &imapclient.Options{
		TLSConfig: config,
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Expunge: func(uint32) { l.markChanged() },
			Mailbox: func(*imapclient.UnilateralDataMailbox) { l.markChanged() },
			Fetch: func(m *imapclient.FetchMessageData) {
				l.markChanged()
				for m.Next() != nil { // must be read to its end, or the client stands still
				}
			},
		},
	}
}

func (l *link) markChanged() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// login prefers AUTHENTICATE PLAIN where LOGIN is disabled or cannot carry the password.
func (l *link) login(u Upstream) error {
	caps := l.client.Caps()
	var err error
	if caps.Has(imap.AuthCap(sasl.Plain)) && (caps.Has(imap.CapLoginDisabled) || !isASCII(u.Username+u.Password)) {
		err = l.client.Authenticate(sasl.NewPlainClient("", u.Username, u.Password))
	} else {
		err = l.client.Login(u.Username, u.Password).Wait()
	}
	if isRefusal(err) {
		return &refused{err}
	}
	return err
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// isRefusal tells a NO or BAD of the server from a broken connection.
func isRefusal(err error) bool {
	var answer *imap.Error
	return errors.As(err, &answer) && (answer.Type == imap.StatusResponseTypeNo || answer.Type == imap.StatusResponseTypeBad)
}

// close ends the link without ceremony.
func (l *link) close() {
	l.release()
	l.client.Close()
}

// patientConn bounds every read: where the client sets no deadline, upstream gets silenceLimit.
type patientConn struct{ net.Conn }

// SetReadDeadline replaces "for ever".
func (c *patientConn) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		t = time.Now().Add(silenceLimit)
	}
	return c.Conn.SetReadDeadline(t)
}
