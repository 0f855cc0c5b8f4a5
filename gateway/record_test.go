package gateway_test

import (
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// recordOf is the record kept with the only article.
func (h *house) recordOf() gateway.Record {
	h.t.Helper()
	all := h.articles()
	r, ok := gateway.RecordOf(all[len(all)-1])
	if !ok {
		h.t.Fatalf("no record is kept with %+v", all)
	}
	return r
}

func holds(t *testing.T, lines []string, words ...string) {
	t.Helper()
	text := strings.Join(lines, "\n")
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is missing in\n%s", w, text)
		}
	}
}

// TestTheRecordTellsWhatDecided: the rule that won, where it comes from, and the certificates that were left out.
func TestTheRecordTellsWhatDecided(t *testing.T) {
	h := newHouse(t, func(g *groups.Group) {
		g.DomainRules = []groups.DomainRule{{Domain: "customer.test", Sign: groups.Off, Encrypt: groups.On}}
	})
	old := newKey(t, "carl@customer.test", 31*aDay)
	h.imports(public(t, old), "")
	carl := h.customer("carl@customer.test")
	h.sent(letter{to: []string{"carl@customer.test"}})
	r := h.recordOf()
	if r.EncryptOrigin != groups.FromDomain || r.SignOrigin != groups.FromCertificates || r.EncryptLevel != groups.Auto || len(r.Recipients) != 1 {
		t.Errorf("the record says %+v", r)
	}
	holds(t, r.Lines(), "encrypt: yes, by recipient domain (recipient domain)", "to carl@customer.test: encrypted to "+fingerprint(carl)+" (exact)")

	h.customerExpired("old@customer.test")
	if _, err := h.submit(letter{to: []string{"old@customer.test"}}); err == nil {
		t.Fatal("not refused")
	}
	e := h.entries("message.submitted")[0]
	if words := e.Detail["to old@customer.test"]; !strings.Contains(words, "refused: no usable certificate") || !strings.Contains(words, "expired on 2026-02-01") || e.Detail["encrypt"] != "recipient domain" {
		t.Errorf("the log says of a refused message: %+v", e.Detail)
	}
}

// TestShadowModeOnlyWatches: mail passes as before, what is asked for is done, and the log tells the rest.
func TestShadowModeOnlyWatches(t *testing.T) {
	h := newHouse(t, encrypt(groups.Required), sign(groups.On), func(g *groups.Group) { g.Shadow = true })
	h.sent(letter{to: []string{"nobody@customer.test"}})
	if c := h.copyFor("nobody@customer.test"); !strings.Contains(c.payload, canary) || strings.Contains(c.payload, "multipart/signed") {
		t.Errorf("it left as\n%s", c.payload)
	}
	if e := h.entries("message.submitted")[0]; e.Detail["encrypt"] != "shadow mode" || !strings.Contains(e.Detail["shadow"], "without shadow mode, refused: no usable certificate for nobody@customer.test") {
		t.Errorf("the log says %+v", e.Detail)
	}
	h.customer("carl@customer.test")
	h.sent(letter{to: []string{"carl@customer.test"}, fields: []string{"Sealgate-Policy: encrypt=on"}})
	if c := h.copyFor("carl@customer.test"); strings.Contains(c.payload, canary) {
		t.Errorf("encryption was asked for, and it left as\n%s", c.payload)
	}
	if _, err := h.submit(letter{to: []string{"nobody@customer.test"}, fields: []string{"Sealgate-Policy: encrypt=on"}}); err == nil {
		t.Error("encryption was asked for and impossible, and it left")
	}
}

// TestContentRulesRequireEncryption: by subject, name of an attachment, and Sensitivity.
func TestContentRulesRequireEncryption(t *testing.T) {
	h := newHouse(t, func(g *groups.Group) {
		g.Content = groups.ContentRules{Subjects: []string{"diagnosis"}, Files: []string{"*.dcm"}, Sensitivity: true}
	})
	attached := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee below\r\n" +
		"--b\r\nContent-Type: application/dicom\r\nContent-Disposition: attachment; filename=\"Scan 1.DCM\"\r\n\r\nx\r\n--b--\r\n"
	for name, l := range map[string]letter{
		"its subject matches diagnosis": {subject: "Your Diagnosis"},
		"it is marked private":          {fields: []string{"Sensitivity: Private"}},
	} {
		l.to = []string{"nobody@customer.test"}
		if r := h.refused(l); !strings.Contains(r.Sentence, name) {
			t.Errorf("%s: %s", name, r.Sentence)
		}
	}
	plan, err := h.Explain(t.Context(), h.agent, gateway.ExplainRequest{
		Message: []byte("From: " + support + "\r\nTo: nobody@customer.test\r\nSubject: hello\r\nMIME-Version: 1.0\r\n" + attached),
	})
	if err != nil || plan.Record().Content != "an attachment's name matches *.dcm" || len(plan.Decision.Refusals) != 1 {
		t.Errorf("%+v, %v", plan.Record(), err)
	}
	h.sent(letter{to: []string{"nobody@customer.test"}})
	if r := h.recordOf(); r.Content != "" || r.Encrypt.Do {
		t.Errorf("an ordinary message: %+v", r)
	}
}

func TestTheInstanceSetsAFloor(t *testing.T) {
	h := newHouse(t)
	h.Policy = gateway.Policy{Encrypt: groups.Required}
	if r := h.refused(letter{to: []string{"nobody@customer.test"}, fields: []string{"Sealgate-Policy: encrypt=off"}}); !strings.Contains(r.Sentence, "required in this house") {
		t.Errorf("refused with %s", r.Sentence)
	}
}

// TestExplainSendsNothing: a pasted message and one that left are planned by what is known now.
func TestExplainSendsNothing(t *testing.T) {
	h := newHouse(t)
	h.sent(letter{to: []string{"carl@customer.test"}, bcc: []string{"boss@desk.test"}})
	article := h.articles()[0]
	before := len(h.copies())
	carl := h.customer("carl@customer.test")
	plan, err := h.Explain(t.Context(), h.agent, gateway.ExplainRequest{ArticleID: article.ID})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, plan.Record().Lines(), "to carl@customer.test: not encrypted (exact)", "boss@desk.test")
	pasted := letter{to: []string{"carl@customer.test"}, fields: []string{"Sealgate-Policy: encrypt=on; sign=off"}}
	plan, err = h.Explain(t.Context(), h.agent, gateway.ExplainRequest{Message: pasted.message()})
	if err != nil || plan.Recipients[0].Fingerprint != fingerprint(carl) {
		t.Fatalf("%+v, %v", plan, err)
	}
	holds(t, plan.Record().Lines(), "encrypt: yes, by agent's choice (message)", "asked for with the message: encrypt on, sign off")
	for name, r := range map[string]gateway.ExplainRequest{
		"no message":               {Message: []byte("hello")},
		"wrong group":              {Message: []byte("From: x@y.test\r\nTo: a@b.test\r\n\r\n.")},
		"unreadable toggle":        {Message: letter{to: []string{"a@b.test"}, fields: []string{"Sealgate-Policy: maybe"}}.message()},
		"no recipient":             {Message: []byte("From: " + support + "\r\nSubject: x\r\n\r\n.")},
		"no such article":          {ArticleID: "none"},
		"a recipient that is none": {Message: pasted.message(), Recipients: []string{"nobody"}},
	} {
		if _, err := h.Explain(t.Context(), h.agent, r); err == nil {
			t.Errorf("%s: planned", name)
		}
	}
	if _, err := h.Explain(t.Context(), h.stranger, gateway.ExplainRequest{ArticleID: article.ID}); err == nil {
		t.Error("a stranger had an article of another group planned")
	}
	if len(h.copies()) != before || len(h.articles()) != 1 {
		t.Error("something was sent")
	}
}
