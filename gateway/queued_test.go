package gateway_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/queue"
	"gorm.io/gorm"
)

// TestTheTimelineOfACopy: accepted, decided, protected, each attempt with the remote's words, and what people did.
func TestTheTimelineOfACopy(t *testing.T) {
	h := newHouse(t)
	carl := h.customer("carl@customer.test")
	second := h.newMailbox(h.group, "second")
	elsewhere := h.newMailbox(h.newGroup("Sales", "sales@desk.test"), "sales")
	h.sent(letter{to: []string{"carl@customer.test"}})
	m := h.copies()[0].Message
	result := queue.Result{RecipientID: m.Recipients[0].ID, Outcome: queue.OutcomeDeferred, Code: "4.2.2", Reply: "mailbox is full"}
	err := h.DB.Transaction(func(tx *gorm.DB) error {
		return h.ReportDelivery(t.Context(), tx, m, m.Recipients, []queue.Result{result})
	})
	if err == nil {
		err = h.HoldQueued(t.Context(), h.admin, m.ID)
	}
	if err == nil {
		err = h.RerouteQueued(t.Context(), h.admin, m.ID, second.Login)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.QueuedCopy(t.Context(), h.agent, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range c.Timeline {
		lines = append(lines, e.What+": "+e.Words)
	}
	want := []string{
		"accepted: ", "decided: encryption: every recipient has a usable certificate", "protected: protection: signed+encrypted; carl@customer.test: encrypted to " + fingerprint(carl),
		"attempt: carl@customer.test: deferred: 4.2.2 mailbox is full", "held: by user:ada", "rerouted: by user:ada; mailbox: second",
	}
	if len(lines) != len(want) {
		t.Fatalf("the timeline is\n%s", strings.Join(lines, "\n"))
	}
	for i, w := range want {
		if !strings.HasPrefix(lines[i], w) {
			t.Errorf("%q, want %q", lines[i], w)
		}
	}
	if c.Mailbox != "second" || c.Recipients[0].State != queue.Pending || len(c.Others) != 0 {
		t.Errorf("rerouted: %+v", c)
	}

	var problem *gateway.Problem
	if err := h.RerouteQueued(t.Context(), h.admin, m.ID, elsewhere.Login); !errors.As(err, &problem) {
		t.Errorf("to the mailbox of another group: %v", err)
	}
	if _, err := h.QueuedCopy(t.Context(), h.stranger, m.ID); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("a stranger: %v", err)
	}
}
