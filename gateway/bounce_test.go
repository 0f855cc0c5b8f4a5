package gateway_test

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// nextHop takes mail for some addresses and refuses the rest for good.
type nextHop struct {
	mu      sync.Mutex
	refuses string // the address that it does not know
	taken   []sealedCopy
}

func (n *nextHop) deliver(_ context.Context, m queue.Message, recipients []queue.Recipient, o pgpmime.Outgoing) []queue.Result {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.Recipients = recipients
	n.taken = append(n.taken, sealedCopy{Message: m, payload: string(o.Bytes())})
	var results []queue.Result
	for _, r := range recipients {
		result := queue.Result{RecipientID: r.ID, Outcome: queue.OutcomeRelayed, Code: "2.0.0", Reply: "250 taken"}
		if r.Address == n.refuses {
			result = queue.Result{RecipientID: r.ID, Outcome: queue.OutcomeFailed, Code: "5.1.1", Reply: "550 no such user\r\nhere: \xe4"}
		}
		results = append(results, result)
	}
	return results
}

// relay runs the queue against a next hop that refuses one address, until nothing can be done any more.
func (h *house) relay(refuses string) []sealedCopy {
	h.t.Helper()
	hop := &nextHop{refuses: refuses}
	h.Queue.Deliver = hop.deliver
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.ctx()))
	ended := make(chan error, 1)
	go func() { ended <- h.Queue.Run(ctx) }()
	settled := func() bool {
		list, err := h.Queue.List(h.ctx(), queue.Filter{Limit: 500})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, m := range list {
			for _, r := range m.Recipients {
				if r.Attempts == 0 || r.State == queue.Sending {
					return false
				}
			}
		}
		return true
	}
	// Asked twice: the first list may be from just before a notification was queued.
	h.waitUntil("every copy was tried", func() bool {
		before := settled()
		return before && settled()
	})
	cancel()
	if err := <-ended; err != nil {
		h.t.Error(err)
	}
	for i := range hop.taken {
		hop.taken[i].h = h
	}
	return hop.taken
}

func (h *house) waitUntil(what string, holds func() bool) {
	h.t.Helper()
	deadline, tick := time.NewTimer(20*time.Second), time.NewTicker(2*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			h.t.Fatal("waited in vain until " + what)
		}
	}
}

// notifications are the DSNs among what left.
func notifications(left []sealedCopy) []sealedCopy {
	var all []sealedCopy
	for _, c := range left {
		if strings.Contains(c.header(), "Undelivered message") {
			all = append(all, c)
		}
	}
	return all
}

func TestTheSenderIsToldOnceWhatFailedAndWhy(t *testing.T) {
	h := newHouse(t, encrypt(groups.On))
	h.customer("gone@customer.test")
	h.customer("carl@customer.test")
	h.sent(letter{to: []string{"carl@customer.test", "gone@customer.test"}})
	told := notifications(h.relay("gone@customer.test"))
	if len(told) != 1 {
		t.Fatalf("%d notifications, want 1", len(told))
	}
	dsn := told[0]
	if dsn.ReversePath != "" || dsn.addresses()[0] != support || dsn.Protection != pgpmime.Encrypted {
		t.Errorf("a %s notification from %q to %v, want it encrypted, from the null reverse-path, to the sender", dsn.Protection, dsn.ReversePath, dsn.addresses())
	}
	key, err := h.Keyring.Secret(t.Context(), h.own.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	parts := reportParts(t, dsn.openedBy(key).Message)
	status, original := parts["message/delivery-status"], parts["text/rfc822-headers"]
	for _, want := range []string{"Final-Recipient: rfc822; gone@customer.test", "Action: failed", "Status: 5.1.1", "550 no such user here: ?"} {
		if !strings.Contains(status, want) {
			t.Errorf("the status has no %q:\n%s", want, status)
		}
	}
	if strings.Contains(status, "carl@customer.test") {
		t.Error("the notification says that carl's copy failed")
	}
	if !strings.Contains(original, "Message-ID: <ticket-1@desk.test>") || strings.Contains(original, "BEGIN PGP") {
		t.Errorf("the original is told as\n%s", original)
	}
	if e := h.entries("message.failed"); len(e) != 1 || e[0].Outcome != activity.Failed || e[0].Detail["notification"] != "queued" {
		t.Errorf("the log holds %+v", e)
	}
}

// reportParts takes a multipart/report apart, by type of part.
func reportParts(t *testing.T, message []byte) map[string]string {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(string(message)))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("%s %v (%v), want a multipart/report of delivery-status", kind, params, err)
	}
	parts := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";")
		parts[kind] = string(content)
	}
}

func TestANotificationHoldsNothingOfTheBody(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), sign(groups.Off))
	if err := h.DeleteCertificate(t.Context(), h.admin, h.own.Fingerprint); err != nil {
		t.Fatal(err)
	}
	h.sent(letter{to: []string{"gone@customer.test"}})
	told := notifications(h.relay("gone@customer.test"))
	if len(told) != 1 || told[0].Protection != pgpmime.Clear {
		t.Fatalf("%d notifications, want one in clear to a sender without a certificate", len(told))
	}
	if strings.Contains(told[0].payload, canary) {
		t.Errorf("the notification holds the body:\n%s", told[0].payload)
	}
	reportParts(t, []byte(told[0].payload))
}

func TestNoNotificationWhereNoneIsWanted(t *testing.T) {
	gone := []string{"gone@customer.test"}
	for name, l := range map[string]letter{
		"NOTIFY=NEVER":               {to: gone, notify: "NEVER"},
		"NOTIFY=SUCCESS":             {to: gone, notify: "SUCCESS"},
		"null reverse-path":          {to: gone, reversePath: nobody},
		"Auto-Submitted":             {to: gone, fields: []string{"Auto-Submitted: auto-replied"}},
		"Precedence: bulk":           {to: gone, fields: []string{"Precedence: bulk"}},
		"null reverse-path and auto": {to: gone, reversePath: nobody, fields: []string{"Auto-Submitted: auto-replied"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.sent(l)
			if left := h.relay("gone@customer.test"); len(left) != 1 {
				t.Errorf("%d copies left, want the message only", len(left))
			}
			if e := h.entries("message.failed"); len(e) != 1 || e[0].Detail["notification"] != "not sent" {
				t.Errorf("the log holds %+v", e)
			}
		})
	}
}

func TestANotificationThatFailsIsNotAnsweredWithAnother(t *testing.T) {
	h := newHouse(t)
	h.sent(letter{to: []string{support}})
	if left := h.relay(support); len(left) != 2 || len(notifications(left)) != 1 {
		t.Errorf("%d copies left, want the message and one notification", len(left))
	}
}

func TestARecipientStaysInTheQueueWhileItsSenderCannotBeTold(t *testing.T) {
	h := newHouse(t)
	h.sent(letter{to: []string{"gone@customer.test"}})
	h.Queue.Tell = func(ctx context.Context, tx *gorm.DB, m queue.Message, notices []queue.Notice) (bool, error) {
		if sent, err := h.TellSender(ctx, tx, m, notices); err != nil {
			return sent, err
		}
		return false, errors.New("the disk is full")
	}
	h.relay("gone@customer.test")
	c := h.copyFor("gone@customer.test")
	if r := c.Recipients[0]; r.State.Finished() || c.payload == "" {
		t.Errorf("the recipient is %s", r.State)
	}
	if len(h.copies()) != 1 || len(h.entries("message.failed")) != 0 {
		t.Error("what the failing Bounce wrote stays")
	}
}

// told queues what the sender of the only copy is told of its first recipient, if anything is.
func (h *house) told(action queue.Action, result queue.Result) (sent bool) {
	h.t.Helper()
	m := h.copies()[0].Message
	n := queue.Notice{Action: action, Recipient: m.Recipients[0], Result: result, Until: h.Now().Add(5 * 24 * time.Hour)}
	err := h.DB.Transaction(func(tx *gorm.DB) (err error) {
		sent, err = h.TellSender(h.ctx(), tx, m, []queue.Notice{n})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return sent
}

// Delays and relays pass the same door as failures: encrypted for who can read it, from the null reverse-path, in the log
// and in the copy's timeline.
func TestTheSenderIsToldOfADelayAndOfARelay(t *testing.T) {
	for action, want := range map[queue.Action][]string{
		queue.ActionDelayed: {"Delayed message", "Action: delayed", "Status: 4.4.1", "Will-Retry-Until: "},
		queue.ActionRelayed: {"Relayed message", "Action: relayed", "Status: 2.0.0"},
	} {
		t.Run(string(action), func(t *testing.T) {
			h := newHouse(t, encrypt(groups.On))
			h.customer("carl@customer.test")
			h.sent(letter{to: []string{"carl@customer.test"}, notify: "SUCCESS,DELAY"})
			if !h.told(action, queue.Result{Code: "4.4.1", Reply: "cannot connect"}) {
				t.Error("nothing was sent")
			}
			dsn := h.copyFor(support)
			if dsn.ReversePath != "" || dsn.Protection != pgpmime.Encrypted || dsn.Recipients[0].Notify != "NEVER" {
				t.Errorf("a %s notification from %q with NOTIFY=%s", dsn.Protection, dsn.ReversePath, dsn.Recipients[0].Notify)
			}
			key, err := h.Keyring.Secret(t.Context(), h.own.Fingerprint)
			if err != nil {
				t.Fatal(err)
			}
			message := string(dsn.openedBy(key).Message)
			for _, words := range want {
				if !strings.Contains(message, words) {
					t.Errorf("the notification has no %q:\n%s", words, message)
				}
			}
			if e := h.entries("message.told"); len(e) != 1 || e[0].Outcome != activity.Done || e[0].Detail["notification"] != string(action) {
				t.Errorf("the log holds %+v", e)
			}
			c, err := h.QueuedCopy(t.Context(), h.admin, h.copyFor("carl@customer.test").ID)
			if err != nil {
				t.Fatal(err)
			}
			last := c.Timeline[len(c.Timeline)-1]
			if last.What != "told" || !strings.Contains(last.Words, "notification: "+string(action)) || !strings.Contains(last.Words, "cannot connect") {
				t.Errorf("the timeline ends with %+v", last)
			}
		})
	}
}

func TestNobodyIsToldOfADelayOfAutomaticMail(t *testing.T) {
	h := newHouse(t)
	h.sent(letter{to: []string{"carl@customer.test"}, fields: []string{"Auto-Submitted: auto-generated"}})
	if h.told(queue.ActionDelayed, queue.Result{Code: "4.4.1", Reply: "cannot connect"}) {
		t.Error("something was sent")
	}
	if n, e := len(h.copies()), h.entries("message.told"); n != 1 || len(e) != 0 {
		t.Errorf("%d copies in the queue, and the log holds %+v", n, e)
	}
}
