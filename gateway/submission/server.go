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
	BudgetWait      time.Duration // how long a received message waits for memory; 0 means 30 s
	Grace           time.Duration // for sessions under way when the server ends; 0 means 10 s
	Spool           *seal.Spool
	Log             *slog.Logger

	connections atomic.Int64
	budget      atomic.Pointer[semaphore.Weighted]
	tries       tries
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
	defaultBudgetWait   = 30 * time.Second
	defaultGrace        = 10 * time.Second
	maxDataLine         = 1 << 20 // our own rule for long lines is in package pgpmime: they are re-encoded
)

func orDefault[T int | int64 | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

func (s *Server) budgetBytes() int64 { return orDefault(s.Budget, defaultBudget) }

// Serve accepts on l until ctx ends; then it stops accepting, lets running sessions finish their command, and returns
// nil once they ended. Those that take longer than Grace are cut off. It always closes l, unless it refuses the mode.
func (s *Server) Serve(ctx context.Context, l net.Listener, mode Mode) error {
	if err := s.check(l, mode); err != nil {
		return err
	}
	s.budget.CompareAndSwap(nil, semaphore.NewWeighted(s.budgetBytes()))
	d := &door{Listener: l, server: s, inside: map[*connection]struct{}{}}
	var socket net.Listener = d
	if mode == Implicit {
		socket = tls.NewListener(d, s.TLS)
	}
	// A message under way is finished even when the server is told to end.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	server := s.smtpServer(working, mode)
	closing := context.AfterFunc(ctx, func() { l.Close() })
	defer closing()
	accepting := server.Serve(socket)
	ending := s.finish(server, d, stop)
	if ctx.Err() == nil {
		return errors.Join(fmt.Errorf("submission server: %w", accepting), ending)
	}
	return ending
}

// finish ends the sessions and waits for them. QUIRK: the library's Shutdown leaves idle clients alone, and its Close
// does nothing after Shutdown.
func (s *Server) finish(server *smtp.Server, d *door, stop context.CancelFunc) error {
	grace := orDefault(s.Grace, defaultGrace)
	d.each((*connection).end)
	cut := time.AfterFunc(grace, func() {
		stop()
		d.each(func(c *connection) { c.Close() })
	})
	defer cut.Stop()
	waiting, cancel := context.WithTimeout(context.Background(), 2*grace)
	defer cancel()
	if err := server.Shutdown(waiting); errors.Is(err, context.DeadlineExceeded) {
		return errors.New("submission server: a session did not end in time")
	}
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
		return s.newSession(ctx, c)
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
