package discover

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestWhatIsNotThereIsNotAskedAgainForADay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s, ctx, now := NewStore(db), t.Context(), noon()
		enqueue := func() {
			t.Helper()
			if err := s.Enqueue(ctx, ForAddress, "joe@example.test", "g", now); err != nil {
				t.Fatal(err)
			}
		}
		claim := func(want bool) Lookup {
			t.Helper()
			l, ok, err := s.Claim(ctx, now)
			if err != nil || ok != want {
				t.Fatalf("claimed %v, %v", ok, err)
			}
			return l
		}
		enqueue()
		enqueue()
		l := claim(true)
		claim(false) // it is held
		if err := s.Finish(ctx, l, Report{Asks: []Ask{{Source: keyring.WKD, URL: "u", Answer: Absent}}}, now); err != nil {
			t.Fatal(err)
		}
		enqueue()
		claim(false)
		now = now.Add(askAgain)
		claim(false) // nobody asked for it
		enqueue()
		if l = claim(true); l.GroupID != "g" || l.Attempts != 1 || len(l.Asks) != 1 || l.Asks[0].Answer != Absent {
			t.Errorf("%+v", l)
		}
	})
}

func TestAServerThatFailsIsAskedAgainLaterAndNotForEver(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s, ctx, now := NewStore(db), t.Context(), noon()
		if err := s.Enqueue(ctx, ForAddress, "joe@example.test", "", now); err != nil {
			t.Fatal(err)
		}
		failed := Report{Asks: []Ask{{Answer: Failed}}}
		for n := 1; n <= maxAttempts; n++ {
			l, ok, err := s.Claim(ctx, now)
			if err != nil || !ok || l.Attempts != n {
				t.Fatalf("attempt %d: %+v, %v, %v", n, l, ok, err)
			}
			if err := s.Finish(ctx, l, failed, now); err != nil {
				t.Fatal(err)
			}
			if _, ok, _ := s.Claim(ctx, now.Add(firstRetry-time.Second)); ok {
				t.Fatal("asked again too early")
			}
			now = now.Add(4 * time.Hour)
		}
		if _, ok, _ := s.Claim(ctx, now); ok {
			t.Error("it never ends")
		}
	})
}

func TestTheListOfLookups(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s, ctx := NewStore(db), t.Context()
		for n, subject := range []string{"a@example.test", "b@example.test", "c@example.test", "d@example.test"} {
			kind, at := ForAddress, noon().Add(time.Duration(n)*time.Minute)
			if n == 3 {
				kind, subject = ForSigner, SignerSubject("0123456789ABCDEF", subject)
			}
			if err := s.Enqueue(ctx, kind, subject, "", at); err != nil {
				t.Fatal(err)
			}
			if n < 2 { // these were asked
				l, _, err := s.Claim(ctx, at)
				if err == nil {
					err = s.Finish(ctx, l, Report{Asks: []Ask{{Answer: Absent}}}, at)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := s.EnqueueRefresh(ctx, "A", noon(), noon()); err != nil {
			t.Fatal(err)
		}
		addresses := func(limit int) (all []string) {
			list, err := s.Lookups(ctx, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range list {
				all = append(all, l.Address()+l.KeyID())
			}
			return all
		}
		if got := addresses(10); !slices.Equal(got, []string{"c@example.test", "d@example.test0123456789ABCDEF", "b@example.test", "a@example.test"}) {
			t.Errorf("%v", got)
		}
		if got := addresses(2); len(got) != 2 {
			t.Errorf("of two: %v", got)
		}
		if err := s.Forget(ctx, noon().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got := addresses(10); !slices.Equal(got, []string{"c@example.test", "d@example.test0123456789ABCDEF", "b@example.test"}) {
			t.Errorf("after the oldest was forgotten: %v", got)
		}
	})
}

func TestPeersAndApprovalsAreKept(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s, ctx := NewStore(db), t.Context()
		p := Peer{Address: "joe@example.test"}.Seen(noon(), "A", true).Heard(noon(), "G")
		for range 2 {
			if err := s.SavePeer(ctx, db, p); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Peer(ctx, "Joe@example.test"); err != nil || got != p {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.Peer(ctx, "ann@example.test"); err != nil || got != (Peer{Address: "ann@example.test"}) {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.Peers(ctx, []string{"ann@example.test", "Joe@example.test"}); err != nil || len(got) != 1 || got[0] != p {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.Peers(ctx, nil); err != nil || len(got) != 0 {
			t.Errorf("of nobody: %+v, %v", got, err)
		}
		if err := s.SetApprovals(ctx, db, "g", []keyring.Source{keyring.WKD, keyring.Autocrypt, keyring.WKD}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Approvals(ctx, "g"); err != nil || !slices.Equal(got, []keyring.Source{keyring.Autocrypt, keyring.WKD}) {
			t.Errorf("%v, %v", got, err)
		}
		if all, err := s.AllApprovals(ctx); err != nil || len(all) != 1 || !slices.Equal(all["g"], []keyring.Source{keyring.Autocrypt, keyring.WKD}) {
			t.Errorf("%v, %v", all, err)
		}
		if err := s.SetApprovals(ctx, db, "h", []keyring.Source{keyring.Gossip}); err == nil {
			t.Error("gossip is approved by itself")
		}
	})
}

// A worker asks what is queued, proposes what it finds, and ends with its context.
func TestTheWorkerAsksInTheBackground(t *testing.T) {
	w := newWorld(t)
	joe := newKey(t, "joe@example.test")
	w.serve("openpgpkey.example.test", answering(public(t, joe), nil))
	var asked atomic.Int64
	proposed := make(chan Finding, 10)
	db := dbtest.SQLite(t)
	work := &Worker{
		Store: NewStore(db), Finder: w.finder(""), Now: noon, Log: slog.New(slog.DiscardHandler),
		Propose: func(_ context.Context, groupID string, f Finding) error {
			if groupID == "g" {
				asked.Add(1)
			}
			proposed <- f
			return nil
		},
		Known:       func(_ context.Context, each func(string) error) error { return each(fingerprintOf(joe)) },
		AddressesOf: func(context.Context, string) ([]string, error) { return []string{"joe@example.test"}, nil },
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- work.Run(ctx) }()
	if f := soon(t, proposed); f.Item.Certificate.Fingerprint != fingerprintOf(joe) || asked.Load() != 0 {
		t.Errorf("the refresh brought %+v", f)
	}
	if err := work.Store.Enqueue(t.Context(), ForAddress, "joe@example.test", "g", noon()); err != nil {
		t.Fatal(err)
	}
	work.Wake()
	if f := soon(t, proposed); f.Source != keyring.WKD || f.Address != "joe@example.test" || asked.Load() != 1 {
		t.Errorf("the lookup brought %+v", f)
	}
	stop()
	if err := soon(t, ended); err != nil {
		t.Error(err)
	}
}
