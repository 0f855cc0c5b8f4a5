package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring/seal"
)

// syncs runs one Syncer per mailbox that has an IMAP upstream, and follows what the administrator changes: a new
// mailbox starts, a changed one starts again, a deleted one stops.
type syncs struct {
	gateway  *gateway.Gateway
	spool    *seal.Spool
	maxBytes int64
	log      *slog.Logger

	mu      sync.Mutex
	running map[string]*running // by mailbox id
}

// running is one Syncer with the settings it was started with.
type running struct {
	syncer  *mailbox.Syncer
	changed time.Time // the mailbox's UpdatedAt
	stop    context.CancelFunc
	done    chan struct{}
}

// settingsPoll is how often the mailboxes are looked at; changes take effect within it.
const settingsPoll = 2 * time.Second

func newSyncs(g *gateway.Gateway, spool *seal.Spool, maxBytes int64, log *slog.Logger) *syncs {
	return &syncs{gateway: g, spool: spool, maxBytes: maxBytes, log: log, running: map[string]*running{}}
}

// Status tells how the sync of a mailbox does, and whether one runs here.
func (s *syncs) Status(mailboxID string) (mailbox.Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.running[mailboxID]
	if !ok {
		return mailbox.Status{}, false
	}
	return r.syncer.Status(), true
}

// Run keeps the set of running syncs equal to the mailboxes until ctx ends, then waits for all of them.
func (s *syncs) Run(ctx context.Context) error {
	ticker := time.NewTicker(settingsPoll)
	defer ticker.Stop()
	for {
		if err := s.follow(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "read mailboxes", "error", err)
		}
		select {
		case <-ctx.Done():
			s.stopAll()
			return nil
		case <-ticker.C:
		}
	}
}

// follow compares what runs with what is wanted.
func (s *syncs) follow(ctx context.Context) error {
	mailboxes, err := s.gateway.Groups.Mailboxes(ctx)
	if err != nil {
		return err
	}
	wanted := map[string]groups.Mailbox{}
	for _, m := range mailboxes {
		if m.IMAP.Address != "" {
			wanted[m.ID] = m
		}
	}
	for id, r := range s.snapshot() {
		if m, ok := wanted[id]; !ok || !m.UpdatedAt.Equal(r.changed) {
			s.stopOne(id)
		}
	}
	for id, m := range wanted {
		if _, ok := s.snapshot()[id]; ok {
			continue
		}
		if err := s.start(ctx, m); err != nil {
			return fmt.Errorf("start sync of mailbox %s: %w", id, err)
		}
	}
	return nil
}

func (s *syncs) snapshot() map[string]*running {
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := make(map[string]*running, len(s.running))
	for id, r := range s.running {
		copied[id] = r
	}
	return copied
}

func (s *syncs) start(ctx context.Context, m groups.Mailbox) error {
	upstream, err := s.gateway.UpstreamOf(ctx, m)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	r := &running{changed: m.UpdatedAt, stop: stop, done: make(chan struct{}), syncer: &mailbox.Syncer{
		Mirror: s.gateway.Mirror, Upstream: upstream, Receive: s.gateway.Receive,
		Spool: s.spool, MaxBytes: s.maxBytes, Log: s.log,
	}}
	s.mu.Lock()
	s.running[m.ID] = r
	s.mu.Unlock()
	go func() {
		defer close(r.done)
		if err := r.syncer.Run(ctx); err != nil {
			s.log.ErrorContext(ctx, "sync ended", "mailbox", m.ID, "error", err)
		}
	}()
	return nil
}

// stopOne ends a sync and waits for it.
func (s *syncs) stopOne(id string) {
	s.mu.Lock()
	r := s.running[id]
	delete(s.running, id)
	s.mu.Unlock()
	r.stop()
	<-r.done
}

func (s *syncs) stopAll() {
	for id := range s.snapshot() {
		s.stopOne(id)
	}
}
