package gateway_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
)

// signsFor makes both kinds of key for a domain, publishes them in a DNS of the test, and switches them on.
func (h *house) signsFor(domain string) *dnstest.Server {
	h.t.Helper()
	keys, err := h.GenerateDKIMKeys(h.ctx(), h.admin, gateway.NewDKIMKey{Domain: domain})
	if err != nil {
		h.t.Fatal(err)
	}
	var records []string
	for _, k := range keys {
		records = append(records, k.Record.Line())
	}
	d := dnstest.Start(h.t, records...)
	h.Resolver = d.Client()
	for _, k := range keys {
		if _, err := h.CheckDKIMKey(h.ctx(), h.admin, k.Domain, k.Selector); err != nil {
			h.t.Fatal(err)
		}
		if _, err := h.ActivateDKIMKey(h.ctx(), h.admin, k.Domain, k.Selector, false); err != nil {
			h.t.Fatal(err)
		}
	}
	return d
}

// says returns the sentence of a Problem.
func (h *house) says(err error) string {
	h.t.Helper()
	var problem *gateway.Problem
	if !errors.As(err, &problem) {
		h.t.Fatalf("got %v, want a Problem", err)
	}
	return problem.Sentence
}

// TestADKIMKeySignsOnlyOnceItsRecordWasSeen: made, looked for in vain, published, seen, switched on, off, and deleted; the
// log tells each step.
func TestADKIMKeySignsOnlyOnceItsRecordWasSeen(t *testing.T) {
	h := newHouse(t)
	d := dnstest.Start(t)
	h.Resolver = d.Client()
	keys, err := h.GenerateDKIMKeys(h.ctx(), h.admin, gateway.NewDKIMKey{Domain: "Desk.Test", Selector: "s1", Algorithm: dkim.Ed25519})
	if err != nil || len(keys) != 1 {
		t.Fatalf("made %v (%v)", keys, err)
	}
	k := keys[0]
	if k.Active || !k.Used || k.Record.Name() != "s1._domainkey.desk.test" || k.Sentence() != "Nobody has looked at the DNS yet." {
		t.Errorf("it begins as %+v: %s", k, k.Sentence())
	}
	activate := func() error { _, err := h.ActivateDKIMKey(h.ctx(), h.admin, "desk.test", "s1", false); return err }
	if words := h.says(activate()); !strings.Contains(words, "was not seen in the DNS: Nobody has looked") {
		t.Errorf("unseen: %s", words)
	}
	if k, err = h.CheckDKIMKey(h.ctx(), h.admin, "desk.test", "s1"); err != nil || dkim.Finding(k.Finding) != dkim.Missing {
		t.Errorf("without a record: %s (%v)", k.Finding, err)
	}
	if words := h.says(activate()); !strings.Contains(words, "The DNS has no such record yet.") {
		t.Errorf("missing: %s", words)
	}
	d.Set(t, k.Record.Line())
	if k, err = h.CheckDKIMKey(h.ctx(), h.admin, "desk.test", "s1"); err != nil || dkim.Finding(k.Finding) != dkim.Published || !k.Checked.Equal(noon) {
		t.Errorf("with a record: %s at %s (%v)", k.Finding, k.Checked, err)
	}
	h.Now = func() time.Time { return noon.Add(25 * time.Hour) }
	if words := h.says(activate()); !strings.Contains(words, "more than a day ago. Check it again.") {
		t.Errorf("seen long ago: %s", words)
	}
	h.Now = func() time.Time { return noon.Add(23 * time.Hour) }
	if err := activate(); err != nil {
		t.Error(err)
	}
	if words := h.says(h.DeleteDKIMKey(h.ctx(), h.admin, "desk.test", "s1")); !strings.Contains(words, "deactivate it first") {
		t.Errorf("deletion of an active key: %s", words)
	}
	if k, err = h.DeactivateDKIMKey(h.ctx(), h.admin, "desk.test", "s1"); err != nil || k.Active {
		t.Errorf("deactivated: %v (%v)", k.Active, err)
	}
	if err := h.DeleteDKIMKey(h.ctx(), h.admin, "desk.test", "s1"); err != nil {
		t.Error(err)
	}
	if _, err := h.DKIMKey(h.ctx(), h.admin, "desk.test", "s1"); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("a deleted key: %v", err)
	}
	for act, want := range map[string]int{"dkim.generated": 1, "dkim.checked": 2, "dkim.activated": 1, "dkim.deactivated": 1, "dkim.deleted": 1} {
		if e := h.entries(act); len(e) != want || e[0].Detail["domain"] != "desk.test" {
			t.Errorf("%s: %+v", act, e)
		}
	}
}

// TestAKeyMayBeActivatedUnseen where nobody asks the DNS, and the log says so.
func TestAKeyMayBeActivatedUnseen(t *testing.T) {
	h := newHouse(t)
	if _, err := h.GenerateDKIMKeys(h.ctx(), h.admin, gateway.NewDKIMKey{Domain: "desk.test"}); err != nil {
		t.Fatal(err)
	}
	_, err := h.CheckDKIMKey(h.ctx(), h.admin, "desk.test", "sg20260304-rsa")
	if words := h.says(err); !strings.Contains(words, "asks no name server") {
		t.Errorf("a check without a resolver: %s", words)
	}
	if k, err := h.ActivateDKIMKey(h.ctx(), h.admin, "desk.test", "sg20260304-rsa", true); err != nil || !k.Active {
		t.Errorf("unseen: %+v (%v)", k, err)
	}
	if e := h.entries("dkim.activated"); len(e) != 1 || e[0].Detail["record"] != "not looked for" {
		t.Errorf("the log says %+v", e)
	}
}

// TestWhatIsWrongWithKeysThatSign: a record that is gone, and a secret that does not open. What does not sign is no problem.
func TestWhatIsWrongWithKeysThatSign(t *testing.T) {
	h := newHouse(t)
	d := h.signsFor("desk.test")
	if _, err := h.GenerateDKIMKeys(h.ctx(), h.admin, gateway.NewDKIMKey{Domain: "desk.test", Selector: "idle"}); err != nil {
		t.Fatal(err)
	}
	if active, problems, err := h.DKIMProblems(h.ctx(), h.admin); active != 2 || len(problems) != 0 || err != nil {
		t.Errorf("%d sign, %q (%v)", active, problems, err)
	}
	d.Set(t)
	if _, problems, err := h.DKIMProblems(h.ctx(), h.admin); len(problems) != 2 || !strings.HasPrefix(problems[0], "sg20260304-ed25519 of desk.test: The DNS has no such record") {
		t.Errorf("without records: %q (%v)", problems, err)
	}
	d.Break("sg20260304-ed25519._domainkey.desk.test", dns.RcodeServerFailure)
	h.Keeper = h.closedKeeper()
	if _, problems, err := h.DKIMProblems(h.ctx(), h.admin); len(problems) != 2 || !strings.Contains(problems[0], "cannot be opened") {
		t.Errorf("without the KMS: %q (%v)", problems, err)
	}
}

// TestNamesOfDKIMKeys: two at once end with their kind, a name is used once, and what is no name is refused.
func TestNamesOfDKIMKeys(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		n    gateway.NewDKIMKey
		want string
	}{
		{gateway.NewDKIMKey{Domain: "desk.test"}, "sg20260304-rsa sg20260304-ed25519"},
		{gateway.NewDKIMKey{Domain: "desk.test", Selector: "x"}, "x-rsa x-ed25519"},
		{gateway.NewDKIMKey{Domain: "else.test", Selector: "x", Algorithm: dkim.RSA}, "x"},
		{gateway.NewDKIMKey{Domain: "else.test", Algorithm: dkim.Ed25519}, "sg20260304-ed25519"},
	} {
		keys, err := h.GenerateDKIMKeys(h.ctx(), h.admin, c.n)
		var names []string
		for _, k := range keys {
			names = append(names, k.Selector)
		}
		if got := strings.Join(names, " "); err != nil || got != c.want {
			t.Errorf("%+v: %s (%v)", c.n, got, err)
		}
	}
	for want, n := range map[string]gateway.NewDKIMKey{
		"already; choose another selector": {Domain: "desk.test"},
		"is no domain":                     {Domain: "support@desk.test"},
		"is no selector":                   {Domain: "desk.test", Selector: "a b"},
		"is no kind of DKIM key":           {Domain: "desk.test", Selector: "y", Algorithm: "dsa"},
	} {
		_, err := h.GenerateDKIMKeys(h.ctx(), h.admin, n)
		if words := h.says(err); !strings.Contains(words, want) {
			t.Errorf("%+v: %s", n, words)
		}
	}
	keys, err := h.DKIMKeys(h.ctx(), h.admin)
	if err != nil || len(keys) != 6 {
		t.Errorf("%d keys (%v)", len(keys), err)
	}
	for _, k := range keys {
		if k.Used != (k.Domain == "desk.test") {
			t.Errorf("%s is used: %v", k.Domain, k.Used)
		}
	}
}

// TestAnImportedKeyKeepsItsRecord: a key from another server signs under the selector that the world knows already.
func TestAnImportedKeyKeepsItsRecord(t *testing.T) {
	h := newHouse(t)
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	k, err := h.ImportDKIMKey(h.ctx(), h.admin, "desk.test", "old", text)
	if _, public, _ := dkim.Public(secret); err != nil || k.Public != public || k.Active || k.Origin != "imported" {
		t.Errorf("imported %+v (%v)", k, err)
	}
	_, err = h.ImportDKIMKey(h.ctx(), h.admin, "desk.test", "old", text)
	if words := h.says(err); !strings.Contains(words, "already") {
		t.Errorf("twice: %s", words)
	}
	_, err = h.ImportDKIMKey(h.ctx(), h.admin, "desk.test", "new", []byte("no key"))
	if words := h.says(err); !strings.Contains(words, "No key in PEM form") {
		t.Errorf("no key: %s", words)
	}
}
