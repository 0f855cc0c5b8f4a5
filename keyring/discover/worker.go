package discover

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sealgate/sealgate/keyring"
)

// Times of the worker.
const (
	defaultPoll  = 30 * time.Second
	refreshEvery = time.Hour // the known certificates are looked through; each is asked for once a day
)

// Worker asks in the background what waits in the store. Fill the fields before Run.
type Worker struct {
	Store  *Store
	Finder *Finder
	// Propose brings a finding into the keyring as a proposal.
	Propose func(ctx context.Context, groupID string, f Finding) error
	// Known calls each with the fingerprint of every certificate that is to be refreshed; nil means none.
	Known func(ctx context.Context, each func(fingerprint string) error) error
	// AddressesOf returns the addresses of a known certificate.
	AddressesOf func(ctx context.Context, fingerprint string) ([]string, error)
	Now         func() time.Time
	Log         *slog.Logger
	Poll        time.Duration // 0 means 30 seconds

	once sync.Once
	hint chan struct{}
}

func (w *Worker) woken() chan struct{} {
	w.once.Do(func() { w.hint = make(chan struct{}, 1) })
	return w.hint
}

// Wake tells a running worker that something was queued. It never waits.
func (w *Worker) Wake() {
	select {
	case w.woken() <- struct{}{}:
	default:
	}
}

// Run works until ctx ends; what is under way ends within the budget of one question.
func (w *Worker) Run(ctx context.Context) error {
	poll := w.Poll
	if poll == 0 {
		poll = defaultPoll
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	var refreshed time.Time
	for ctx.Err() == nil {
		if now := w.Now(); now.Sub(refreshed) >= refreshEvery {
			refreshed = now
			w.logged(ctx, "queue refreshes", w.QueueRefreshes(ctx))
		}
		w.drain(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-w.woken():
		}
	}
	return nil
}

// drain asks everything that is due.
func (w *Worker) drain(ctx context.Context) {
	for ctx.Err() == nil {
		did, err := w.Step(ctx)
		w.logged(ctx, "look up certificate", err)
		if err != nil || !did {
			return
		}
	}
}

func (w *Worker) logged(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		w.Log.ErrorContext(ctx, what, "error", err)
	}
}

// Step asks the one thing that is due longest; false when nothing is.
func (w *Worker) Step(ctx context.Context) (bool, error) {
	l, ok, err := w.Store.Claim(ctx, w.Now())
	if err != nil || !ok {
		return false, err
	}
	r, err := w.ask(ctx, l)
	if err != nil {
		return true, err
	}
	for _, f := range r.Findings {
		if err := w.Propose(ctx, l.GroupID, f); err != nil {
			return true, err
		}
	}
	return true, w.Store.Finish(ctx, l, r, w.Now())
}

// ask puts the question. One about what cannot be asked ends with an empty report.
func (w *Worker) ask(ctx context.Context, l Lookup) (Report, error) {
	if l.Kind == ForAddress {
		r, err := w.Finder.ByAddress(ctx, l.Subject)
		if err != nil {
			w.logged(ctx, "look up certificate", err)
		}
		return r, nil
	}
	addresses, err := w.AddressesOf(ctx, l.Subject)
	if err != nil {
		return Report{}, fmt.Errorf("discover: refresh %s: %w", l.Subject, err)
	}
	return w.Finder.Refresh(ctx, l.Subject, addresses)
}

// QueueRefreshes queues a refresh of every known certificate that was not asked for within a day.
func (w *Worker) QueueRefreshes(ctx context.Context) error {
	if w.Known == nil {
		return nil
	}
	return w.Known(ctx, func(fingerprint string) error {
		return w.Store.Enqueue(ctx, ForRefresh, fingerprint, "", w.Now())
	})
}

// Restricted returns a finding that holds only the user IDs of some addresses.
func (f Finding) Restricted(addresses []string, at time.Time) (Finding, error) {
	binary, err := f.Item.Certificate.Binary()
	if err != nil {
		return Finding{}, fmt.Errorf("discover: %w", err)
	}
	items, err := only(binary, at, isOneOf(addresses))
	if err != nil {
		return Finding{}, fmt.Errorf("discover: %w", err)
	}
	f.Item = items[0]
	return f, nil
}

// Sources names every source that this package has, the most telling first.
func Sources() []keyring.Source {
	return []keyring.Source{keyring.WKD, keyring.Keyserver, keyring.Autocrypt, keyring.Attachment, keyring.Gossip}
}
