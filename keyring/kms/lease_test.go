package kms_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/kms/local"
	"github.com/sealgate/sealgate/keyring/seal"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"go.uber.org/goleak"
	"gorm.io/gorm"
)

// faulty is a provider that counts its calls and whose answers can be broken.
type faulty struct {
	*local.Provider
	err            error
	wraps, unwraps atomic.Int64
}

func (f *faulty) Wrap(ctx context.Context, key seal.Key, ec seal.EncryptionContext) ([]byte, string, error) {
	f.wraps.Add(1)
	if f.err != nil {
		return nil, "", f.err
	}
	return f.Provider.Wrap(ctx, key, ec)
}

func (f *faulty) Unwrap(ctx context.Context, wrapped []byte, version string, ec seal.EncryptionContext) (seal.Key, error) {
	f.unwraps.Add(1)
	if f.err != nil {
		return seal.Key{}, f.err
	}
	return f.Provider.Unwrap(ctx, wrapped, version, ec)
}

// clock is a time that the test moves.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(1_760_000_000_000)
	return c
}

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

func openAt(t *testing.T, db *gorm.DB, p kms.Provider, c *clock) *kms.Keeper {
	t.Helper()
	k, err := kms.Open(t.Context(), db, p, c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func count(t *testing.T, db *gorm.DB, table string) int64 {
	t.Helper()
	var n int64
	if err := db.Table(table).Count(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFaultsAreTypedAndWriteNothing: the KMS's "no" comes through as it is, at every call, and leaves no row.
func TestFaultsAreTypedAndWriteNothing(t *testing.T) {
	for name, fault := range map[string]error{
		"denied": seal.ErrDenied, "disabled": seal.ErrDisabled, "gone": seal.ErrGone,
		"unreachable": seal.ErrUnreachable, "throttled": seal.ErrThrottled,
	} {
		t.Run(name, func(t *testing.T) {
			db, c := dbtest.SQLite(t), newClock()
			working := &faulty{Provider: newProvider(t)}
			broken := &faulty{Provider: working.Provider, err: fmt.Errorf("provider: %w", fault)}

			_, err := kms.Open(t.Context(), db, broken, c.now)
			refused(t, db, "first start", err, fault, 0)

			k := openAt(t, db, working, c)
			mustSeal(t, k, db, ref("1"), []byte("words"))
			_, err = kms.Open(t.Context(), db, broken, c.now)
			refused(t, db, "restart", err, fault, 1)

			c.advance(time.Hour)
			working.err = broken.err
			refused(t, db, "rotation", k.Ready(t.Context()), fault, 1)
			refused(t, db, "check", k.Check(t.Context()), fault, 1)
			if opened, err := k.Open(t.Context(), db, ref("1")); err != nil || string(opened) != "words" {
				t.Errorf("with a resident lease: %q, %v", opened, err)
			}

			working.err = nil
			if err := k.Ready(t.Context()); err != nil {
				t.Errorf("the KMS is back, and: %v", err)
			}
		})
	}
}

// refused checks a call that a fault must fail, and that the rows are those from before.
func refused(t *testing.T, db *gorm.DB, call string, err, fault error, leases int64) {
	t.Helper()
	if !errors.Is(err, fault) {
		t.Errorf("%s: %v, want %v", call, err, fault)
	}
	if n := count(t, db, "leases"); n != leases {
		t.Errorf("%s: %d leases, want %d", call, n, leases)
	}
}

// TestLeaseOfAnotherProcessIsFetchedOnce: many readers who meet a lease that is not resident cause one call.
func TestLeaseOfAnotherProcessIsFetchedOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		c, p := newClock(), &faulty{Provider: newProvider(t)}
		server, other := openAt(t, db, p, c), openAt(t, db, newSame(p), c)
		c.advance(time.Hour)
		if err := other.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustSeal(t, other, db, ref("1"), []byte("words"))
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		before := p.unwraps.Load()
		var readers sync.WaitGroup
		for range 8 {
			readers.Go(func() {
				if opened, err := server.Open(t.Context(), db, ref("1")); err != nil || string(opened) != "words" {
					t.Errorf("open: %q, %v", opened, err)
				}
			})
		}
		readers.Wait()
		if calls := p.unwraps.Load() - before; calls != 1 {
			t.Errorf("%d calls to the provider", calls)
		}
	})
}

// newSame is the same key in another process.
func newSame(p *faulty) *faulty { return &faulty{Provider: p.Provider} }

// TestFreshLeaseIsShared: commands and servers that start within an hour go on with the newest lease.
func TestFreshLeaseIsShared(t *testing.T) {
	db, c, p := dbtest.SQLite(t), newClock(), &faulty{Provider: newProvider(t)}
	for range 5 {
		k := openAt(t, db, p, c)
		if err := errors.Join(k.Ready(t.Context()), k.Check(t.Context()), k.Close()); err != nil {
			t.Fatal(err)
		}
		c.advance(10 * time.Minute)
	}
	if n, wraps := count(t, db, "leases"), p.wraps.Load(); n != 1 || wraps != 1 {
		t.Errorf("%d leases, %d calls to wrap", n, wraps)
	}
}

// TestSpentLeaseIsReplaced: after an hour, or 64 GiB in all processes, a new lease seals; what the old one sealed opens.
func TestSpentLeaseIsReplaced(t *testing.T) {
	spend := map[string]func(*gorm.DB, *clock) error{
		"age": func(_ *gorm.DB, c *clock) error { c.advance(time.Hour); return nil },
		"bytes": func(db *gorm.DB, _ *clock) error {
			return db.Exec("UPDATE sealed_objects SET size = 64 * 1073741824").Error
		},
	}
	for name, spend := range spend {
		t.Run(name, func(t *testing.T) {
			db, c, p := dbtest.SQLite(t), newClock(), newProvider(t)
			mustSeal(t, openAt(t, db, p, c), db, ref("old"), []byte("old"))
			if err := spend(db, c); err != nil {
				t.Fatal(err)
			}
			k := openAt(t, db, p, c)
			if n := count(t, db, "leases"); n != 2 {
				t.Errorf("%d leases", n)
			}
			mustSeal(t, k, db, ref("new"), []byte("new"))
			for _, id := range []string{"old", "new"} {
				if opened, err := k.Open(t.Context(), db, ref(id)); err != nil || string(opened) != id {
					t.Errorf("%s: %q, %v", id, opened, err)
				}
			}
		})
	}
}

// TestLeaseSpentWithinATransactionStillServes: Seal never writes on another connection, which the transaction would
// block.
func TestLeaseSpentWithinATransactionStillServes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		c := newClock()
		k := openAt(t, db, newProvider(t), c)
		err := db.Transaction(func(tx *gorm.DB) error {
			c.advance(2 * time.Hour)
			return k.Seal(t.Context(), tx, ref("1"), []byte("words"))
		})
		if err != nil || count(t, db, "leases") != 1 {
			t.Errorf("%v, %d leases", err, count(t, db, "leases"))
		}
	})
}

// TestOpenInsideATransactionNeedsNoOtherConnection: all others of the pool may be waiting for this transaction to end.
func TestOpenInsideATransactionNeedsNoOtherConnection(t *testing.T) {
	db, c, p := dbtest.SQLite(t), newClock(), newProvider(t)
	first, second := openAt(t, db, p, c), openAt(t, db, p, c)
	c.advance(time.Hour)
	if err := first.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustSeal(t, first, db, ref("1"), []byte("words"))
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	defer waiting.Wait()
	err = db.Transaction(func(tx *gorm.DB) error {
		for range pool.Stats().MaxOpenConnections {
			waiting.Go(func() {
				if err := db.Transaction(func(*gorm.DB) error { return nil }); err != nil {
					t.Errorf("a waiting transaction: %v", err)
				}
			})
		}
		exhausted(t, pool)
		opened, err := second.Open(t.Context(), tx, ref("1"))
		if err == nil && string(opened) != "words" {
			t.Errorf("opened %q", opened)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// exhausted waits until every connection of the pool is in use and somebody waits for one.
func exhausted(t *testing.T, pool *sql.DB) {
	t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if s := pool.Stats(); s.InUse == s.MaxOpenConnections && s.WaitCount > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the pool is not exhausted: %+v", pool.Stats())
		}
	}
}

// TestManyWritersAcrossRotations: writers and readers go on while leases are replaced under them.
func TestManyWritersAcrossRotations(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		c := newClock()
		k := openAt(t, db, newProvider(t), c)
		var writers sync.WaitGroup
		for w := range 8 {
			writers.Go(func() {
				for i := range 5 {
					c.advance(7 * time.Minute)
					id := fmt.Sprintf("%d-%d", w, i)
					if err := k.Ready(t.Context()); err != nil {
						t.Error(err)
						return
					}
					err := db.Transaction(func(tx *gorm.DB) error { return k.Seal(t.Context(), tx, ref(id), []byte(id)) })
					if err != nil {
						t.Error(err)
						return
					}
					if opened, err := k.Open(t.Context(), db, ref(id)); err != nil || string(opened) != id {
						t.Errorf("%s: %q, %v", id, opened, err)
					}
				}
			})
		}
		writers.Wait()
		if n := count(t, db, "leases"); n < 2 || n > 6 {
			t.Errorf("%d leases in 280 minutes", n)
		}
	})
}

// TestFirstStartsAtOnceMakeOneInstance: of several processes that meet an empty database one makes the instance.
func TestFirstStartsAtOnceMakeOneInstance(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		p := newProvider(t)
		keepers := make([]*kms.Keeper, 6)
		var starts sync.WaitGroup
		for i := range keepers {
			starts.Go(func() {
				var err error
				if keepers[i], err = kms.Open(t.Context(), db, p, time.Now); err != nil {
					t.Error(err)
				}
			})
		}
		starts.Wait()
		if t.Failed() {
			return
		}
		for i, k := range keepers {
			if k.Instance() != keepers[0].Instance() || k.Instance() == "" {
				t.Errorf("instances %q and %q", k.Instance(), keepers[0].Instance())
			}
			mustSeal(t, k, db, ref(strconv.Itoa(i)), []byte("words"))
		}
		for i := range keepers {
			if _, err := keepers[0].Open(t.Context(), db, ref(strconv.Itoa(i))); err != nil {
				t.Errorf("sealed by another process: %v", err)
			}
		}
	})
}

// TestClosedKeeperSealsNothing: keys are wiped while others use the keeper; nobody seals under a wiped one.
func TestClosedKeeperSealsNothing(t *testing.T) {
	db, p := dbtest.SQLite(t), newProvider(t)
	k, again := openKeeper(t, db, p), openKeeper(t, db, p)
	started := make(chan struct{}, 4)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d", w, i)
				err := db.Transaction(func(tx *gorm.DB) error { return k.Seal(t.Context(), tx, ref(id), []byte(id)) })
				if err != nil {
					return
				}
				if i == 0 {
					started <- struct{}{}
				}
				if opened, err := again.Open(t.Context(), db, ref(id)); err != nil || string(opened) != id {
					t.Errorf("%s: %q, %v", id, opened, err)
				}
			}
		})
	}
	for range 4 {
		<-started
	}
	if err := errors.Join(k.Close(), k.Close()); err != nil {
		t.Error(err)
	}
	writers.Wait()
	if err := k.Ready(t.Context()); err == nil {
		t.Error("a closed keeper is ready")
	}
	if _, err := k.Open(t.Context(), db, ref("0-0")); err == nil {
		t.Error("a closed keeper opens")
	}
}
