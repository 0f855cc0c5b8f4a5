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
	"github.com/sealgate/sealgate/gateway/memory"
	"github.com/sealgate/sealgate/keyring/seal"
)

// Server is one SMTP server; it may serve several listeners, which share its limits.
type Server struct {
	Backend         Backend
	Domain          string // our name in the greeting
	TLS             *tls.Config
	MaxMessageBytes int64          // 0 means 50 MiB
	MaxRecipients   int            // 0 means 100
	MaxConnections  int            // at once; 0 means 1000
	Memory          *memory.Budget // of messages in memory at once; nil means no bound
	Timeout         time.Duration  // per command and per read; 0 means 5 min
	MemoryWait      time.Duration  // how long a received message waits for memory; 0 means 2 min
	Grace           time.Duration  // for sessions under way when the server ends; 0 means 10 s
	Spool           *seal.Spool
	Log             *slog.Logger

	connections atomic.Int64
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
	defaultConnections  = 1000
	defaultTimeout      = 5 * time.Minute
	defaultMemoryWait   = 2 * time.Minute
	defaultGrace        = 10 * time.Second
	maxDataLine         = 1 << 20 // our own rule for long lines is in package pgpmime: they are re-encoded
)

func orDefault[T int | int64 | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// ServeRelay is Serve for mail servers: instead of logins there is trust in who they are.
func (s *Server) ServeRelay(ctx context.Context, l net.Listener, r Relay) error {
	if s.Backend.Relay == nil {
		return errors.New("submission server: nothing stands behind a relay")
	}
	return s.serve(ctx, l, r.Mode, &r)
}

// Serve accepts on l until ctx ends; then it stops accepting, lets running sessions finish their command, and returns
// nil once they ended. Those that take longer than Grace are cut off. It always closes l, unless it refuses the mode.
func (s *Server) Serve(ctx context.Context, l net.Listener, mode Mode) error {
	return s.serve(ctx, l, mode, nil)
}

func (s *Server) serve(ctx context.Context, l net.Listener, mode Mode, relay *Relay) error {
	if err := s.check(l, mode); err != nil {
		return err
	}
	d := &door{Listener: l, server: s, inside: map[*connection]struct{}{}, relay: relay}
	var socket net.Listener = d
	if mode == Implicit {
		socket = tls.NewListener(d, s.tlsFor(relay))
	}
	// A message under way is finished even when the server is told to end.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	server := s.smtpServer(working, mode, relay)
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
		_, unix := l.Addr().(*net.UnixAddr)
		if a, ok := l.Addr().(*net.TCPAddr); !unix && (!ok || !a.IP.IsLoopback()) {
			return fmt.Errorf("submission server: %s is not a loopback address; passwords in clear are accepted on loopback only", l.Addr())
		}
	default:
		return fmt.Errorf("submission server: unknown mode %q", mode)
	}
	return nil
}

// tlsFor asks the neighbours of a relay for their certificate, which need not come from any authority: its key is known.
func (s *Server) tlsFor(relay *Relay) *tls.Config {
	if relay == nil || s.TLS == nil || len(relay.Certificates) == 0 {
		return s.TLS
	}
	config := s.TLS.Clone()
	config.ClientAuth = tls.RequestClientCert
	return config
}

func (s *Server) smtpServer(ctx context.Context, mode Mode, relay *Relay) *smtp.Server {
	timeout := orDefault(s.Timeout, defaultTimeout)
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return s.newSession(ctx, c, relay)
	}))
	server.Domain = s.Domain
	server.MaxMessageBytes = orDefault(s.MaxMessageBytes, defaultMessageBytes)
	server.MaxRecipients = orDefault(s.MaxRecipients, defaultRecipients)
	server.MaxLineLength = maxDataLine
	server.ReadTimeout, server.WriteTimeout = timeout, timeout
	server.AllowInsecureAuth = mode == Plain
	server.EnableSMTPUTF8, server.EnableDSN, server.EnableREQUIRETLS = true, true, true
	server.ErrorLog = slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug)
	server.LMTP = relay != nil && relay.LMTP
	if mode == StartTLS || mode == Plain && relay == nil {
		server.TLSConfig = s.tlsFor(relay)
	}
	return server
}
