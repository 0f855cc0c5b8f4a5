package gateway_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/publish"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// webKey asks the web key directory of an address's domain.
func (h *house) webKey(address string) []*keyring.Certificate {
	h.t.Helper()
	local, domain, _ := strings.Cut(address, "@")
	bytes, _, err := h.WebKey(h.ctx(), publish.Request{What: publish.Certificate, Domain: domain, Hash: publish.Hash(local)})
	if err != nil {
		h.t.Fatal(err)
	}
	if bytes == nil {
		return nil
	}
	items, err := keyring.Parse(bytes, h.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	var all []*keyring.Certificate
	for _, i := range items {
		if i.Err != nil || i.HasSecret {
			h.t.Fatalf("published is %+v", i)
		}
		all = append(all, i.Certificate)
	}
	return all
}

// policy asks whether a domain has a web key directory.
func (h *house) policy(domain string) bool {
	h.t.Helper()
	_, published, err := h.WebKey(h.ctx(), publish.Request{What: publish.Policy, Domain: domain})
	if err != nil {
		h.t.Fatal(err)
	}
	return published
}

// TestOnlyOurOwnCertificatesArePublished: for the addresses of groups, approved, with a secret key here; nothing of a
// customer's, whoever asks.
func TestOnlyOurOwnCertificatesArePublished(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := emptyHouse(t, db)
		h.newGroup("Support", support)
		own, err := h.GenerateKey(t.Context(), h.admin, gateway.NewKey{Name: "Support", Address: support})
		if err != nil {
			t.Fatal(err)
		}
		h.customer("support@customer.test")
		lookalike := h.customer(support) // approved, but nobody here can read what is encrypted to it
		if err := h.SetCertificateState(t.Context(), h.admin, fingerprint(lookalike), keyring.Approved); err != nil {
			t.Fatal(err)
		}
		if _, err := h.GenerateKey(t.Context(), h.admin, gateway.NewKey{Address: "alone@desk.test", Confirmed: true}); err != nil {
			t.Fatal(err)
		}

		if got := h.webKey(support); len(got) != 1 || got[0].Fingerprint != own.Fingerprint {
			t.Errorf("%s: %+v", support, got)
		}
		for _, address := range []string{"support@customer.test", "alone@desk.test", "nobody@desk.test"} {
			if got := h.webKey(address); got != nil {
				t.Errorf("%s: %s is published", address, got[0].Fingerprint)
			}
			if p, err := h.Published(t.Context(), address); err != nil || p.Certificate != nil || p.Reason != "" {
				t.Errorf("%s: %+v, %v", address, p, err)
			}
		}
		_, domain, _ := strings.Cut(support, "@")
		if !h.policy(domain) || h.policy("customer.test") || h.policy("elsewhere.test") {
			t.Error("a policy is not where the published domains are")
		}
		if err := h.SetCertificateState(t.Context(), h.admin, own.Fingerprint, keyring.Blocked); err != nil {
			t.Fatal(err)
		}
		if got := h.webKey(support); got != nil || h.policy(domain) {
			t.Errorf("a blocked certificate is published: %+v", got)
		}
	})
}

// TestOnlyTheAskedUserIDIsPublished: one certificate may speak for several groups, and none learns of the others by it.
func TestOnlyTheAskedUserIDIsPublished(t *testing.T) {
	h := newHouse(t)
	key := newKey(t, "sales@gate.test", 0)
	for _, more := range []string{"boss@gate.test", "me@home.test"} {
		if err := key.AddUserId("", "", more, configAt(newYear)); err != nil {
			t.Fatal(err)
		}
	}
	h.newGroup("Sales", "sales@gate.test")
	h.imports(private(t, key), "")
	got := h.webKey("sales@gate.test")
	if len(got) != 1 || len(got[0].UserIDs) != 1 || got[0].UserIDs[0].Address != "sales@gate.test" {
		t.Fatalf("%+v", got)
	}
	p, err := h.Published(t.Context(), "sales@gate.test")
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.Armored()
	if err != nil || bytes.Contains(f.Content, []byte("home.test")) || f.Name != fingerprint(key)+".asc" {
		t.Errorf("%s, %v", f.Name, err)
	}
	items, err := keyring.Parse(f.Content, h.Now())
	if err != nil || len(items) != 1 || len(items[0].Certificate.UserIDs) != 1 {
		t.Errorf("the download holds %+v, %v", items, err)
	}
}

// TestWhichCertificateIsPublished tells the life of an address: the newest usable one answers, revoked ones go with it, and
// what has ended is better than nothing.
func TestWhichCertificateIsPublished(t *testing.T) {
	h := newHouse(t)
	first := h.own.Fingerprint
	fingerprints := func() string {
		var all []string
		for _, c := range h.webKey(support) {
			if len(c.UserIDs) != 1 || c.UserIDs[0].Address != support {
				t.Errorf("%s has the user IDs %+v", c.Fingerprint, c.UserIDs)
			}
			all = append(all, c.Fingerprint)
		}
		return strings.Join(all, " ")
	}
	shows := func(fingerprint string, reason keyring.Reason) {
		t.Helper()
		p, err := h.Published(t.Context(), support)
		if err != nil || p.Certificate == nil || p.Certificate.Fingerprint != fingerprint || p.Reason != reason {
			t.Errorf("%+v, %v; want %s %q", p, err, fingerprint, reason)
		}
	}
	shows(first, keyring.Usable)

	h.passes(time.Minute)
	second, err := h.GenerateKey(t.Context(), h.admin, gateway.NewKey{Name: "Support", Address: support, Until: h.Now().AddDate(0, 1, 0), Confirmed: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := fingerprints(); got != second.Fingerprint {
		t.Errorf("the newer one is %s; published %s", second.Fingerprint, got)
	}
	h.passes(40 * 24 * time.Hour)
	if got := fingerprints(); got != first {
		t.Errorf("an expired newer one hides the older: %s", got)
	}
	if _, err := h.RevokeKey(t.Context(), h.admin, first, keyring.Compromised, ""); err != nil {
		t.Fatal(err)
	}
	h.passes(time.Minute)
	if got := fingerprints(); got != second.Fingerprint+" "+first {
		t.Errorf("published %s; want the expired one, and after it the one that is revoked", got)
	}
	shows(second.Fingerprint, keyring.Expired)
	if got := h.webKey(support); !got[1].Revoked {
		t.Error("the revocation is not published")
	}
	if _, err := h.RevokeKey(t.Context(), h.admin, second.Fingerprint, keyring.Superseded, ""); err != nil {
		t.Fatal(err)
	}
	h.passes(time.Minute)
	if got := h.webKey(support); len(got) != 2 || !got[0].Revoked || !got[1].Revoked {
		t.Errorf("published %s", fingerprints())
	}
	shows(second.Fingerprint, keyring.RevokedKey)
}

// TestVersion6HidesNothing: who reads version 4 only gets it, whatever else there is.
func TestVersion6HidesNothing(t *testing.T) {
	h := newHouse(t)
	h.passes(time.Minute)
	newer := func() string {
		c, err := h.GenerateKey(t.Context(), h.admin, gateway.NewKey{Kind: keyring.Version6, Address: support, Confirmed: true})
		if err != nil {
			t.Fatal(err)
		}
		return c.Fingerprint
	}
	revoked := newer()
	if _, err := h.RevokeKey(t.Context(), h.admin, revoked, keyring.Retired, ""); err != nil {
		t.Fatal(err)
	}
	second := newer()
	h.passes(time.Minute)
	if got := h.webKey(support); len(got) != 1 || got[0].Fingerprint != h.own.Fingerprint {
		t.Errorf("beside version 6, published is %+v", got)
	}
	if _, err := h.RevokeKey(t.Context(), h.admin, h.own.Fingerprint, keyring.Retired, ""); err != nil {
		t.Fatal(err)
	}
	h.passes(time.Minute)
	if got := h.webKey(support); len(got) != 3 || got[0].Fingerprint != second {
		t.Errorf("without version 4, published is %+v", got)
	}
}

// TestAllPublished lists our addresses in order, those without a certificate too.
func TestAllPublished(t *testing.T) {
	h := newHouse(t)
	h.newGroup("Another", "another@gate.test", func(g *groups.Group) { g.Addresses = append(g.Addresses, "zoe@gate.test") })
	all, err := h.AllPublished(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for _, p := range all {
		addresses = append(addresses, p.Address)
		if (p.Certificate != nil) != (p.Address == support) {
			t.Errorf("%+v", p)
		}
	}
	if want := []string{"another@gate.test", support, "zoe@gate.test"}; !slices.Equal(addresses, slices.Sorted(slices.Values(want))) {
		t.Errorf("%v", addresses)
	}
	p, err := h.Published(t.Context(), strings.ToUpper(support))
	if advanced, direct := p.Locations(); err != nil || p.Certificate == nil || !strings.HasPrefix(advanced, "https://openpgpkey.") || direct == "" {
		t.Errorf("%s %s %+v %v", advanced, direct, p, err)
	}
	if p, err := h.Published(t.Context(), "no address"); err != nil || p.Certificate != nil {
		t.Errorf("%+v, %v", p, err)
	}
}
