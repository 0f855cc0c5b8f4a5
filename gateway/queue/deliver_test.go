package queue_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/seal"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestACopyIsDeliveredToAllItsRecipientsAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		id := h.put(letter("a@desk.test", "b@desk.test"))
		stop := h.run()
		r := h.waitFor(id, queue.Relayed, 1)
		stop()
		tried := h.tried()
		if len(tried) != 1 || !reflect.DeepEqual(tried[0].recipients, []string{"a@desk.test", "b@desk.test"}) {
			t.Fatalf("attempts: %+v", tried)
		}
		if tried[0].content != string(outgoing(t).Bytes()) || tried[0].message.ID != id {
			t.Errorf("delivered: %+v", tried[0])
		}
		if r.LastReply != "taken" || !r.Finished.Equal(h.clock.Now()) {
			t.Errorf("recipient: %+v", r)
		}
		if len(h.reported()) != 2 || len(h.told()) != 0 {
			t.Errorf("reports %+v, notices %+v", h.reported(), h.told())
		}
		_, err := h.Keeper.Open(t.Context(), db, kms.Ref{Kind: kms.Queue, ID: id, Version: 1})
		if !errors.Is(err, seal.ErrGone) {
			t.Errorf("the payload of a finished message: %v", err)
		}
	})
}

func TestDeferralsFollowTheScheduleUntilItIsGivenUp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.answers(queue.OutcomeDeferred, "4.2.0", "later")
		unwarned := letter("a@desk.test")
		unwarned.Retry.WarnAfter = 5 * days
		id := h.put(unwarned)
		h.run()
		waits := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 4 * time.Hour}
		for i, wait := range waits {
			r := h.waitFor(id, queue.Pending, i+1)
			d := r.NextAttempt.Sub(h.clock.Now())
			if d < wait*8/10-time.Second || d > wait*12/10+time.Second {
				t.Errorf("attempt %d: next in %v, want about %v", i+1, d, wait)
			}
			h.clock.forward(d)
			h.Wake()
		}
		h.waitFor(id, queue.Pending, len(waits)+1)
		h.clock.forward(5 * days)
		h.Wake()
		r := h.waitFor(id, queue.Failed, len(waits)+2)
		if !strings.Contains(r.LastReply, "given up after 5 days") || !strings.Contains(r.LastReply, "later") {
			t.Errorf("last reply %q", r.LastReply)
		}
		if told := h.told(); len(told) != 1 || len(told[0]) != 1 || told[0][0].Recipient.State != queue.Failed {
			t.Errorf("notices: %+v", told)
		}
	})
}

func TestEachRecipientHasItsOwnFate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.answer = func(_ context.Context, r queue.Recipient) queue.Result {
			switch {
			case r.Address == "gone@desk.test":
				return queue.Result{Outcome: queue.OutcomeFailed, Code: "5.1.1", Reply: "no such user\x00"}
			case r.Address == "later@desk.test" && r.Attempts == 1:
				return queue.Result{Outcome: queue.OutcomeDeferred, Code: "4.2.0", Reply: "later"}
			}
			return queue.Result{Outcome: queue.OutcomeRelayed}
		}
		id := h.put(letter("gone@desk.test", "later@desk.test", "good@desk.test"))
		h.run()
		h.waitFor(id, queue.Failed, 1)
		var states []queue.State
		for _, r := range h.get(id).Recipients {
			states = append(states, r.State)
		}
		if !reflect.DeepEqual(states, []queue.State{queue.Failed, queue.Pending, queue.Relayed}) {
			t.Errorf("states %v", states)
		}
		if told := h.told(); len(told) != 1 || len(told[0]) != 1 || told[0][0].Recipient.LastReply != "no such user " {
			t.Errorf("notices: %+v", told)
		}
		h.clock.forward(2 * time.Minute)
		h.Wake()
		eventually(t, func() bool { return h.get(id).Recipients[1].State == queue.Relayed }, func() any { return h.get(id) })
		if tried := h.tried(); len(tried) != 2 || !reflect.DeepEqual(tried[1].recipients, []string{"later@desk.test"}) {
			t.Errorf("attempts: %+v", tried)
		}
	})
}

func TestAFailureWhoseSenderCannotBeToldStaysInTheQueue(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.answer = func(_ context.Context, r queue.Recipient) queue.Result {
			if r.Address == "gone@desk.test" {
				return queue.Result{Outcome: queue.OutcomeFailed, Code: "5.1.1", Reply: "no such user"}
			}
			return queue.Result{Outcome: queue.OutcomeRelayed}
		}
		var trouble error = errors.New("no key")
		h.tell = func(tx *gorm.DB) error {
			if _, err := h.Put(t.Context(), tx, letter("support@desk.test"), outgoing(t)); err != nil {
				return err
			}
			return trouble
		}
		id := h.put(letter("gone@desk.test"))
		h.run()
		r := h.waitFor(id, queue.Pending, 1)
		if !strings.Contains(r.LastReply, "no such user") || !r.Finished.IsZero() || !r.NextAttempt.After(h.clock.Now()) {
			t.Errorf("recipient: %+v", r)
		}
		if all, err := h.List(t.Context(), queue.Filter{}); err != nil || len(all) != 1 {
			t.Errorf("what a failed Bounce wrote is still there: %+v, %v", all, err)
		}
		h.mu.Lock()
		trouble = nil
		h.mu.Unlock()
		h.clock.forward(2 * time.Minute)
		h.Wake()
		h.waitFor(id, queue.Failed, 2)
		eventually(t, func() bool { return len(h.tried()) == 3 }, func() any { return h.tried() })
		if last := h.tried()[2]; last.recipients[0] != "support@desk.test" {
			t.Errorf("the notification went to %v", last.recipients)
		}
	})
}

func TestAnUncertainDeliveryIsTriedAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.run()
		for _, answer := range []queue.Outcome{queue.OutcomeUncertain, "an outcome nobody knows"} {
			h.answers(answer, "", "")
			id := h.put(letter("a@desk.test"))
			h.waitFor(id, queue.Uncertain, 1)
			h.answers(queue.OutcomeRelayed, "2.0.0", "taken")
			h.clock.forward(2 * time.Minute)
			h.Wake()
			h.waitFor(id, queue.Relayed, 2)
		}
	})
}

func TestAnAttemptIsReportedOnceEvenIfTheLogFails(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		failures := 2
		h.report = func() error {
			if failures--; failures >= 0 {
				return errors.New("the log is full")
			}
			return nil
		}
		id := h.put(letter("a@desk.test"))
		h.run()
		h.waitFor(id, queue.Relayed, 1)
		if len(h.tried()) != 1 || len(h.reported()) != 1 {
			t.Errorf("attempts %d, reports %d", len(h.tried()), len(h.reported()))
		}
	})
}

func TestAHangingNextHopLeavesRoomForOthers(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.Workers = 4
	release := make(chan struct{})
	h.answer = func(_ context.Context, r queue.Recipient) queue.Result {
		if r.Address == "a@slow.test" {
			<-release
		}
		return queue.Result{Outcome: queue.OutcomeRelayed}
	}
	slow := letter("a@slow.test")
	slow.MailboxID = "slow"
	for range 5 {
		h.put(slow)
	}
	h.run()
	eventually(t, func() bool { return len(h.tried()) == 2 }, func() any { return h.tried() })
	quick := h.put(letter("a@desk.test"))
	h.waitFor(quick, queue.Relayed, 1)
	if n := len(h.tried()); n != 3 {
		t.Errorf("%d of 4 workers were given to one mailbox", n-1)
	}
	close(release)
	eventually(t, func() bool {
		n, _, err := h.Depth(t.Context())
		return err == nil && n == 0
	}, func() any { return h.tried() })
}
