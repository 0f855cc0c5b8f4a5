package queue_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/seal"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestWhatNotifyAsksFor(t *testing.T) {
	for notify, want := range map[string]string{
		"":                      "FAILURE DELAY ",
		"NEVER":                 "",
		"SUCCESS":               "SUCCESS ",
		"FAILURE":               "FAILURE ",
		"success,delay":         "SUCCESS DELAY ",
		"SUCCESS,FAILURE,DELAY": "SUCCESS FAILURE DELAY ",
	} {
		got := ""
		for _, event := range []string{"SUCCESS", "FAILURE", "DELAY"} {
			if queue.Wants(notify, event) {
				got += event + " "
			}
		}
		if got != want {
			t.Errorf("NOTIFY=%s wants %q, want %q", notify, got, want)
		}
	}
}

// actions are what was told so far, one line a notification.
func (h *house) actions() []string {
	var all []string
	for _, notices := range h.told() {
		line := ""
		for _, n := range notices {
			line += fmt.Sprintf("%s %s ", n.Action, n.Recipient.Address)
		}
		all = append(all, line)
	}
	return all
}

func (h *house) tells(want ...string) {
	h.t.Helper()
	eventually(h.t, func() bool { return len(h.actions()) >= len(want) }, func() any { return h.actions() })
	if got := h.actions(); !reflect.DeepEqual(got, want) {
		h.t.Errorf("told %q, want %q", got, want)
	}
}

func TestADelayIsToldOnceToWhoWantsToKnow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.answers(queue.OutcomeDeferred, "4.2.0", "later")
		m := letter("a@desk.test", "never@desk.test", "failure@desk.test", "delay@desk.test")
		m.Recipients[1].Notify, m.Recipients[2].Notify, m.Recipients[3].Notify = "NEVER", "FAILURE", "SUCCESS,DELAY"
		id := h.put(m)
		silent := letter("b@desk.test")
		silent.ReversePath = ""
		h.put(silent)
		h.run()
		h.waitFor(id, queue.Pending, 1)
		h.clock.forward(4*time.Hour - time.Minute)
		h.Wake()
		r := h.waitFor(id, queue.Pending, 2)
		if d := r.NextAttempt.Sub(h.clock.Now()); d != time.Minute {
			t.Errorf("the next attempt is in %v, want it when the notice is due", d)
		}
		if told := h.actions(); len(told) > 0 {
			t.Errorf("told early: %q", told)
		}
		h.clock.forward(time.Minute)
		h.Wake()
		h.tells("delayed a@desk.test delayed delay@desk.test ")
		if n := h.told()[0][0]; !n.Until.Equal(h.get(id).CreatedAt.Add(5*days)) || n.Result.Code != "4.2.0" {
			t.Errorf("the notice is %+v", n)
		}
		h.waitFor(id, queue.Pending, 3)
		for i := range 5 {
			h.clock.forward(6 * time.Hour)
			h.Wake()
			h.waitFor(id, queue.Pending, 4+i)
		}
		h.tells("delayed a@desk.test delayed delay@desk.test ")
		if r := h.get(id).Recipients[0]; r.DelayTold.IsZero() {
			t.Error("the recipient does not know that its sender was told")
		}
	})
}

// Automatic mail is late in silence: its sender is not told, and nobody asks for it again and again.
func TestADelayThatNobodyWantsToKnowOfIsSettledOnce(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.answers(queue.OutcomeDeferred, "4.2.0", "later")
	h.tell = func(*gorm.DB) error { return nil }
	id := h.put(letter("a@desk.test"))
	h.run()
	h.waitFor(id, queue.Pending, 1)
	for i := range 3 {
		h.clock.forward(5 * time.Hour)
		h.Wake()
		h.waitFor(id, queue.Pending, 2+i)
	}
	h.tells("delayed a@desk.test ")
	if r := h.get(id).Recipients[0]; !r.DelayTold.IsZero() {
		t.Errorf("the sender was told at %v", r.DelayTold)
	}
}

// Messages to a destination that rests are told of and given up by the clock, though no attempt is made for them.
func TestLateMailIsToldOfAndGivenUpWithoutAnAttempt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.byDomain(map[string]func(context.Context) queue.Result{"dead.test": dead})
		for range 20 {
			h.put(letter("first@dead.test"))
		}
		h.run()
		h.failures("dead.test", 1)
		for failures := 2; failures <= 8; failures++ { // until the rest is long
			r, _ := h.rest("dead.test")
			h.clock.forward(r.Until.Sub(h.clock.Now()))
			h.Wake()
			h.failures("dead.test", failures)
		}
		waits := letter("a@dead.test")
		waits.Retry = queue.Schedule{Lifetime: 15 * time.Minute, WarnAfter: 2 * time.Minute}
		id := h.put(waits)
		h.clock.forward(8 * time.Minute)
		h.Wake()
		h.tells("delayed a@dead.test ")
		if n := h.told()[0][0]; n.Result.Reply != "cannot connect to dead.test" {
			t.Errorf("the reason is %+v", n.Result)
		}
		h.clock.forward(13 * time.Minute)
		h.Wake()
		h.tells("delayed a@dead.test ", "failed a@dead.test ")
		if r := h.waitFor(id, queue.Failed, 0); r.LastReply != "given up after 15 minutes; the last answer was: cannot connect to dead.test" {
			t.Errorf("the last reply is %q", r.LastReply)
		}
		if r, _ := h.rest("dead.test"); r.Failures != 8 {
			t.Errorf("an attempt was made: %+v", r)
		}
		h.gone(id)
	})
}

// gone waits until the payload of a message is shredded.
func (h *house) gone(id string) {
	h.t.Helper()
	var err error
	eventually(h.t, func() bool {
		_, err = h.Keeper.Open(h.t.Context(), h.DB, kms.Ref{Kind: kms.Queue, ID: id, Version: 1})
		return errors.Is(err, seal.ErrGone)
	}, func() any { return err })
}

func TestARelayIsToldWhereTheNextServerConfirmsNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.answer = func(_ context.Context, r queue.Recipient) queue.Result {
			return queue.Result{Outcome: queue.OutcomeRelayed, Code: "2.0.0", Reply: "taken", TLS: "TLS 1.3", DSN: domain(r.Address) == "dsn.test"}
		}
		m := letter("a@desk.test", "b@desk.test", "c@dsn.test")
		m.Recipients[0].Notify, m.Recipients[2].Notify = "SUCCESS,FAILURE", "SUCCESS"
		h.run()
		id := h.put(m)
		h.tells("relayed a@desk.test ")
		h.waitFor(id, queue.Relayed, 1)
		h.gone(id)
		if r := h.get(id).Recipients; r[0].RelayTold.IsZero() || !r[1].RelayTold.IsZero() {
			t.Errorf("told: %+v", r)
		}
	})
}

// A notice that cannot be queued is not lost, is told once in the end, and the message is not sent again for it.
func TestNoticesThatCannotBeQueuedAreToldLater(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.tell = func(tx *gorm.DB) error {
			if _, err := h.Put(t.Context(), tx, letter("support@desk.test"), outgoing(t)); err != nil {
				return err
			}
			return errors.New("the disk is full")
		}
		m := letter("a@desk.test")
		m.Recipients[0].Notify = "SUCCESS"
		h.run()
		id := h.put(m)
		h.waitFor(id, queue.Relayed, 1)
		h.tells("relayed a@desk.test ")
		if r := h.get(id).Recipients[0]; !r.RelayTold.IsZero() {
			t.Errorf("told, though it could not be: %+v", r)
		}
		if _, err := h.Keeper.Open(t.Context(), db, kms.Ref{Kind: kms.Queue, ID: id, Version: 1}); err != nil {
			t.Errorf("the payload is gone before the sender was told: %v", err)
		}
		h.mu.Lock()
		h.tell = nil
		h.mu.Unlock()
		h.clock.forward(2 * time.Minute)
		h.Wake()
		h.gone(id)
		h.tells("relayed a@desk.test ", "relayed a@desk.test ")
		if all, err := h.List(t.Context(), queue.Filter{}); err != nil || len(all) != 1 || len(h.tried()) != 1 {
			t.Errorf("%d messages (%v), %d attempts", len(all), err, len(h.tried()))
		}
		if r := h.get(id).Recipients[0]; r.RelayTold.IsZero() {
			t.Errorf("not marked as told: %+v", r)
		}
	})
}

// The payload stays as long as somebody must be told of one recipient, though another finished the copy since.
func TestAPayloadStaysUntilEverybodyIsTold(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	ready := make(chan struct{})
	h.byDomain(map[string]func(context.Context) queue.Result{"late.test": func(context.Context) queue.Result {
		<-ready
		return queue.Result{Outcome: queue.OutcomeRelayed}
	}})
	h.tell = func(*gorm.DB) error { return errors.New("the disk is full") }
	m := letter("a@desk.test", "b@late.test")
	m.Recipients[0].Notify = "SUCCESS"
	h.run()
	id := h.put(m)
	h.tells("relayed a@desk.test ")
	close(ready)
	eventually(t, func() bool { return h.get(id).Recipients[1].State == queue.Relayed }, func() any { return h.get(id) })
	if _, err := h.Keeper.Open(t.Context(), h.DB, kms.Ref{Kind: kms.Queue, ID: id, Version: 1}); err != nil {
		t.Errorf("the payload is gone before the sender was told: %v", err)
	}
	h.mu.Lock()
	h.tell = nil
	h.mu.Unlock()
	h.clock.forward(2 * time.Minute)
	h.gone(id)
}
