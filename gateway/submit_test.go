package gateway_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
)

func TestVisibleRecipientsShareACopyAndEachHiddenOneGetsItsOwn(t *testing.T) {
	h := newHouse(t, encrypt(groups.On))
	to, cc := h.customer("to@customer.test"), h.customer("cc@customer.test")
	bcc, boss := h.customer("bcc@customer.test"), h.customer("boss@desk.test")
	id := h.sent(letter{to: []string{"to@customer.test"}, cc: []string{"cc@customer.test"}, bcc: []string{"bcc@customer.test", "boss@desk.test"}})

	if n := len(h.copies()); n != 3 {
		t.Fatalf("%d copies, want 3", n)
	}
	visible := h.copyFor("to@customer.test")
	want := []string{encryptionKeyID(to), encryptionKeyID(cc), h.ownKeyID()}
	slices.Sort(want)
	if got := visible.keyIDs(); !slices.Equal(got, want) {
		t.Errorf("the visible copy is encrypted to %v, want To, Cc and the group: %v", got, want)
	}
	if got := visible.addresses(); len(got) != 2 || visible.ArticleID != id {
		t.Errorf("the visible copy of article %s goes to %v", visible.ArticleID, got)
	}
	for address, key := range map[string]string{"bcc@customer.test": encryptionKeyID(bcc), "boss@desk.test": encryptionKeyID(boss)} {
		hidden := h.copyFor(address)
		if got := hidden.keyIDs(); !slices.Equal(got, []string{key}) || len(hidden.Recipients) != 1 {
			t.Errorf("the copy for %s is encrypted to %v, want %s only", address, got, key)
		}
	}
	for _, c := range h.copies() {
		if strings.Contains(c.payload, "bcc@customer.test") || strings.Contains(c.payload, "boss@desk.test") {
			t.Error("a copy tells of a hidden recipient")
		}
	}
	if opened := visible.openedBy(cc); !strings.Contains(string(opened.Message), canary) || opened.Verdict.Signature != pgpmime.Good {
		t.Errorf("Cc reads %+v", opened.Verdict)
	}
	if opened := h.copyFor("bcc@customer.test").openedBy(bcc); !strings.Contains(string(opened.Message), canary) {
		t.Errorf("Bcc reads %+v", opened.Verdict)
	}
}

func TestARecipientNamedTwiceGetsOneCopy(t *testing.T) {
	h := newHouse(t, encrypt(groups.On))
	h.customer("carl@customer.test")
	h.sent(letter{to: []string{"carl@customer.test", "Carl@Customer.Test"}, bcc: []string{"CARL@customer.test"}})
	if c := h.copyFor("carl@customer.test"); len(h.copies()) != 1 || len(c.Recipients) != 1 {
		t.Errorf("%d copies, the first to %v", len(h.copies()), c.addresses())
	}
}

func TestSplitSendsANoticeWithoutContentToThoseWhoCannotRead(t *testing.T) {
	h := newHouse(t, encrypt(groups.On), split)
	h.customer("carl@customer.test")
	h.sent(letter{to: []string{"carl@customer.test", "nobody@customer.test"}, bcc: []string{"hidden@customer.test"}})

	if c := h.copyFor("carl@customer.test"); c.Protection != pgpmime.SignedEncrypted {
		t.Errorf("the reader's copy is %s", c.Protection)
	}
	for _, address := range []string{"nobody@customer.test", "hidden@customer.test"} {
		notice := h.copyFor(address)
		for _, leak := range []string{canary, secret, "carl@customer.test", "Hello"} {
			if strings.Contains(notice.payload, leak) {
				t.Errorf("the notice to %s holds %q:\n%s", address, leak, notice.payload)
			}
		}
		if !strings.Contains(notice.payload, "certificate") || !strings.Contains(notice.header(), "Auto-Submitted: auto-generated") {
			t.Errorf("the notice to %s reads\n%s", address, notice.payload)
		}
	}
}

func TestARefusalNamesTheRecipientAndQueuesNothing(t *testing.T) {
	h := newHouse(t, encrypt(groups.On))
	h.customer("carl@customer.test")
	h.customerExpired("old@customer.test")
	refusal := h.refused(letter{to: []string{"carl@customer.test", "old@customer.test"}})
	if refusal.Code != 550 || refusal.Enhanced[0] != 5 || !strings.Contains(refusal.Sentence, "old@customer.test") ||
		!strings.Contains(refusal.Sentence, "expired on 2026-02-01") || strings.Contains(refusal.Sentence, "carl@") {
		t.Errorf("refused with %d %v %q", refusal.Code, refusal.Enhanced, refusal.Sentence)
	}
	entries := h.entries("message.submitted")
	if len(entries) != 1 || entries[0].Outcome != activity.Refused || entries[0].Actor != "mailbox:support" || gateway.Marker+": "+entries[0].Detail["reason"] != refusal.Sentence {
		t.Errorf("the log holds %+v", entries)
	}
}

func TestASubmissionIsLoggedOnceWithoutContent(t *testing.T) {
	h := newHouse(t)
	carl := h.customer("carl@customer.test")
	id := h.sent(letter{to: []string{"carl@customer.test"}})
	entries := h.entries("message.submitted")
	if len(entries) != 1 || entries[0].Outcome != activity.Done || entries[0].ArticleID != id {
		t.Fatalf("the log holds %+v", entries)
	}
	if got := entries[0].Detail["to carl@customer.test"]; got != "encrypted to "+fingerprint(carl) {
		t.Errorf("the log says %q of carl", got)
	}
	for name, value := range entries[0].Detail {
		if strings.Contains(value, secret) || strings.Contains(value, canary) {
			t.Errorf("%s of the entry holds content", name)
		}
	}
}

func TestASenderOfAnotherGroupIsRefused(t *testing.T) {
	h := newHouse(t)
	h.newGroup("Sales", "sales@desk.test")
	for _, from := range []string{"sales@desk.test", "anyone@example.test"} {
		if r := h.refused(letter{from: from, to: []string{"carl@customer.test"}}); !strings.Contains(r.Sentence, from) || !strings.Contains(r.Sentence, support) {
			t.Errorf("refused with %q, want the sender and the remedy", r.Sentence)
		}
	}
}

func TestALoopIsRefused(t *testing.T) {
	hop := "Received: from a.test by b.test; Wed, 04 Mar 2026 11:00:00 +0000"
	h := newHouse(t)
	r := h.refused(letter{to: []string{"carl@customer.test"}, fields: slices.Repeat([]string{hop}, 51)})
	if r.Code != 554 || r.Enhanced != [3]int{5, 4, 6} {
		t.Errorf("refused with %d %v, want 554 5.4.6", r.Code, r.Enhanced)
	}
	h.sent(letter{to: []string{"carl@customer.test"}, fields: slices.Repeat([]string{hop}, 50)}) // the last one that is no loop
}

// verification are the marks of a ticket system's mail to itself when a channel is set up.
func verification() []string {
	return []string{"X-Zammad-Verify: true", "X-Zammad-Verify-Time: 2026-03-04T11:59:00Z"}
}

func TestAVerificationMailKeepsItsTokenAndLosesItsBody(t *testing.T) {
	h := newHouse(t, encrypt(groups.Required))
	h.sent(letter{to: []string{support}, subject: "[Zammad 42] token-1234", fields: append([]string{"X-Note: " + canary}, verification()...)})
	c := h.copyFor(support)
	if !strings.Contains(c.header(), "Subject: [Zammad 42] token-1234\r\n") || !strings.Contains(c.header(), "X-Zammad-Verify: true\r\n") {
		t.Errorf("the token is lost:\n%s", c.header())
	}
	if strings.Contains(c.payload, canary) {
		t.Errorf("content leaves in a verification mail:\n%s", c.payload)
	}
	long := letter{to: []string{support}, subject: strings.Repeat("x", 121), fields: verification()}
	if _, err := h.submit(long); err == nil {
		t.Error("a verification mail carries 121 bytes of its writer's own")
	}
}

func TestAutomaticMailHasItsOwnLevels(t *testing.T) {
	automatic := []string{"Auto-Submitted: auto-generated"}
	h := newHouse(t, encrypt(groups.Required), func(g *groups.Group) { g.AutoEncrypt, g.AutoSign = groups.Off, groups.Off })
	h.customer("carl@customer.test")
	h.sent(letter{to: []string{"carl@customer.test"}, fields: automatic})
	if c := h.copyFor("carl@customer.test"); c.Protection != pgpmime.Clear {
		t.Errorf("automatic mail of a group that wants it plain leaves %s", c.Protection)
	}

	h = newHouse(t, encrypt(groups.Off), func(g *groups.Group) { g.AutoEncrypt = groups.Required })
	h.refused(letter{to: []string{"nobody@customer.test"}, fields: automatic})
}

func TestTheArticleIsKeptAsItWasWritten(t *testing.T) {
	h := newHouse(t, encrypt(groups.On))
	h.customer("carl@customer.test")
	id := h.sent(letter{to: []string{"carl@customer.test"}})
	view, err := h.ReadArticle(t.Context(), h.agent, id)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(view.View.Text, canary) || view.Article.Encryption != string(pgpmime.SignedEncrypted) || view.Article.Signer != h.own.Fingerprint {
		t.Errorf("the article reads %q, %+v", view.View.Text, view.Article)
	}
	open, err := h.ListQueue(t.Context(), h.agent, queue.Filter{Open: true})
	if err != nil || len(open) != 1 || open[0].ArticleID != id {
		t.Errorf("the queue shows %+v (%v)", open, err)
	}
}

// TestARefusedMessageThatIsTriedAgainIsOneEntry: a ticket system that tries every hour does not fill the log.
func TestARefusedMessageThatIsTriedAgainIsOneEntry(t *testing.T) {
	h := newHouse(t, encrypt(groups.Required))
	for range 3 {
		h.refused(letter{to: []string{"carl@customer.test"}})
		h.passes(time.Hour)
	}
	h.refused(letter{to: []string{"dora@customer.test"}})
	e := h.entries("message.submitted")
	if len(e) != 2 || e[1].Attempts != 3 || !e[1].LastAttempt.Equal(noon.Add(2*time.Hour)) || e[0].Attempts != 0 {
		t.Errorf("the log holds %+v", e)
	}
}
