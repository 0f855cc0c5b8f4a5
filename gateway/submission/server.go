package submission

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/keyring/seal"
	"golang.org/x/sync/semaphore"
)

// Server is one SMTP server; it may serve several listeners, which share its limits.
type Server struct {
	Backend         Backend
	Domain          string // our name in the greeting
	TLS             *tls.Config
	MaxMessageBytes int64         // 0 means 50 MiB
	MaxRecipients   int           // 0 means 100
	MaxConnections  int           // at once; 0 means 200
	Budget          int64         // bytes of messages in memory at once over all sessions; 0 means 256 MiB
	Timeout         time.Duration // per command and per read; 0 means 5 min
	Spool           *seal.Spool
	Log             *slog.Logger

	connections atomic.Int64
	budget      atomic.Pointer[semaphore.Weighted]
}

// Mode is how a listener speaks TLS.
type Mode string

// The modes.
const (
	Implicit Mode = "implicit" // TLS from the first byte (port 465)
	StartTLS Mode = "starttls" // AUTH only after STARTTLS (port 587)
	Plain    Mode = "plain"    // cleartext AUTH; refused unless the listener is on loopback
)

// Defaults of Server's limits.
const (
	defaultMessageBytes = 50 << 20
	defaultRecipients   = 100
	defaultConnections  = 200
	defaultBudget       = 256 << 20
	defaultTimeout      = 5 * time.Minute
	shutdownGrace       = 10 * time.Second
	maxDataLine         = 1 << 20 // our own rule for long lines is in package pgpmime: they are re-encoded
)

func orDefault[T int | int64 | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// Serve accepts on l until ctx ends; then it stops accepting, lets running sessions finish their command for a short
// while, and returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener, mode Mode) error {
	if err := s.check(l, mode); err != nil {
		return err
	}
	s.budget.CompareAndSwap(nil, semaphore.NewWeighted(orDefault(s.Budget, defaultBudget)))
	server := s.smtpServer(ctx, mode)
	var socket net.Listener = &countedListener{Listener: l, server: s}
	if mode == Implicit {
		socket = tls.NewListener(socket, s.TLS)
	}
	stopped := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			server.Close()
		}
	})
	err := server.Serve(socket)
	if cancel() { // ctx has not ended: the listener failed
		server.Close()
		return fmt.Errorf("submission server: %w", err)
	}
	<-stopped
	return nil
}

// check refuses what would put passwords on the network in clear.
func (s *Server) check(l net.Listener, mode Mode) error {
	switch mode {
	case Implicit, StartTLS:
		if s.TLS == nil {
			return errors.New("submission server: this listener needs a TLS certificate")
		}
	case Plain:
		if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
			return fmt.Errorf("submission server: %s is not a loopback address; passwords in clear are accepted on loopback only", l.Addr())
		}
	default:
		return fmt.Errorf("submission server: unknown mode %q", mode)
	}
	return nil
}

func (s *Server) smtpServer(ctx context.Context, mode Mode) *smtp.Server {
	timeout := orDefault(s.Timeout, defaultTimeout)
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		// A message under way is finished even when the server is told to end.
		return &session{ctx: context.WithoutCancel(ctx), server: s, conn: c}, nil
	}))
	server.Domain = s.Domain
	server.MaxMessageBytes = orDefault(s.MaxMessageBytes, defaultMessageBytes)
	server.MaxRecipients = orDefault(s.MaxRecipients, defaultRecipients)
	server.MaxLineLength = maxDataLine
	server.ReadTimeout, server.WriteTimeout = timeout, timeout
	server.AllowInsecureAuth = mode == Plain
	server.EnableSMTPUTF8, server.EnableDSN = true, true
	server.ErrorLog = slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug)
	if mode != Implicit {
		server.TLSConfig = s.TLS
	}
	return server
}

// countedListener turns connections away when there are too many.
type countedListener struct {
	net.Listener
	server *Server
}

// Accept implements net.Listener.
func (l *countedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.server.connections.Add(1) <= int64(orDefault(l.server.MaxConnections, defaultConnections)) {
			return &countedConn{Conn: conn, server: l.server}, nil
		}
		l.server.connections.Add(-1)
		conn.SetWriteDeadline(time.Now().Add(time.Second))                              //nolint:errcheck // it is closed next
		conn.Write([]byte("421 4.3.2 too many connections; try again in a moment\r\n")) //nolint:errcheck // it is closed next
		conn.Close()
	}
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	server *Server
	closed atomic.Bool
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.server.connections.Add(-1)
	}
	return c.Conn.Close()
}
