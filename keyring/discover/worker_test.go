package discover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// worker asks a world, keeps what it finds in a channel, and has a clock that stands.
func (w *world) worker(db *gorm.DB, keyserver string) (*Worker, chan Finding) {
	found := make(chan Finding, 10)
	return &Worker{
		Store: NewStore(db), Finder: w.finder(keyserver), Now: noon, Log: slog.New(slog.DiscardHandler), Poll: time.Millisecond,
		Propose:     func(_ context.Context, _ string, f Finding) error { found <- f; return nil },
		AddressesOf: func(context.Context, string) ([]string, error) { return []string{"joe@example.test"}, nil },
	}, found
}

// running runs a worker until the returned function is called.
func running(t *testing.T, work *Worker) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- work.Run(ctx) }()
	return func() {
		cancel()
		if err := soon(t, ended); err != nil {
			t.Error(err)
		}
	}
}

// soon takes what comes, and fails the test when nothing does.
func soon[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
	}
	return v
}

func TestTheSignerOfAMessageIsLookedFor(t *testing.T) {
	w := newWorld(t)
	joe := newKey(t, "joe@example.test")
	keyID := fmt.Sprintf("%016X", joe.PrimaryKey.KeyId)
	w.keyserver(map[string][]byte{"/vks/v1/by-keyid/" + keyID: public(t, joe)})
	work, found := w.worker(dbtest.SQLite(t), "https://keys.test")
	for _, address := range []string{"joe@example.test", "mallory@example.test"} {
		if err := work.Store.Enqueue(t.Context(), ForSigner, SignerSubject(keyID, address), "g", noon()); err != nil {
			t.Fatal(err)
		}
		if did, err := work.Step(t.Context()); err != nil || !did {
			t.Fatalf("%v, %v", did, err)
		}
	}
	if f := soon(t, found); f.Address != "joe@example.test" || len(f.Item.Certificate.UserIDs) != 1 {
		t.Errorf("found %+v", f)
	}
	// Another sender's message does not make joe's certificate his.
	if f := soon(t, found); f.Address != "mallory@example.test" || len(f.Item.Certificate.UserIDs) != 0 {
		t.Errorf("found %+v", f)
	}
}

// A refresh does not wait for servers that strangers made us ask.
func TestATarpitDelaysNoRefresh(t *testing.T) {
	w := newWorld(t)
	joe := newKey(t, "joe@example.test")
	entered := make(chan struct{}, 1)
	w.serve("openpgpkey.tarpit.test", func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
	})
	w.serve("openpgpkey.example.test", answering(public(t, joe), nil))
	work, found := w.worker(dbtest.SQLite(t), "")
	if err := work.Store.Enqueue(t.Context(), ForAddress, "a@tarpit.test", "", noon()); err != nil {
		t.Fatal(err)
	}
	known := make(chan struct{})
	work.Known = func(_ context.Context, each func(string) error) error {
		<-known
		return each(fingerprintOf(joe))
	}
	stop := running(t, work)
	soon(t, entered)
	close(known)
	if f := soon(t, found); f.Item.Certificate.Fingerprint != fingerprintOf(joe) {
		t.Errorf("found %+v", f)
	}
	stop()
}

func TestWantedAddressesAreQueuedByTheWorker(t *testing.T) {
	w := newWorld(t)
	work, _ := w.worker(dbtest.SQLite(t), "")
	queued := make(chan string, 1)
	work.Wanted = func(_ context.Context, groupID string, addresses []string) error {
		queued <- fmt.Sprint(groupID, addresses)
		return nil
	}
	stop := running(t, work)
	work.Want("g", []string{"joe@example.test"})
	if got := soon(t, queued); got != "g[joe@example.test]" {
		t.Errorf("queued %s", got)
	}
	stop()
	for range 2 * maxWants { // nobody takes them any more
		work.Want("g", nil)
	}
}

// All at once, most refreshes would be refused by our own limit for one keyserver, and given up.
func TestRefreshesAreSpread(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		now := noon()
		work := &Worker{Store: NewStore(db), Now: func() time.Time { return now }}
		work.Known = func(_ context.Context, each func(string) error) error {
			for n := range 3 {
				if err := each(fmt.Sprintf("%040X", n)); err != nil {
					return err
				}
			}
			return nil
		}
		if err := work.QueueRefreshes(t.Context()); err != nil {
			t.Fatal(err)
		}
		for n, wait := range []time.Duration{0, refreshApart, refreshApart} {
			if _, early, err := work.Store.Claim(t.Context(), now.Add(wait-time.Second), ForRefresh); n > 0 && (early || err != nil) {
				t.Errorf("%d is asked for too early: %v", n, err)
			}
			now = now.Add(wait)
			l, ok, err := work.Store.Claim(t.Context(), now, ForRefresh)
			if err != nil || !ok || l.Subject != fmt.Sprintf("%040X", n) {
				t.Fatalf("%d: %+v, %v, %v", n, l, ok, err)
			}
			if err := work.Store.Finish(t.Context(), l, Report{}, now); err != nil {
				t.Fatal(err)
			}
		}
		if err := work.QueueRefreshes(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, again, _ := work.Store.Claim(t.Context(), now.Add(askAgain-time.Second)); again {
			t.Error("asked for twice in a day")
		}
	})
}

func TestStrangersKeepNoRefreshOut(t *testing.T) {
	db := dbtest.SQLite(t)
	s := NewStore(db)
	err := db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO discover_lookups (kind, subject, state, due_ms) SELECT 'address', 'a' || i || '@many.test', 'waiting', 1 FROM n`, maxWaiting).Error
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Enqueue(t.Context(), ForAddress, "joe@example.test", "", noon()); err != nil {
		t.Fatal(err)
	}
	if queued, err := s.EnqueueRefresh(t.Context(), "A", noon(), noon()); err != nil || !queued {
		t.Errorf("queued %v, %v", queued, err)
	}
	var n int64
	if err := db.Model(&lookupRow{}).Count(&n).Error; err != nil || n != maxWaiting+1 {
		t.Errorf("%d lookups, %v", n, err)
	}
	if l, ok, err := s.Claim(t.Context(), noon(), ForRefresh); err != nil || !ok || l.Subject != "A" {
		t.Errorf("claimed %+v, %v, %v", l, ok, err)
	}
}

// What cannot be stored is given up after five times, instead of being asked for ever.
func TestAFindingThatCannotBeStoredIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.serve("openpgpkey.example.test", answering(public(t, newKey(t, "joe@example.test")), nil))
	work, _ := w.worker(dbtest.SQLite(t), "")
	now := noon()
	work.Now, work.Finder.Now = func() time.Time { return now }, func() time.Time { return now }
	work.Propose = func(context.Context, string, Finding) error { return errors.New("no room") }
	if err := work.Store.Enqueue(t.Context(), ForAddress, "joe@example.test", "", now); err != nil {
		t.Fatal(err)
	}
	for n := range maxAttempts {
		if did, err := work.Step(t.Context()); !did || err == nil {
			t.Fatalf("attempt %d: %v, %v", n, did, err)
		}
		now = now.Add(lease)
	}
	if did, err := work.Step(t.Context()); did || err != nil {
		t.Errorf("it is tried again: %v, %v", did, err)
	}
}
