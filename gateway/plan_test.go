package gateway_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
)

func TestThePlanSaysForEachRecipientWhyThereIsNoCertificate(t *testing.T) {
	h := newHouse(t)
	carl := h.customer("carl@customer.test")
	h.customerExpired("expired@customer.test")
	h.customerRevoked("revoked@customer.test")
	h.customerBlocked("blocked@customer.test")
	cases := map[string]string{
		"carl@customer.test":    "",
		"CARL@Customer.test":    "",
		"nobody@customer.test":  "no certificate",
		"expired@customer.test": "expired on 2026-02-01",
		"revoked@customer.test": "revoked on 2026-03-04",
		"blocked@customer.test": "blocked",
	}
	for address, problem := range cases {
		t.Run(address, func(t *testing.T) {
			p, err := h.Plan(t.Context(), h.agent, gateway.PlanRequest{From: support, Visible: []string{address}})
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Recipients) != 1 || p.Recipients[0].Problem != problem {
				t.Fatalf("recipients %+v, want the problem %q", p.Recipients, problem)
			}
			if usable := problem == ""; p.Decision.Encrypt.Do != usable || (p.Recipients[0].Fingerprint == fingerprint(carl)) != usable {
				t.Errorf("encrypt %v to %q", p.Decision.Encrypt.Do, p.Recipients[0].Fingerprint)
			}
		})
	}
}

func TestThePlanIsForMembersOfTheGroupOnly(t *testing.T) {
	h := newHouse(t)
	for name, c := range map[string]struct {
		actor   gateway.Actor
		allowed bool
	}{
		"agent of the group": {h.agent, true}, "admin": {h.admin, true},
		"agent of another group": {h.stranger, false}, "auditor": {h.auditor, false}, "nobody": {gateway.Actor{}, false},
		"auditor named in the group": {gateway.Actor{Role: groups.Auditor, Groups: []string{h.group.ID}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Plan(t.Context(), c.actor, gateway.PlanRequest{From: support, Visible: []string{"a@customer.test"}})
			if allowed := err == nil; allowed != c.allowed || !allowed && !errors.Is(err, gateway.ErrForbidden) {
				t.Errorf("Plan: %v", err)
			}
			_, err = h.PlanDraft(t.Context(), c.actor, gateway.Draft{GroupID: h.group.ID, To: []string{"a@customer.test"}})
			if allowed := err == nil; allowed != c.allowed || !allowed && !errors.Is(err, gateway.ErrForbidden) {
				t.Errorf("PlanDraft: %v", err)
			}
		})
	}
}

func TestASenderThatIsNotTheGroupsIsAProblemWithARemedy(t *testing.T) {
	h := newHouse(t)
	for name, r := range map[string]gateway.PlanRequest{
		"of no group":        {From: "boss@desk.test"},
		"of the named group": {GroupID: h.group.ID, From: "boss@desk.test"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Plan(t.Context(), h.agent, r)
			var problem *gateway.Problem
			if !errors.As(err, &problem) || !strings.Contains(problem.Sentence, "boss@desk.test") {
				t.Errorf("Plan: %v, want a Problem that names the sender", err)
			}
		})
	}
}

// A button must never promise what the mail won't do: the preview, the page's own sending and the ticket system's
// submission decide alike.
func TestThePreviewDecidesAsTheSubmissionDoes(t *testing.T) {
	const with, without = "carl@customer.test", "nobody@customer.test"
	levels := []groups.Level{groups.Off, groups.Auto, groups.On, groups.Required}
	toggles := []groups.Toggle{groups.Unset, groups.ToggleOn, groups.ToggleOff}
	recipients := map[string][]string{"with": {with}, "without": {without}, "mixed": {with, without}}
	for _, level := range levels {
		for _, mixed := range []groups.Mixed{groups.MixedRefuse, groups.MixedSplit} {
			t.Run(string(level)+" "+string(mixed), func(t *testing.T) {
				h := newHouse(t, encrypt(level), func(g *groups.Group) { g.Mixed = mixed })
				h.customer(with)
				if p, err := h.Plan(t.Context(), h.agent, gateway.PlanRequest{From: support, Visible: []string{with}}); err != nil || !p.Decision.Encrypt.Possible {
					t.Fatalf("nobody can be encrypted to: %+v %v", p.Decision, err)
				}
				for name, to := range recipients {
					for _, toggle := range toggles {
						previewAgrees(t, h, name, to, toggle)
					}
				}
			})
		}
	}
}

func previewAgrees(t *testing.T, h *house, name string, to []string, toggle groups.Toggle) {
	t.Helper()
	before := len(h.copies())
	p, err := h.PlanDraft(t.Context(), h.agent, gateway.Draft{GroupID: h.group.ID, To: to, Subject: "hello", Text: canary, ToggleEncrypt: toggle})
	if err != nil {
		t.Fatal(err)
	}
	l := letter{to: to}
	if toggle != groups.Unset {
		l.fields = []string{"Sealgate-Policy: encrypt=" + string(toggle)}
	}
	_, err = h.submit(l)
	var refusal *submission.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	if promised := len(p.Decision.Refusals) == 0; promised != (err == nil) {
		t.Fatalf("%s, toggle %q: the preview says %+v, the submission %v", name, toggle, p.Decision, err)
	}
	for _, c := range h.copies()[before:] {
		notice := p.Decision.Notices != nil && c.addresses()[0] == p.Decision.Notices[0]
		if clear := strings.Contains(c.payload, canary); clear == p.Decision.Encrypt.Do || clear && notice {
			t.Errorf("%s, toggle %q: the preview says encrypt %v, the copy is in clear: %v", name, toggle, p.Decision.Encrypt.Do, clear)
		}
	}
}
