package gateway_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm/logger"
)

// statements writes down every statement that the database is given.
type statements struct {
	logger.Interface
	mu   sync.Mutex
	text []string
}

// Trace implements logger.Interface.
func (s *statements) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, _ := statement()
	s.text = append(s.text, text)
}

// watched runs act and returns the first words of what the database was asked.
func (h *house) watched(act func()) []string {
	before := h.DB.Logger
	seen := &statements{Interface: before}
	h.DB.Logger = seen
	defer func() { h.DB.Logger = before }()
	act()
	var verbs []string
	for _, text := range seen.text {
		if words := strings.Fields(text); len(words) >= 3 { // all but savepoints
			verbs = append(verbs, strings.Join(words[:3], " "))
		}
	}
	return verbs
}

// A mail program waits for the answer: looking for certificates adds not one statement to what sending asks anyway,
// whether the message is taken or refused.
func TestSendingWaitsForNoLookup(t *testing.T) {
	for name, option := range map[string]func(*groups.Group){"taken": encrypt(groups.Auto), "refused": encrypt(groups.Required)} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, option)
			h.customer("ann@customer.test")
			l := letter{to: []string{joe, "ann@customer.test"}}
			h.submit(l) // what is read once only
			without := h.watched(func() { h.submit(l) })
			h.discovering()
			with := h.watched(func() { h.submit(l) })
			if strings.Join(with, "\n") != strings.Join(without, "\n") {
				t.Errorf("with discovery:\n%s\nwithout:\n%s", strings.Join(with, "\n"), strings.Join(without, "\n"))
			}
			if len(h.queued()) != 0 {
				t.Error("a lookup was written down before the answer")
			}
			h.Discovery.Worker.TakeWanted(t.Context())
			if q := h.queued(); len(q) != 1 || !q[joe] {
				t.Errorf("the worker queued %v", q)
			}
		})
	}
}

// queued are the subjects of the lookups, and whether they wait.
func (h *house) queued() map[string]bool {
	h.t.Helper()
	status, err := h.DiscoveryStatus(h.ctx(), h.admin)
	if err != nil {
		h.t.Fatal(err)
	}
	waiting := map[string]bool{}
	for _, l := range status.Lookups {
		waiting[l.Subject] = l.Waiting
	}
	return waiting
}

func TestWhichAddressesAreLookedFor(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	h.customer("ann@customer.test")
	h.customerExpired("old@customer.test")
	h.customerRevoked("gone@customer.test")
	h.customerBlocked("evil@customer.test")
	proposed := withField(autocrypt(t, "new@customer.test", newKey(t, "new@customer.test", 0)))
	h.receives(arrival(h.box, 1, bytes.Replace(proposed, []byte("From: "+joe), []byte("From: new@customer.test"), 1)))
	h.newGroup("Sales", "sales@desk.test")
	err := h.QueueLookups(t.Context(), h.group.ID, []string{
		"Joe@Customer.TEST", "ann@customer.test", "old@customer.test", "gone@customer.test", "evil@customer.test",
		"new@customer.test", support, "sales@desk.test", "no address",
	})
	if err != nil {
		t.Fatal(err)
	}
	if q := h.queued(); len(q) != 5 || !q[joe] || !q["old@customer.test"] || !q["gone@customer.test"] || !q["evil@customer.test"] || !q["new@customer.test"] {
		t.Errorf("queued: %v", q)
	}
}

func TestTheSenderOfAMessageIsLookedFor(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test")))
	if q := h.queued(); len(q) != 1 || !q["carl@customer.test"] {
		t.Errorf("queued: %v", q)
	}
}

// Without a running worker nothing is kept, and nothing fails.
func TestSendingNeedsNoWorker(t *testing.T) {
	h := newHouse(t)
	h.Discovery = &gateway.Discovery{}
	h.sent(letter{to: []string{joe}})
}
