package gateway_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// Whatever breaks between the decision and the commit: nothing is queued, and the client keeps the message.
func TestWhatBreaksInTheMiddleQueuesNothing(t *testing.T) {
	for name, damage := range map[string]func(h *house){
		"the signing key cannot be opened": func(h *house) { h.Keyring = keyring.NewStore(h.DB, h.closedKeeper()) },
		"nothing can be sealed":            func(h *house) { h.Keeper = h.closedKeeper() },
		"there is no randomness":           func(h *house) { h.Random = strings.NewReader("") },
		"the log cannot be written":        func(h *house) { h.exec("ALTER TABLE activity RENAME TO elsewhere") },
		"the queue cannot be written":      func(h *house) { h.exec("ALTER TABLE queue_recipients RENAME TO elsewhere") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, encrypt(groups.On))
			h.customer("carl@customer.test")
			damage(h)
			_, err := h.submit(letter{to: []string{"carl@customer.test"}})
			var refusal *submission.Refusal
			if err == nil || errors.As(err, &refusal) && !refusal.Temporary() {
				t.Errorf("Submit: %v, want an error that the client tries again after", err)
			}
			for _, table := range []string{"queue_messages", "articles"} {
				var n int64
				if err := h.DB.Table(table).Count(&n).Error; err != nil || n != 0 {
					t.Errorf("%d rows in %s (%v)", n, table, err)
				}
			}
		})
	}
}

func (h *house) exec(sql string) {
	h.t.Helper()
	if err := h.DB.Exec(sql).Error; err != nil {
		h.t.Fatal(err)
	}
}

func TestThePageSendsThroughTheSameDoor(t *testing.T) {
	h := newHouse(t, encrypt(groups.On))
	carl, hidden := h.customer("carl@customer.test"), h.customer("hidden@customer.test")
	h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test", h.own.Entity)))
	question := h.articles()[0].ID
	draft := gateway.Draft{
		GroupID: h.group.ID, To: []string{"carl@customer.test"}, Bcc: []string{"hidden@customer.test"},
		Subject: "Re: " + secret, Text: canary, ReplyTo: question,
	}
	id, err := h.Compose(t.Context(), h.agent, draft)
	if err != nil {
		t.Fatal(err)
	}
	visible, alone := h.copyFor("carl@customer.test"), h.copyFor("hidden@customer.test")
	if visible.ArticleID != id || strings.Contains(visible.payload+alone.payload, canary) || !strings.Contains(visible.header(), "In-Reply-To: <1@customer.test>") {
		t.Errorf("the page's copy left as\n%s", visible.header())
	}
	for _, opened := range []pgpmime.Opened{visible.openedBy(carl), alone.openedBy(hidden)} {
		if !strings.Contains(string(opened.Message), canary) || opened.Verdict.Signature != pgpmime.Good {
			t.Errorf("its reader sees %+v", opened.Verdict)
		}
	}
	draft.To = append(draft.To, "nobody@customer.test")
	var refusal *submission.Refusal
	if _, err := h.Compose(t.Context(), h.agent, draft); !errors.As(err, &refusal) || !strings.Contains(refusal.Sentence, "nobody@customer.test") {
		t.Errorf("to one without a certificate: %v", err)
	}
	if n := len(h.copies()); n != 2 {
		t.Errorf("%d copies, want none of the refused one", n)
	}
	if _, err := h.Compose(t.Context(), h.stranger, draft); !errors.Is(err, gateway.ErrForbidden) {
		t.Errorf("an agent of another group: %v", err)
	}
}
