package discover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sealgate/sealgate/keyring"
)

// Times of the worker.
const (
	defaultPoll  = 30 * time.Second
	refreshEvery = time.Hour // the known certificates are looked through; each is asked for once a day
	refreshApart = refill + time.Second
)

// maxWants is how many messages may be sent while the worker is busy, before it forgets what they wanted.
const maxWants = 1000

// Worker asks in the background what waits in the store. Fill the fields before Run.
//
// Refreshes of known certificates are asked in a lane of their own: whoever makes us ask many slow servers about new
// addresses delays no revocation.
type Worker struct {
	Store  *Store
	Finder *Finder
	// Propose brings a finding into the keyring as a proposal.
	Propose func(ctx context.Context, groupID string, f Finding) error
	// Known calls each with the fingerprint of every certificate that is to be refreshed; nil means none.
	Known func(ctx context.Context, each func(fingerprint string) error) error
	// AddressesOf returns the addresses of a known certificate.
	AddressesOf func(ctx context.Context, fingerprint string) ([]string, error)
	// Wanted queues the addresses that Want was told of; nil means that they are forgotten.
	Wanted func(ctx context.Context, groupID string, addresses []string) error
	Now    func() time.Time
	Log    *slog.Logger
	Poll   time.Duration // 0 means 30 seconds

	once  sync.Once
	hint  chan struct{}
	wants chan want
}

// want is a group with addresses that it writes to and has no certificate of.
type want struct {
	groupID   string
	addresses []string
}

func (w *Worker) ready() {
	w.once.Do(func() { w.hint, w.wants = make(chan struct{}, 1), make(chan want, maxWants) })
}

// Wake tells a running worker that something was queued. It never waits.
func (w *Worker) Wake() {
	w.ready()
	select {
	case w.hint <- struct{}{}:
	default:
	}
}

// Want tells a running worker which addresses a group has no certificate of. It neither waits nor writes, because a mail
// program waits for the answer; beyond 1,000 it is forgotten, and the next message asks again.
func (w *Worker) Want(groupID string, addresses []string) {
	w.ready()
	select {
	case w.wants <- want{groupID, addresses}:
		w.Wake()
	default:
	}
}

// Run works until ctx ends; what is under way ends within the budget of one question.
func (w *Worker) Run(ctx context.Context) error {
	w.ready()
	refreshing := make(chan struct{})
	go func() {
		defer close(refreshing)
		var queued time.Time
		w.lane(ctx, nil, func() {
			if now := w.Now(); now.Sub(queued) >= refreshEvery {
				queued = now
				w.logged(ctx, "queue refreshes", w.QueueRefreshes(ctx))
				w.logged(ctx, "forget lookups", w.Store.Forget(ctx, now.Add(-remembered)))
			}
		}, ForRefresh)
	}()
	w.lane(ctx, w.hint, func() { w.TakeWanted(ctx) }, ForAddress, ForSigner)
	<-refreshing
	return nil
}

// lane asks what is due of some kinds until ctx ends, and before each question does what comes first.
func (w *Worker) lane(ctx context.Context, hint <-chan struct{}, first func(), kinds ...Kind) {
	poll := w.Poll
	if poll == 0 {
		poll = defaultPoll
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for ctx.Err() == nil {
		first()
		did, err := w.Step(ctx, kinds...)
		w.logged(ctx, "look up certificate", err)
		if did && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-hint:
		}
	}
}

// TakeWanted queues what Want was told of so far.
func (w *Worker) TakeWanted(ctx context.Context) {
	w.ready()
	for {
		select {
		case next := <-w.wants:
			if w.Wanted != nil {
				w.logged(ctx, "queue lookups", w.Wanted(ctx, next.groupID, next.addresses))
			}
		default:
			return
		}
	}
}

func (w *Worker) logged(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		w.Log.ErrorContext(ctx, what, "error", err)
	}
}

// Step asks the one thing of some kinds, or of any, that is due longest; false when nothing is. What cannot be brought into
// the keyring is tried again when its lease has ended, at most five times.
func (w *Worker) Step(ctx context.Context, kinds ...Kind) (bool, error) {
	l, ok, err := w.Store.Claim(ctx, w.Now(), kinds...)
	if err != nil || !ok {
		return false, err
	}
	r, err := w.ask(ctx, l)
	for _, f := range r.Findings {
		if err == nil {
			err = w.Propose(ctx, l.GroupID, f)
		}
	}
	if err != nil && l.Attempts < maxAttempts {
		return true, err
	}
	return true, errors.Join(err, w.Store.Finish(ctx, l, r, w.Now()))
}

// ask puts the question. One about what cannot be asked ends with an empty report: no second try mends it.
func (w *Worker) ask(ctx context.Context, l Lookup) (r Report, err error) {
	switch l.Kind {
	case ForAddress:
		r, err = w.Finder.ByAddress(ctx, l.Subject)
	case ForSigner:
		r, err = w.Finder.ByKeyID(ctx, l.KeyID(), l.Address())
	default:
		addresses, err := w.AddressesOf(ctx, l.Subject)
		if err != nil {
			return Report{}, fmt.Errorf("discover: refresh %s: %w", l.Subject, err)
		}
		return w.Finder.Refresh(ctx, l.Subject, addresses)
	}
	w.logged(ctx, "look up certificate", err)
	return r, nil
}

// SignerSubject is the subject of a lookup for who signed a message: the key id that the signature names, and the address
// that the message is from.
func SignerSubject(keyID, address string) string { return keyID + " " + address }

// Address is the address that a lookup is about; "" for a refresh.
func (l Lookup) Address() string {
	switch l.Kind {
	case ForAddress:
		return l.Subject
	case ForSigner:
		_, address, _ := strings.Cut(l.Subject, " ")
		return address
	}
	return ""
}

// KeyID is the key id of the signer that a lookup is about; "" for another.
func (l Lookup) KeyID() string {
	if l.Kind != ForSigner {
		return ""
	}
	keyID, _, _ := strings.Cut(l.Subject, " ")
	return keyID
}

// QueueRefreshes queues a refresh of every known certificate that was not asked for within a day. They are spread in time,
// one in seven seconds: all at once, nearly all would meet the limit of what one keyserver is asked.
func (w *Worker) QueueRefreshes(ctx context.Context) error {
	if w.Known == nil {
		return nil
	}
	now := w.Now()
	due := now
	return w.Known(ctx, func(fingerprint string) error {
		queued, err := w.Store.EnqueueRefresh(ctx, fingerprint, now, due)
		if queued {
			due = due.Add(refreshApart)
		}
		return err
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
