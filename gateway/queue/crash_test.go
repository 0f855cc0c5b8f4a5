package queue_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"go.uber.org/goleak"
	"gorm.io/gorm"
)

// hang makes a next hop that never answers until the returned channel is closed, or ctx ends.
func (h *house) hang(outcome queue.Outcome) (release chan struct{}) {
	release = make(chan struct{})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = func(ctx context.Context, _ queue.Recipient) queue.Result {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return queue.Result{Outcome: outcome, Reply: "after all"}
	}
	return release
}

func TestAProcessThatDiedLeavesAnUncertainMessageThatIsTakenOver(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		dead := newHouse(t, db)
		release := dead.hang(queue.OutcomeFailed)
		id := dead.put(letter("a@desk.test"))
		stop := dead.run()
		r := dead.waitFor(id, queue.Sending, 1) // recorded before it ends, with the time of the next
		if wait := r.NextAttempt.Sub(dead.clock.Now()); wait < time.Minute || wait > 72*time.Second {
			t.Errorf("after a crash the next attempt would be in %v", wait)
		}

		later := newClock()
		heir := neighbour(t, db, later, dead.provider)
		heir.run()
		later.forward(59 * time.Second)
		heir.Wake()
		if r := heir.get(id).Recipients[0]; r.State != queue.Sending {
			t.Errorf("taken over during the lease: %+v", r)
		}
		later.forward(2 * time.Second)
		heir.Wake()
		eventually(t, func() bool { return len(heir.reported()) > 0 }, func() any { return heir.get(id) })
		if r := heir.reported()[0]; r.Outcome != queue.OutcomeUncertain || !strings.Contains(r.Reply, "may have arrived") {
			t.Errorf("report of the takeover: %+v", r)
		}
		later.forward(2 * time.Minute)
		heir.Wake()
		heir.waitFor(id, queue.Relayed, 2)

		close(release) // the dead one comes back and says: failed
		stop()
		if r := heir.get(id).Recipients[0]; r.State != queue.Relayed || len(dead.told()) != 0 || len(dead.reported()) != 0 {
			t.Errorf("a result without a lease was written: %+v, notices %+v", r, dead.told())
		}
	})
}

func TestALongDeliveryKeepsItsLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.Lease = 60 * time.Millisecond // by the test's clock; the heartbeat comes every 20 ms
		release := h.hang(queue.OutcomeRelayed)
		other := neighbour(t, db, h.clock, h.provider)
		id := h.put(letter("a@desk.test"))
		h.run()
		h.waitFor(id, queue.Sending, 1)
		other.run()
		for range 10 {
			h.clock.forward(h.Lease / 2)
			until := h.clock.Now().Add(h.Lease).UnixMilli()
			eventually(t, func() bool { return leaseOf(t, db, id) >= until }, func() any { return leaseOf(t, db, id) })
		}
		close(release)
		h.waitFor(id, queue.Relayed, 1)
		if len(other.tried()) != 0 {
			t.Error("another process delivered the message too")
		}
	})
}

func leaseOf(t *testing.T, db *gorm.DB, id string) (until int64) {
	t.Helper()
	if err := db.Raw("SELECT lease_until_ms FROM queue_recipients WHERE queue_id = ?", id).Scan(&until).Error; err != nil {
		t.Fatal(err)
	}
	return until
}

func TestAClockThatJumpsDoesNotCutOffOurOwnAttempt(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	release := make(chan struct{})
	h.answer = func(_ context.Context, r queue.Recipient) queue.Result {
		if r.Address == "slow@desk.test" {
			<-release
		}
		return queue.Result{Outcome: queue.OutcomeRelayed}
	}
	id := h.put(letter("slow@desk.test"))
	h.run()
	h.waitFor(id, queue.Sending, 1)
	h.clock.forward(time.Hour) // the machine slept
	h.waitFor(h.put(letter("b@desk.test")), queue.Relayed, 1)
	close(release)
	h.waitFor(id, queue.Relayed, 1)
	if len(h.tried()) != 2 {
		t.Errorf("%d attempts", len(h.tried()))
	}
}

func TestAnAttemptWhoseLeaseIsLostIsCancelled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.Lease = 60 * time.Millisecond
		h.hang(queue.OutcomeRelayed) // never released: only ctx ends it
		id := h.put(letter("a@desk.test"))
		stop := h.run()
		h.waitFor(id, queue.Sending, 1)
		other := neighbour(t, db, newClock(), h.provider)
		other.clock.forward(time.Hour)
		other.run()
		other.waitFor(id, queue.Relayed, 2)
		stop() // returns only when the attempt has ended
		if r := h.get(id).Recipients[0]; r.State != queue.Relayed || len(h.reported()) != 0 {
			t.Errorf("recipient %+v, reports %+v", r, h.reported())
		}
	})
}

func TestTwoProcessesDeliverEachMessageOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		other := neighbour(t, db, h.clock, h.provider)
		h.Workers, other.Workers = 4, 4 // neither may claim everything at once
		first, second := make(chan struct{}), make(chan struct{})
		h.answer, other.answer = meeting(first, second), meeting(second, first)
		n := 200
		if db.Name() == "sqlite" { // each commit waits for the disk, and for the other process
			n = 40
		}
		for range n {
			h.put(letter("a@desk.test"))
		}
		h.run()
		other.run()
		eventually(t, func() bool {
			left, _, err := h.Depth(t.Context())
			return err == nil && left == 0
		}, func() any { return len(h.tried()) + len(other.tried()) })
		seen := map[string]int{}
		for _, a := range append(h.tried(), other.tried()...) {
			seen[a.message.ID]++
		}
		if len(seen) != n || len(h.tried())+len(other.tried()) != n {
			t.Errorf("%d messages in %d + %d attempts", len(seen), len(h.tried()), len(other.tried()))
		}
		if len(h.tried()) == 0 || len(other.tried()) == 0 {
			t.Errorf("one process did all the work: %d + %d", len(h.tried()), len(other.tried()))
		}
	})
}

// Copies with recipients at several destinations are the hard case: both processes have attempts for the same copy.
func TestTwoProcessesDeliverToEachRecipientOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		other := neighbour(t, db, h.clock, h.provider)
		h.byDomain(nil)
		other.byDomain(nil)
		h.Workers, other.Workers = 4, 4
		var ids []string
		for range 40 {
			ids = append(ids, h.put(letter("a@a.test", "b@b.test", "c@c.test", "d@a.test")))
		}
		h.run()
		other.run()
		eventually(t, func() bool {
			left, _, err := h.Depth(t.Context())
			return err == nil && left == 0
		}, func() any { return len(h.tried()) + len(other.tried()) })
		seen := map[string]int{}
		for _, a := range append(h.tried(), other.tried()...) {
			for _, r := range a.recipients {
				seen[a.message.ID+" "+r]++
			}
		}
		for to, n := range seen {
			if n != 1 {
				t.Errorf("%s: %d attempts", to, n)
			}
		}
		if len(seen) != 4*len(ids) {
			t.Errorf("%d recipients, want %d", len(seen), 4*len(ids))
		}
		for _, id := range ids {
			h.gone(id)
		}
	})
}

// meeting is a next hop that takes everything once both processes have something under way.
func meeting(mine, other chan struct{}) func(context.Context, queue.Recipient) queue.Result {
	begin := sync.OnceFunc(func() { close(mine) })
	return func(ctx context.Context, _ queue.Recipient) queue.Result {
		begin()
		select {
		case <-other:
		case <-ctx.Done():
		}
		return queue.Result{Outcome: queue.OutcomeRelayed}
	}
}

func TestRunEndsWithTheAttemptsUnderWay(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	before := goleak.IgnoreCurrent()
	release := h.hang(queue.OutcomeRelayed)
	id := h.put(letter("a@desk.test"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	h.waitFor(id, queue.Sending, 1)
	cancel()
	select {
	case <-ended:
		t.Error("Run left an attempt behind")
	default:
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if r := h.get(id).Recipients[0]; r.State != queue.Relayed {
		t.Errorf("the last attempt was not written: %+v", r)
	}
	goleak.VerifyNone(t, before)
}
