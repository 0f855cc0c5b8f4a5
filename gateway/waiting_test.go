package gateway_test

import (
	"errors"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// A key that was blocked when it came opened nothing. Where its approval opened nothing either, because the process ended in
// between, the button opens what waits, of one's own groups.
func TestTheButtonOpensWhatWaits(t *testing.T) {
	h := newHouse(t)
	old := newKey(t, "old-desk@desk.test", 0)
	h.imports(public(t, old), "")
	block := func(s keyring.State) {
		t.Helper()
		if err := h.Keyring.SetState(t.Context(), h.DB, fingerprint(old), s, noon); err != nil {
			t.Fatal(err)
		}
	}
	block(keyring.Blocked)
	h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test", old)))
	h.imports(private(t, old), "")
	if report, err := h.ReopenWaiting(t.Context(), h.agent); err != nil || report != (gateway.WaitingReport{Waited: 1}) {
		t.Fatalf("while the key is blocked: %+v %v", report, err)
	}
	block(keyring.Approved)

	other := gateway.Actor{Name: "user:olga", Role: groups.Agent, Groups: []string{"another"}}
	for _, a := range []gateway.Actor{other, h.stranger} {
		if report, err := h.ReopenWaiting(t.Context(), a); err != nil || report.Waited != 0 {
			t.Errorf("%s of another group: %+v %v", a.Name, report, err)
		}
	}
	if _, err := h.ReopenWaiting(t.Context(), h.auditor); !errors.Is(err, gateway.ErrForbidden) {
		t.Errorf("an auditor: %v", err)
	}
	if n, err := h.CountWaiting(t.Context(), h.agent); n != 1 || err != nil {
		t.Errorf("%d wait, %v; want 1", n, err)
	}
	if report, err := h.ReopenWaiting(t.Context(), h.agent); err != nil || report != (gateway.WaitingReport{Waited: 1, Reopened: 1}) {
		t.Errorf("with the key: %+v %v", report, err)
	}
	if report, err := h.ReopenWaiting(t.Context(), h.agent); err != nil || report.Waited != 0 || len(h.articles()) != 2 {
		t.Errorf("pressed again: %+v %v, %d articles", report, err, len(h.articles()))
	}
}

func TestRivalsAreWhatIsInUse(t *testing.T) {
	h := newHouse(t)
	first, second, third := newKey(t, "ada@customer.test", 0), newKey(t, "ada@customer.test", 0), newKey(t, "bob@customer.test", 0)
	for _, key := range [][]byte{public(t, first), public(t, second), public(t, third)} {
		h.imports(key, "")
	}
	waiting, _, err := h.Certificates(t.Context(), h.admin, keyring.Filter{State: keyring.Proposed})
	if err != nil || len(waiting) != 1 || waiting[0].Fingerprint != fingerprint(second) {
		t.Fatalf("%d wait, %v; want the second of ada's", len(waiting), err)
	}
	rivals, err := h.Rivals(t.Context(), h.agent, waiting)
	if err != nil {
		t.Fatal(err)
	}
	found := rivals[fingerprint(second)]
	approved, err := h.Certificate(t.Context(), h.agent, fingerprint(first))
	if err != nil {
		t.Fatal(err)
	}
	if none, err := h.Rivals(t.Context(), h.agent, []*keyring.Certificate{approved}); err != nil || len(none) != 0 {
		t.Errorf("the one in use has rivals %+v, %v", none, err)
	}
	if len(rivals) != 1 || len(found) != 1 || found[0].Address != "ada@customer.test" || found[0].Certificate.Fingerprint != fingerprint(first) {
		t.Errorf("rivals %+v", rivals)
	}
}

func TestTagDomainsAreListed(t *testing.T) {
	h := newHouse(t)
	for _, domain := range []string{"Example.org", "*"} {
		if err := h.IgnoreTags(t.Context(), h.admin, domain, true); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := h.TagDomains(t.Context(), h.agent); err != nil || len(all) != 2 || all[0] != "*" || all[1] != "example.org" {
		t.Errorf("%q %v", all, err)
	}
}
