package queue_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"go.uber.org/goleak"
	"gorm.io/gorm"
)

// byDomain makes the domain of each recipient a destination, and its mail server answer as given; others take everything.
func (h *house) byDomain(answers map[string]func(context.Context) queue.Result) {
	h.Destination = func(_ context.Context, _ queue.Message, address string) string { return domain(address) }
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = func(ctx context.Context, r queue.Recipient) queue.Result {
		if answer := answers[domain(r.Address)]; answer != nil {
			return answer(ctx)
		}
		return queue.Result{Outcome: queue.OutcomeRelayed, Code: "2.0.0", Reply: "taken", TLS: "TLS 1.3"}
	}
}

func domain(address string) string { return address[strings.IndexByte(address, '@')+1:] }

func dead(context.Context) queue.Result {
	return queue.Result{Outcome: queue.OutcomeDeferred, Code: "4.4.1", Reply: "cannot connect to dead.test"}
}

// triedAt counts the attempts for one domain.
func (h *house) triedAt(name string) int {
	n := 0
	for _, a := range h.tried() {
		if domain(a.recipients[0]) == name {
			n++
		}
	}
	return n
}

func (h *house) flows() {
	h.t.Helper()
	id := h.put(letter(fmt.Sprintf("a%d@good.test", len(h.tried()))))
	h.waitFor(id, queue.Relayed, 1)
}

func (h *house) rest(destination string) (queue.Rest, bool) {
	h.t.Helper()
	rests, err := h.Rests(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	i := slices.IndexFunc(rests, func(r queue.Rest) bool { return r.Destination == destination })
	if i < 0 {
		return queue.Rest{}, false
	}
	return rests[i], true
}

// failures waits until a destination could not be reached so many times in a row.
func (h *house) failures(destination string, n int) queue.Rest {
	h.t.Helper()
	eventually(h.t, func() bool { r, _ := h.rest(destination); return r.Failures == n }, func() any { r, _ := h.rest(destination); return r })
	r, _ := h.rest(destination)
	return r
}

// A hundred messages to a dead server are a few attempts, each rest is longer than the one before, and once it is back
// everything arrives.
func TestADestinationThatCannotBeReachedRestsAsAWhole(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		back := make(chan struct{})
		h.byDomain(map[string]func(context.Context) queue.Result{"dead.test": func(ctx context.Context) queue.Result {
			select {
			case <-back:
				return queue.Result{Outcome: queue.OutcomeRelayed}
			default:
				return dead(ctx)
			}
		}})
		const messages = 100
		for range messages {
			h.put(letter("a@dead.test"))
		}
		h.run()
		first := h.failures("dead.test", 1)
		for i := range 6 {
			h.flows()
			r, _ := h.rest("dead.test")
			pause, want := r.Until.Sub(h.clock.Now()), min(time.Minute<<i, 30*time.Minute)
			if pause < want*8/10-time.Second || pause > want*12/10 || r.Reason != "cannot connect to dead.test" || !r.Since.Equal(first.Since) {
				t.Errorf("rest %d: %v, want about %v; %+v", i+1, pause, want, r)
			}
			h.clock.forward(pause)
			h.Wake()
			h.failures("dead.test", i+2)
		}
		if n := h.triedAt("dead.test"); n > 5+6 {
			t.Errorf("%d attempts, want five at first and one after each of 6 rests", n)
		}
		close(back)
		eventually(t, func() bool {
			h.clock.forward(time.Minute)
			h.Wake()
			waiting, err := h.Waiting(t.Context())
			return err == nil && waiting["dead.test"] == 0
		}, func() any { return h.triedAt("dead.test") })
		if _, resting := h.rest("dead.test"); resting {
			t.Error("a destination that was reached rests")
		}
	})
}

func TestOneHangsAnotherIsDeadAndAThirdFlows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		before := goleak.IgnoreCurrent()
		h := newHouse(t, db)
		h.Workers = 8
		h.byDomain(map[string]func(context.Context) queue.Result{"dead.test": dead, "hangs.test": func(ctx context.Context) queue.Result {
			<-ctx.Done()
			return dead(ctx)
		}})
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		h.hangsUntil(ctx, "hangs.test")
		for range 20 {
			h.put(letter("a@hangs.test"))
			h.put(letter("a@dead.test"))
		}
		stop := h.run()
		eventually(t, func() bool { return h.triedAt("hangs.test") > 0 }, func() any { return len(h.tried()) })
		for range 20 {
			h.flows()
		}
		if n := h.triedAt("hangs.test"); n > 4 {
			t.Errorf("%d of 8 workers hang", n)
		}
		if n := h.triedAt("dead.test"); n > 5 {
			t.Errorf("%d attempts at the dead one", n)
		}
		cancel()
		stop()
		pool, err := db.DB()
		if err != nil {
			t.Fatal(err)
		}
		pool.SetMaxIdleConns(0) // their goroutines are the pool's
		goleak.VerifyNone(t, before)
	})
}

// hangsUntil makes the server of a domain silent until ctx ends.
func (h *house) hangsUntil(ctx context.Context, name string) {
	others := h.answer
	h.answer = func(delivering context.Context, r queue.Recipient) queue.Result {
		if domain(r.Address) == name {
			<-ctx.Done()
			return queue.Result{Outcome: queue.OutcomeUncertain, Code: "4.4.2"}
		}
		return others(delivering, r)
	}
}

// What is under way when a process dies is taken over; what rests goes on resting in the next process.
func TestARestartDoesNotStormADeadDestination(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		answers := map[string]func(context.Context) queue.Result{"dead.test": dead}
		h.byDomain(answers)
		for range 50 {
			h.put(letter("a@dead.test"))
		}
		stop := h.run()
		h.failures("dead.test", 1)
		stop()
		again := neighbour(t, db, h.clock, h.provider)
		again.byDomain(answers)
		again.run()
		again.flows()
		if n := again.triedAt("dead.test"); n != 0 {
			t.Errorf("%d attempts after the restart", n)
		}
		h.clock.forward(2 * time.Minute)
		again.Wake()
		again.failures("dead.test", 2)
		again.flows()
		if n := again.triedAt("dead.test"); n != 1 {
			t.Errorf("%d attempts after the rest, want one", n)
		}
	})
}

func TestARestThatNothingWaitsForIsForgotten(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.byDomain(map[string]func(context.Context) queue.Result{"dead.test": dead})
	h.run()
	id := h.put(letter("a@dead.test"))
	h.failures("dead.test", 1)
	h.waitFor(id, queue.Pending, 1)
	h.change(h.Delete, id)
	h.clock.forward(24 * time.Hour)
	h.flows()
	h.failures("dead.test", 1)
	h.clock.forward(time.Hour)
	h.failures("dead.test", 0)
}

func TestAPersonGetsAnAttemptAtADestinationThatRests(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.byDomain(map[string]func(context.Context) queue.Result{"dead.test": dead})
		h.run()
		id := h.put(letter("a@dead.test"))
		h.waitFor(id, queue.Pending, 1)
		h.failures("dead.test", 1)
		h.change(h.Retry, id)
		h.waitFor(id, queue.Pending, 2)
		h.flows()
		h.waitFor(id, queue.Pending, 2) // one attempt, not two
	})
}

func TestRecipientsWithDifferentDestinationsAreAttemptedApart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.byDomain(map[string]func(context.Context) queue.Result{"dead.test": dead})
		id := h.put(letter("a@good.test", "a@dead.test", "b@good.test", "a@other.test"))
		h.run()
		eventually(t, func() bool { return len(h.tried()) == 3 }, func() any { return h.tried() })
		var together [][]string
		for _, a := range h.tried() {
			together = append(together, a.recipients)
		}
		slices.SortFunc(together, slices.Compare)
		if want := [][]string{{"a@dead.test"}, {"a@good.test", "b@good.test"}, {"a@other.test"}}; !reflect.DeepEqual(together, want) {
			t.Errorf("attempts %v, want %v", together, want)
		}
		eventually(t, func() bool {
			var states []queue.State
			for _, r := range h.get(id).Recipients {
				states = append(states, r.State)
			}
			return reflect.DeepEqual(states, []queue.State{queue.Relayed, queue.Pending, queue.Relayed, queue.Relayed})
		}, func() any { return h.get(id).Recipients })
	})
}

// What a next hop says in the dialogue is about the message: the others are tried.
func TestWhatTheServerSaysOfOneMessageDoesNotStopTheOthers(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.byDomain(map[string]func(context.Context) queue.Result{"grey.test": func(context.Context) queue.Result {
		return queue.Result{Outcome: queue.OutcomeDeferred, Code: "4.7.1", Reply: "451 4.7.1 greylisted", Host: "mx.grey.test", TLS: "TLS 1.3"}
	}})
	h.run()
	for range 10 {
		h.waitFor(h.put(letter("a@grey.test")), queue.Pending, 1)
	}
	if r, resting := h.rest("grey.test"); resting {
		t.Errorf("it rests: %+v", r)
	}
}

func TestReroutingNamesTheDestinationAnew(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.Destination = func(_ context.Context, m queue.Message, _ string) string { return m.MailboxID + ":587" }
	id := h.put(letter("a@desk.test"))
	if err := h.Reroute(t.Context(), h.DB, id, "other"); err != nil {
		t.Fatal(err)
	}
	if r := h.get(id).Recipients[0]; r.Destination != "other:587" {
		t.Errorf("the destination is %s", r.Destination)
	}
}

// A destination may get another name while it rests: once its server is reached under the new one, nothing waits any more.
func TestARestEndsWhenTheMailboxSendsAnotherWay(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.byDomain(map[string]func(context.Context) queue.Result{"old.test": dead})
	h.run()
	id := h.put(letter("a@old.test"))
	h.failures("old.test", 1)
	other := h.put(letter("b@old.test"))
	h.byDomain(map[string]func(context.Context) queue.Result{"old.test": func(context.Context) queue.Result {
		return queue.Result{Outcome: queue.OutcomeRelayed, Destination: "new.test"}
	}})
	h.waitFor(id, queue.Pending, 1)
	h.change(h.Retry, id)
	h.waitFor(id, queue.Relayed, 2)
	h.waitFor(other, queue.Relayed, 1)
	if r, resting := h.rest("old.test"); resting {
		t.Errorf("it rests: %+v", r)
	}
}

// A result may name a destination that changed since the copy came.
func TestADestinationThatMovedIsKnownAfterTheAttempt(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.answer = func(context.Context, queue.Recipient) queue.Result {
		return queue.Result{Outcome: queue.OutcomeDeferred, Code: "4.2.0", Reply: "later", TLS: "in clear", Destination: "new.test:587"}
	}
	id := h.put(letter("a@desk.test"))
	h.run()
	if r := h.waitFor(id, queue.Pending, 1); r.Destination != "new.test:587" {
		t.Errorf("the destination is %s", r.Destination)
	}
}
