package gateway_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// TestAnOwnKeyIsChangedAndLogged: each change is one entry, mail goes on being signed, and what was revoked signs no more.
func TestAnOwnKeyIsChangedAndLogged(t *testing.T) {
	h := newHouse(t)
	fp := h.own.Fingerprint
	h.passes(time.Minute)
	if _, err := h.ExtendKey(t.Context(), h.admin, fp, h.Now().AddDate(5, 0, 0)); err != nil {
		t.Fatal(err)
	}
	added, err := h.AddSubkey(t.Context(), h.admin, fp, keyring.ToEncrypt, 0)
	if err != nil || len(added.Details) != 2 {
		t.Fatalf("%+v, %v", added, err)
	}
	c, err := h.Certificate(t.Context(), h.admin, fp)
	if err != nil || len(c.Subkeys) != 2 || c.State != keyring.Approved || !c.HasSecret {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := h.RetireSubkey(t.Context(), h.admin, fp, c.Subkeys[0].Fingerprint); err != nil {
		t.Fatal(err)
	}
	for _, act := range []string{"key.extended", "key.subkey-added", "key.subkey-retired"} {
		if e := h.entries(act); len(e) != 1 || e[0].Fingerprint != fp || e[0].Actor != h.admin.Name {
			t.Errorf("%s: %+v", act, e)
		}
	}
	if p := h.plans(); p.Signer != fp {
		t.Errorf("the signer is %q", p.Signer)
	}
	h.passes(time.Minute)
	if _, err := h.RevokeKey(t.Context(), h.admin, fp, keyring.Superseded, "a new one"); err != nil {
		t.Fatal(err)
	}
	if p := h.plans(); p.Signer != "" {
		t.Error("a revoked key would sign")
	}
	_, err = h.RevokeKey(t.Context(), h.admin, fp, keyring.Superseded, "")
	var problem *gateway.Problem
	if !errors.As(err, &problem) || !strings.Contains(problem.Sentence, "revoked already") {
		t.Errorf("revoking twice: %v", err)
	}
	if e := h.entries("key.revoked"); len(e) != 1 {
		t.Errorf("%d entries", len(e))
	}
}

// passes lets time pass.
func (h *house) passes(d time.Duration) {
	now := h.Now
	h.Now = func() time.Time { return now().Add(d) }
}

// plans asks what would happen to a reply of the group.
func (h *house) plans() gateway.Plan {
	h.t.Helper()
	p, err := h.Plan(h.t.Context(), h.admin, gateway.PlanRequest{GroupID: h.group.ID, From: support, Visible: []string{"somebody@example.org"}})
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// TestTheRevocationIsMadeWithTheKey: it can be downloaded, leaves an entry, and ends the key when it is imported.
func TestTheRevocationIsMadeWithTheKey(t *testing.T) {
	h := newHouse(t)
	f, err := h.RevocationCertificate(t.Context(), h.admin, h.own.Fingerprint)
	if err != nil || !strings.Contains(string(f.Content), "BEGIN PGP PUBLIC KEY BLOCK") {
		t.Fatalf("%q, %v", f.Content, err)
	}
	again, err := h.RevocationCertificate(t.Context(), h.admin, h.own.Fingerprint)
	if err != nil || string(again.Content) != string(f.Content) {
		t.Errorf("another one the second time: %v", err)
	}
	if e := h.entries("key.revocation-exported"); len(e) != 2 {
		t.Errorf("%d entries", len(e))
	}
	report, err := h.ImportCertificates(t.Context(), h.admin, gateway.ImportRequest{Input: f.Content})
	if err != nil || len(report.Changes) != 1 || !slices.Contains(report.Changes[0].Details, "revoked") {
		t.Fatalf("%+v, %v", report, err)
	}
	if p := h.plans(); p.Signer != "" {
		t.Error("a revoked key would sign")
	}
}

// TestANewKeyIsNotMadeByAccident: for an address with a usable key, or of no group, it must be confirmed.
func TestANewKeyIsNotMadeByAccident(t *testing.T) {
	h := newHouse(t)
	for address, words := range map[string]string{support: "has the usable key " + h.own.Fingerprint, "nobody@desk.test": "No group writes as nobody@desk.test"} {
		_, err := h.GenerateKey(t.Context(), h.admin, gateway.NewKey{Name: "X", Address: address})
		var problem *gateway.Problem
		if !errors.As(err, &problem) || !strings.Contains(problem.Sentence, words) {
			t.Errorf("%s: %v", address, err)
		}
		if _, err := h.GenerateKey(t.Context(), h.admin, gateway.NewKey{Name: "X", Address: address, Confirmed: true}); err != nil {
			t.Errorf("confirmed: %v", err)
		}
	}
	_, err := h.GenerateKey(t.Context(), h.admin, gateway.NewKey{Name: "X", Address: "y@desk.test", Confirmed: true, Until: h.Now().Add(-time.Hour)})
	if err == nil || !strings.Contains(err.Error(), "in the past") {
		t.Errorf("a key that ended: %v", err)
	}
}

// TestWhatDependsOnAKeyIsNamed before it is deleted: the group, what came encrypted, what waits, and rules.
func TestWhatDependsOnAKeyIsNamed(t *testing.T) {
	h := newHouse(t)
	h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test")))
	if err := h.PinCertificate(t.Context(), h.admin, "boss@desk.test", h.own.Fingerprint); err != nil {
		t.Fatal(err)
	}
	words, err := h.Dependents(t.Context(), h.admin, h.own.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(words, "\n")
	for _, want := range []string{"group Support writes as " + support, "a rule uses it for boss@desk.test", "its secret key goes with it"} {
		if !strings.Contains(all, want) {
			t.Errorf("does not say %q:\n%s", want, all)
		}
	}
}
