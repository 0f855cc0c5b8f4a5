package keyring

import (
	"errors"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// choose asks for one address and tells the fingerprint and how it was found.
func (r ring) choose(address string) (string, Match) {
	r.t.Helper()
	choices, err := r.Choices(r.t.Context(), []string{address}, noon())
	if err != nil {
		r.t.Fatal(err)
	}
	c := choices[address]
	if c.Best == nil {
		return "", c.Match
	}
	return c.Best.Fingerprint, c.Match
}

func (r ring) wants(address string, k *key, by Match) {
	r.t.Helper()
	want := ""
	if k != nil {
		want = k.fingerprint()
	}
	if got, match := r.choose(address); got != want || match != by {
		r.t.Errorf("for %s it is %q (%s), not %q (%s)", address, got, match, want, by)
	}
}

func (r ring) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestTheRulesOfChoiceInTheirOrder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		ann, gate := ann(t), newKeyAt(t, lastYear(), "Gateway", "gate@example.org")
		r.merge(ann.public(), true, noon())
		r.merge(gate.public(), true, noon())
		gatePrint := gate.fingerprint()

		r.wants("Ann@Example.ORG", ann, ByExact)
		r.wants("ann+news@example.org", nil, "")
		r.must(r.IgnoreTags(t.Context(), db, "Example.org", true))
		r.wants("ann+news@example.org", ann, ByPlus)
		r.wants("bob@example.org", nil, "")
		r.must(r.Pin(t.Context(), db, "EXAMPLE.org", gatePrint, noon()))
		r.wants("bob@example.org", gate, ByDomain)
		r.wants("ann@example.org", ann, ByExact)
		r.wants("ann+news@example.org", ann, ByPlus)
		r.wants("bob@mail.example.org", nil, "")
		r.must(r.Pin(t.Context(), db, "ann@example.org", gatePrint, noon()))
		r.wants("ann@example.org", gate, ByPin)
		r.must(r.Unpin(t.Context(), db, "ann@example.org"))
		r.wants("ann@example.org", ann, ByExact)
		r.must(r.IgnoreTags(t.Context(), db, "example.org", false))
		r.wants("ann+news@example.org", gate, ByDomain)
		if rules, err := r.Rules(t.Context(), gatePrint); err != nil || len(rules) != 1 || rules[0].Target != "example.org" {
			t.Errorf("rules %v, %v", rules, err)
		}
		if err := r.Unpin(t.Context(), db, "ann@example.org"); !errors.Is(err, ErrNotFound) {
			t.Errorf("unpinned twice: %v", err)
		}
		if err := r.Pin(t.Context(), db, "not a domain", gatePrint, noon()); err == nil {
			t.Error("pinned for no domain")
		}
	})
}

// TestAPinIsNotReplaced: what a person pinned is used or nothing.
func TestAPinIsNotReplaced(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		first := ann(t)
		r.merge(first.public(), true, noon())
		other := newKeyAt(t, lastYear(), "Old Ann", "old@example.org")
		r.merge(other.public(), true, noon())
		r.must(r.Pin(t.Context(), db, "ann@example.org", other.fingerprint(), noon()))
		r.merge(other.revoke(packet.KeyCompromised).public(), true, noon())
		r.wants("ann@example.org", nil, "")
		r.must(r.Delete(t.Context(), db, other.fingerprint()))
		r.wants("ann@example.org", first, ByExact)
	})
}

// TestTheNewestBindingWins: a renewed old key comes before a newer one that nobody confirmed since.
func TestTheNewestBindingWins(t *testing.T) {
	old := ann(t)
	newer := newKeyAt(t, old.now.Add(time.Hour), "Ann", "ann@example.org")
	old.later(48 * time.Hour)
	old.must(old.AddEncryptionSubkey(&old.cfg))
	var candidates []*Certificate
	for _, k := range []*key{newer, old} {
		c := parseOne(t, k.public(), noon()).Certificate
		c.State = Approved
		candidates = append(candidates, c)
	}
	if best, _ := Choose(candidates, noon()); best == nil || best.Fingerprint != old.fingerprint() {
		t.Error("the certificate with the older binding was chosen")
	}
}
