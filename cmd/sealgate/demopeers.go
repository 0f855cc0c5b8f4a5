package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-smtp"
)

// internet is the demo's stand-in for the mail servers of the world: an IMAP server that holds the groups' mailboxes,
// and an SMTP server that takes whatever leaves. Both live in memory and listen on loopback only.
type internet struct {
	imapAddress, smtpAddress string

	imap  *imapserver.Server
	smtp  *smtp.Server
	users map[string]*imapmemserver.User

	mu      sync.Mutex
	arrived [][]byte
	news    chan struct{} // one token per arrival
}

// startInternet starts both servers with one mailbox per login, all with the same password.
func startInternet(password string, logins ...string) (*internet, error) {
	n := &internet{users: map[string]*imapmemserver.User{}, news: make(chan struct{}, 64)}
	memory := imapmemserver.New()
	for _, login := range logins {
		u := imapmemserver.NewUser(login, password)
		if err := u.Create("INBOX", nil); err != nil {
			return nil, err
		}
		memory.AddUser(u)
		n.users[login] = u
	}
	n.imap = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}}, InsecureAuth: true,
	})
	n.smtp = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &demoSession{n: n}, nil }))
	n.smtp.Domain = "internet.test"
	n.smtp.MaxLineLength = 1 << 20
	var err error
	if n.imapAddress, err = serveLoopback(n.imap.Serve); err != nil {
		return nil, err
	}
	if n.smtpAddress, err = serveLoopback(n.smtp.Serve); err != nil {
		return nil, errors.Join(err, n.imap.Close())
	}
	return n, nil
}

// serveLoopback serves on a port from the kernel; the servers' Close ends the goroutine.
func serveLoopback(serve func(net.Listener) error) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go serve(l) //nolint:errcheck // ends with an error when the server is closed
	return l.Addr().String(), nil
}

// Close ends both servers.
func (n *internet) Close() error { return errors.Join(n.imap.Close(), n.smtp.Close()) }

// deliver puts a message into a mailbox, as a customer's mail server would.
func (n *internet) deliver(login string, message []byte) error {
	_, err := n.users[login].Append("INBOX", literal{bytes.NewReader(message), int64(len(message))}, &imap.AppendOptions{})
	return err
}

// literal is a message for Append.
type literal struct {
	io.Reader
	size int64
}

func (l literal) Size() int64 { return l.size }

// next waits for the next message that left.
func (n *internet) next(ctx context.Context) ([]byte, error) {
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("no mail left: %w", ctx.Err())
	case <-n.news:
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.arrived[len(n.arrived)-1], nil
}

// demoSession takes any message.
type demoSession struct{ n *internet }

func (*demoSession) Mail(string, *smtp.MailOptions) error { return nil }
func (*demoSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (*demoSession) Reset()                               {}
func (*demoSession) Logout() error                        { return nil }

// Data implements smtp.Session.
func (s *demoSession) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.n.mu.Lock()
	s.n.arrived = append(s.n.arrived, message)
	s.n.mu.Unlock()
	select {
	case s.n.news <- struct{}{}:
	default:
	}
	return nil
}
