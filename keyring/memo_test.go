package keyring

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/migrations/dbtest"
)

// TestWhatIsRememberedIsNeverOutOfDate: a certificate is looked up before and after it was revoked, and its row altered.
func TestWhatIsRememberedIsNeverOutOfDate(t *testing.T) {
	db := dbtest.SQLite(t)
	r := newRing(t, db)
	k := ann(t)
	r.merge(k.public(), true, noon())
	find := func(at time.Time) *Certificate {
		t.Helper()
		found, err := r.ByKeyID(t.Context(), []string{k.fingerprint()[len(k.fingerprint())-16:]}, at)
		if err != nil || len(found) != 1 {
			t.Fatalf("found %v, %v", found, err)
		}
		return found[0]
	}
	if c := find(noon()); c.Revoked {
		t.Fatal("revoked before its time")
	}
	if len(r.memo.known) == 0 {
		t.Fatal("nothing is remembered")
	}
	r.merge(k.later(time.Hour).addUserID("Ann", "new@example.org").public(), true, noon())
	if c := find(noon().Add(2 * time.Hour)); len(c.UserIDs) != 2 {
		t.Errorf("user IDs after another was added: %v", c.UserIDs)
	}
	var row certificateRow
	if err := db.Take(&row).Error; err != nil {
		t.Fatal(err)
	}
	forged := bytes.Replace(row.Packets, []byte("new@example.org"), []byte("eve@example.org"), 1)
	if err := db.Exec("UPDATE certificates SET packets = ?", forged).Error; err != nil {
		t.Fatal(err)
	}
	for _, u := range find(noon().Add(2 * time.Hour)).UserIDs {
		if strings.HasPrefix(u.Address, "eve") {
			t.Error("a user ID that its owner did not sign was believed")
		}
	}
}

// TestManyReadWhatIsRemembered: they encrypt, sign and judge at different instants with one remembered certificate, while
// others put secret keys into their own copies. The race detector watches.
func TestManyReadWhatIsRemembered(t *testing.T) {
	r := newRing(t, dbtest.SQLite(t))
	k := ann(t)
	item := parseOne(t, k.secret(), noon())
	r.mergeItem(item, true, noon())
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			at := noon().Add(time.Duration(n) * time.Minute)
			found, err := r.ByKeyID(t.Context(), []string{k.fingerprint()[len(k.fingerprint())-16:]}, at)
			if err != nil {
				t.Error(err)
				return
			}
			secret, err := r.Secret(t.Context(), k.fingerprint())
			if err != nil {
				t.Error(err)
				return
			}
			if found[0].Entity.PrivateKey != nil || secret.PrivateKey == nil {
				t.Error("the secret key is in the wrong place")
			}
			for _, id := range found[0].Entity.Identities { // the library writes to what it serializes
				if err := id.SelfCertifications[0].Packet.Serialize(io.Discard); err != nil {
					t.Error(err)
				}
			}
			if err := signedBy(secret, found[0].Entity, at, fmt.Sprint(n)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// signedBy encrypts to a certificate, signed with a secret key.
func signedBy(secret, to *openpgp.Entity, at time.Time, text string) error {
	var out bytes.Buffer
	w, err := openpgp.Encrypt(&out, []*openpgp.Entity{to}, nil, []*openpgp.Entity{secret}, nil, &packet.Config{Time: func() time.Time { return at }})
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return w.Close()
}
