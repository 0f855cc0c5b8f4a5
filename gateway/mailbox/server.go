package mailbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"golang.org/x/sync/semaphore"
)

// Server is the IMAP server; it may serve several listeners.
type Server struct {
	Mirror *Mirror
	// Authenticate returns the id of the mailbox that login and password open.
	Authenticate   func(ctx context.Context, login, password string) (mailboxID string, err error)
	TLS            *tls.Config
	MaxConnections int   // at once; 0 means 200
	Budget         int64 // bytes of opened messages in memory at once; 0 means 256 MiB
	Log            *slog.Logger

	once   sync.Once
	memory *semaphore.Weighted
	budget int64
	// loginTime is shorter in tests.
	loginTime time.Duration
	slots     chan struct{}
	failures  failures
}

// Mode is how a listener speaks TLS: as package submission's.
type Mode string

// The modes.
const (
	Implicit Mode = "implicit"
	StartTLS Mode = "starttls"
	Plain    Mode = "plain" // loopback only
)

const (
	defaultConnections = 200
	defaultBudget      = 256 << 20
	// byeTime is how long clients have to hear BYE before their connections are cut.
	byeTime = time.Second
)

// errMode is a listener that must not be served in its mode.
var errMode = errors.New("this listener cannot be served")

// Serve accepts on l until ctx ends, then says BYE and returns nil. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener, mode Mode) error {
	defer l.Close()
	if err := s.allowed(l, mode); err != nil {
		return err
	}
	s.once.Do(s.prepare)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := &gate{Listener: l, slots: s.slots, conns: map[*gatedConn]struct{}{}, plainGreeting: mode != Implicit}
	h := &house{server: s, ctx: ctx, sessions: map[*session]struct{}{}}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	served := imapserver.New(s.options(h, mode)).Serve(s.secured(g, mode))
	cancel()
	h.bye()
	g.drain()
	if served != nil {
		return fmt.Errorf("serve imap: %w", served)
	}
	return nil
}

func (s *Server) allowed(l net.Listener, mode Mode) error {
	switch mode {
	case Plain:
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			return fmt.Errorf("%w: without TLS only a loopback address may be listened on, %s is not", errMode, a)
		}
		return nil
	case Implicit, StartTLS:
		if s.TLS == nil {
			return fmt.Errorf("%w: %s needs a certificate", errMode, mode)
		}
		return nil
	}
	return fmt.Errorf("%w: unknown mode %q", errMode, mode)
}

func (s *Server) prepare() {
	connections := s.MaxConnections
	if connections <= 0 {
		connections = defaultConnections
	}
	s.budget = s.Budget
	if s.budget <= 0 {
		s.budget = defaultBudget
	}
	if s.loginTime == 0 {
		s.loginTime = loginTime
	}
	s.slots, s.memory = make(chan struct{}, connections), semaphore.NewWeighted(s.budget)
}

func (s *Server) secured(l net.Listener, mode Mode) net.Listener {
	if mode == Implicit {
		return tls.NewListener(l, s.TLS)
	}
	return l
}

// options names the capabilities that are really served. There is no SORT, THREAD, CONDSTORE, COMPRESS or MOVE, and
// without MOVE no IMAP4rev2. LITERAL- is the library's own: it takes no literal above 4 KiB outside APPEND.
func (s *Server) options(h *house, mode Mode) *imapserver.Options {
	o := &imapserver.Options{
		NewSession: h.newSession,
		Caps: imap.CapSet{
			imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}, imap.CapESearch: {},
			imap.CapSearchRes: {}, imap.CapStatusSize: {}, imap.CapSpecialUse: {},
		},
		Logger:       quietLogger{s.Log},
		InsecureAuth: mode == Plain,
	}
	if mode == StartTLS {
		o.TLSConfig = s.TLS
	}
	return o
}

// hold waits until a message of this size fits into memory, and returns what gives the place back.
func (s *Server) hold(ctx context.Context, size int64) (release func(), err error) {
	weight := min(max(size, 1), s.budget)
	if err := s.memory.Acquire(ctx, weight); err != nil {
		return nil, fmt.Errorf("wait for memory: %w", err)
	}
	return func() { s.memory.Release(weight) }, nil
}

// quietLogger passes on that something happened in the library, not what: its arguments may hold what a client sent.
type quietLogger struct{ log *slog.Logger }

// Printf logs the format only, and of a panic the stack.
func (q quietLogger) Printf(format string, args ...any) {
	if !strings.HasPrefix(format, "panic") {
		q.log.Debug("imap connection", "event", format)
		return
	}
	for _, a := range args {
		if stack, ok := a.([]byte); ok {
			q.log.Error("imap connection", "event", format, "stack", string(stack))
		}
	}
}

// house holds the sessions of one listener.
type house struct {
	server *Server
	ctx    context.Context

	mu       sync.Mutex
	sessions map[*session]struct{}
}

func (h *house) newSession(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	raw := c.NetConn()
	s := &session{server: h.server, house: h, ctx: h.ctx, conn: c, remote: raw.RemoteAddr()}
	s.login = time.AfterFunc(h.server.loginTime, func() { raw.Close() })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[s] = struct{}{}
	return s, nil, nil
}

func (h *house) leave(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
}

// bye tells every client that the server goes, and gives them a moment to hear it. A client that does not read must
// not hold up the others, and its word waits for a writer that drain ends.
func (h *house) bye() {
	h.mu.Lock()
	var told sync.WaitGroup
	for s := range h.sessions {
		told.Go(func() {
			// It may be gone already; that is what we want.
			_ = s.conn.Bye("Sealgate is shutting down")
		})
	}
	h.mu.Unlock()
	done := make(chan struct{})
	go func() {
		told.Wait()
		close(done)
	}()
	timer := time.NewTimer(byeTime)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
