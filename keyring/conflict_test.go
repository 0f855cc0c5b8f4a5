package keyring

import (
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestASecondCertificateWaits: whoever comes second for an address waits until a person decides, even when imported with
// approval, however often it is imported; the first stays in use.
func TestASecondCertificateWaits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		first, second := ann(t), newKeyAt(t, noon().Add(-time.Hour), "Ann", "ann@example.org")
		r.merge(first.public(), true, noon())
		for range 2 {
			change := r.merge(second.public(), true, noon())
			if len(change.Conflicts) != 1 || change.Conflicts[0].Fingerprint != first.fingerprint() ||
				!strings.Contains(change.Alert(), "ann@example.org") {
				t.Errorf("the alert is %q", change.Alert())
			}
		}
		if c := r.get(second.fingerprint()); c.State != Proposed {
			t.Errorf("the second is %s", c.State)
		}
		waiting, total, err := r.List(t.Context(), Filter{State: Proposed}, noon())
		if err != nil || total != 1 || len(waiting) != 1 || waiting[0].Fingerprint != second.fingerprint() {
			t.Errorf("%d wait, %v", total, err)
		}
		found, err := r.ByAddress(t.Context(), []string{"ann@example.org"}, noon())
		if err != nil {
			t.Fatal(err)
		}
		if best, _ := Choose(found["ann@example.org"], noon()); best == nil || best.Fingerprint != first.fingerprint() {
			t.Error("the first is no longer in use")
		}
	})
}

// TestASuccessorDoesNotWait: a certificate that can't be used any more stands in nobody's way, and neither does the old
// key in the way of our own new one.
func TestASuccessorDoesNotWait(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		first, second := ann(t), newKeyAt(t, noon().Add(-time.Hour), "Ann", "ann@example.org")
		r.merge(first.public(), true, noon())
		own := newKeyAt(t, noon().Add(-time.Hour), "Ann", "ann@example.org")
		if r.merge(own.secret(), true, noon()); r.get(own.fingerprint()).State != Approved {
			t.Error("our own new key waits")
		}
		for _, k := range []*key{first, own} {
			r.merge(k.revoke(packet.KeyRetired).public(), true, noon())
		}
		if r.merge(second.public(), true, noon()); r.get(second.fingerprint()).State != Approved {
			t.Error("a successor of a revoked certificate waits")
		}
	})
}
