package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/sealgate/sealgate/keyring/seal"
)

// Arrival is one message fetched upstream.
type Arrival struct {
	Origin   Origin
	Internal time.Time
	Flags    []string
	Message  []byte
}

// Receive opens, freezes and commits one arrival, calling Mirror.Insert in its transaction. A repeated arrival of the
// same origin does nothing. An error means: try again later, upstream is untouched.
type Receive func(ctx context.Context, a Arrival) error

// Status is what a sync last did.
type Status struct {
	Connected bool
	LastSync  time.Time
	Problem   string // one sentence with the remedy, "" when well
}

// Syncer mirrors one upstream mailbox. One Syncer at a time may run for a mailbox.
type Syncer struct {
	Mirror   *Mirror
	Upstream Upstream
	Receive  Receive
	Spool    *seal.Spool
	MaxBytes int64         // larger messages are received as a notice in their place; 0 means 50 MiB
	Poll     time.Duration // when IDLE is not offered, and for folders that are not idled in; 0 means 30 s
	Log      *slog.Logger

	pauses pauses             // the zero value means defaultPauses; tests are less patient
	failed map[Origin]failure // messages that could not be received, to be tried again
	tried  map[string]bool    // ids of changes that upstream was asked for since the last round over everything
	// compared is, by folder id, the upstream UIDVALIDITY under which every message was received once.
	compared map[string]uint32
	marks    map[string]mark // by folder id

	mu     sync.Mutex
	status Status
}

const (
	defaultMaxBytes = 50 << 20
	defaultPoll     = 30 * time.Second
	// idleRound is how long one IDLE lasts at most, and how long a mailbox is believed unchanged. RFC 2177: a server may
	// drop a client that idles for 30 minutes. It is much shorter because some servers forget to announce what happened
	// just before IDLE.
	idleRound = 2 * time.Minute
	// pendingPoll is how often the database is asked for changes that another process made.
	pendingPoll = 2 * time.Second
)

// pauses is how long to wait before trying again: from first, doubling, to most.
type pauses struct {
	reconnect, login, message pause
}

type pause struct{ first, most time.Duration }

func defaultPauses() pauses {
	return pauses{
		reconnect: pause{time.Second, 5 * time.Minute},
		login:     pause{5 * time.Minute, time.Hour}, // more would lock the account at many providers
		message:   pause{time.Minute, 6 * time.Hour},
	}
}

// after returns the pause after so many failures in a row, with jitter: all mailboxes of a server that was away
// should not come back at once.
func (p pause) after(failures int) time.Duration {
	d := p.first
	for i := 1; i < failures && d < p.most; i++ {
		d *= 2
	}
	d = min(d, p.most)
	return d/2 + rand.N(d/2+1)
}

// Run mirrors until ctx ends, reconnecting with back-off, and returns nil.
func (s *Syncer) Run(ctx context.Context) error {
	if s.pauses == (pauses{}) {
		s.pauses = defaultPauses()
	}
	s.failed, s.tried, s.compared, s.marks = map[Origin]failure{}, map[string]bool{}, map[string]uint32{}, map[string]mark{}
	for failures := 0; ctx.Err() == nil; {
		synced, err := s.connection(ctx)
		s.update(func(st *Status) { st.Connected = false })
		if ctx.Err() != nil {
			break
		}
		if synced {
			failures = 0
		}
		failures++
		wait(ctx, s.afterFailure(ctx, failures, err))
	}
	return nil
}

// afterFailure notes why a connection ended and returns how long to wait.
func (s *Syncer) afterFailure(ctx context.Context, failures int, err error) time.Duration {
	p := s.pauses.reconnect
	var known *problem
	sentence := fmt.Sprintf("The connection to the IMAP server %s broke; Sealgate connects again by itself.", s.Upstream.Address)
	if errors.As(err, &known) {
		sentence = known.sentence
		if known.login {
			p = s.pauses.login
		}
	}
	s.update(func(st *Status) { st.Problem = sentence })
	s.Log.WarnContext(ctx, "upstream connection ended", "mailbox", s.Upstream.MailboxID, "failures", failures, "error", err)
	return p.after(failures)
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Status is safe to call at any time.
func (s *Syncer) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *Syncer) update(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
}

func (s *Syncer) maxBytes() int64 {
	if s.MaxBytes > 0 {
		return s.MaxBytes
	}
	return defaultMaxBytes
}

func (s *Syncer) poll() time.Duration {
	if s.Poll > 0 {
		return s.Poll
	}
	return defaultPoll
}

// connection lives as long as one connection. synced tells whether the whole mailbox was mirrored once.
func (s *Syncer) connection(ctx context.Context) (synced bool, err error) {
	woken, cancel := s.Mirror.wakers.subscribe(s.Upstream.MailboxID)
	defer cancel()
	l, err := connect(ctx, s.Upstream)
	if err != nil {
		return false, err
	}
	defer l.close()
	s.update(func(st *Status) { st.Connected = true })
	for scope := everything; ; synced = true {
		more, err := s.round(ctx, l, scope)
		if err != nil {
			return synced, err
		}
		if scope, err = s.rest(ctx, l, woken, more); err != nil {
			return synced, err
		}
	}
}

// scope is how much a round looks at.
type scope int

const (
	everything  scope = iota // every folder, listed anew
	onlyInbox                // upstream said something about it
	onlyPending              // folders with changes of clients
)

// round lists the folders and mirrors each in turn, INBOX last, because that is where the link idles. It returns how
// many folders there are.
func (s *Syncer) round(ctx context.Context, l *link, which scope) (folders int, err error) {
	select {
	case <-l.changed:
		l.inboxAt = time.Time{} // what it announced is looked at now
	default:
	}
	if which == everything {
		clear(s.tried)
		if err := s.listFolders(ctx, l); err != nil {
			return 0, err
		}
	}
	all, err := s.Mirror.folders(ctx, s.Upstream.MailboxID)
	if err != nil {
		return 0, err
	}
	pending, err := s.Mirror.pendingFolders(ctx, s.Upstream.MailboxID)
	if err != nil {
		return 0, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		f := all[i]
		due, err := s.due(l, f, which, pending[f.ID])
		if err != nil {
			return 0, err
		}
		if !due {
			continue
		}
		if err := s.pass(ctx, l, f); err != nil {
			delete(s.marks, f.ID)
			return 0, fmt.Errorf("mirror folder %s: %w", f.ID, err)
		}
	}
	trouble, err := s.roundProblem(ctx)
	if err != nil {
		return 0, err
	}
	s.update(func(st *Status) { st.LastSync, st.Problem = s.Mirror.now(), trouble })
	return len(all), nil
}

// due tells whether a round looks through a folder. INBOX is the last of a round and selected after it, or IDLE would
// hear of another folder; what happens in it while IDLE listens is announced.
func (s *Syncer) due(l *link, f folderRow, which scope, pending bool) (bool, error) {
	switch {
	case pending:
		return true, nil
	case f.Name == inbox:
		listened := l.caps.Has(imap.CapIdle) && len(s.failed) == 0 && time.Since(l.inboxAt) < idleRound
		return which == onlyInbox || !listened || l.selected != f.ID, nil
	case which != everything:
		return false, nil
	}
	unchanged, err := s.unchanged(l, f)
	return !unchanged || len(s.failed) > 0, err
}

// listFolders makes every folder that upstream can select a folder here. One that is gone upstream stays as it was.
func (s *Syncer) listFolders(ctx context.Context, l *link) error {
	listed, err := l.client.List("", "*", nil).Collect()
	if err != nil {
		return fmt.Errorf("list folders: %w", err)
	}
	for _, d := range listed {
		if !selectable(d) {
			continue
		}
		delimiter := ""
		if d.Delim != 0 {
			delimiter = string(d.Delim)
		}
		if _, err := s.Mirror.ensureFolder(ctx, s.Upstream.MailboxID, canonicalFolder(d.Mailbox), specialUse(d.Attrs), delimiter); err != nil {
			return err
		}
	}
	return nil
}

// rest waits until there is something to do and returns what. INBOX is selected.
func (s *Syncer) rest(ctx context.Context, l *link, woken <-chan struct{}, folders int) (scope, error) {
	canIdle := l.caps.Has(imap.CapIdle)
	limit := s.poll()
	if canIdle && folders == 1 && len(s.failed) == 0 {
		limit = idleRound
	}
	limit = min(limit, idleRound)
	if !canIdle {
		return s.awaitWork(ctx, l, woken, limit)
	}
	idle, err := l.client.Idle()
	if err != nil {
		return 0, fmt.Errorf("idle: %w", err)
	}
	next, err := s.awaitWork(ctx, l, woken, limit)
	if closeErr := idle.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = idle.Wait()
	}
	return next, err
}

func (s *Syncer) awaitWork(ctx context.Context, l *link, woken <-chan struct{}, limit time.Duration) (scope, error) {
	round := time.NewTimer(limit)
	defer round.Stop()
	look := time.NewTicker(pendingPoll)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-l.client.Closed():
			return 0, errors.New("upstream closed the connection")
		case <-round.C:
			return everything, nil
		case <-l.changed:
			l.inboxAt = time.Time{}
			return onlyInbox, nil
		case <-woken:
		case <-look.C:
		}
		work, err := s.hasUntried(ctx)
		if err != nil {
			return 0, err
		}
		if work {
			return onlyPending, nil
		}
	}
}
