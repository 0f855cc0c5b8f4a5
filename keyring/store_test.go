package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/kms/local"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"
	"pgregory.net/rapid"
)

// ring is a keyring in a test's database.
type ring struct {
	*Store
	t  *testing.T
	db *gorm.DB
}

func newRing(t *testing.T, db *gorm.DB) ring {
	t.Helper()
	provider, err := local.Create(filepath.Join(t.TempDir(), "key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := kms.Open(t.Context(), db, provider, noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keeper.Close() })
	return ring{NewStore(db, keeper), t, db}
}

// merge imports one certificate in its own transaction.
func (r ring) merge(input []byte, approve bool, at time.Time) Change {
	r.t.Helper()
	return r.mergeItem(parseOne(r.t, input, at), approve, at)
}

func (r ring) mergeItem(item *Item, approve bool, at time.Time) (change Change) {
	r.t.Helper()
	if err := r.keeper.Ready(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	err := r.db.Transaction(func(tx *gorm.DB) (err error) {
		change, err = r.Merge(r.t.Context(), tx, item, Imported, approve, at)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return change
}

func (r ring) get(fingerprint string) *Certificate {
	r.t.Helper()
	c, err := r.Get(r.t.Context(), fingerprint, noon())
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// dump is everything stored about certificates, for comparing.
func (r ring) dump() string {
	r.t.Helper()
	all, _, err := r.List(r.t.Context(), Filter{}, noon())
	if err != nil {
		r.t.Fatal(err)
	}
	var out strings.Builder
	for _, c := range all {
		out.WriteString(reportCertificate(c) + "  secret keys: " + strings.Join(c.secretKeys, " ") + "\n")
		if c.HasSecret {
			out.WriteString("  opened: " + strings.Join(r.openedKeys(c.Fingerprint), " ") + "\n")
		}
	}
	return out.String()
}

// openedKeys are the fingerprints of the keys whose secret really comes out of the KMS.
func (r ring) openedKeys(of string) []string {
	r.t.Helper()
	e, err := r.Secret(r.t.Context(), of)
	if err != nil {
		r.t.Fatal(err)
	}
	var opened []string
	if e.PrivateKey != nil {
		opened = append(opened, fingerprint(e.PrimaryKey))
	}
	for _, s := range e.Subkeys {
		if s.PrivateKey != nil {
			opened = append(opened, fingerprint(s.PublicKey))
		}
	}
	slices.Sort(opened)
	return opened
}

func TestMergeStory(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		k := ann(t)

		change := r.merge(k.public(), true, noon())
		if change.Outcome != Added || change.Fingerprint != k.fingerprint() || change.UserIDs[0] != "Ann Bell <ann@example.org>" {
			t.Fatalf("first import: %+v", change)
		}
		if change = r.merge(k.public(), true, noon().Add(time.Hour)); change.Outcome != Unchanged || len(change.Details) != 0 {
			t.Errorf("the same again: %+v", change)
		}
		if c := r.get(k.fingerprint()); c.State != Approved || c.Source != Imported || c.HasSecret ||
			!c.ImportedAt.Equal(noon()) || !c.UpdatedAt.Equal(noon()) {
			t.Errorf("stored as %+v", c)
		}
		change = r.merge(k.secret(), true, noon().Add(2*time.Hour))
		if change.Outcome != Updated || !slices.Equal(change.Details, []string{"secret key added"}) {
			t.Errorf("with its secret key: %+v", change)
		}
		if c := r.get(k.fingerprint()); c.ForSigning(noon()) != Usable || !c.UpdatedAt.Equal(noon().Add(2*time.Hour)) {
			t.Errorf("for signing %q, updated %v", c.ForSigning(noon()), c.UpdatedAt)
		}
		older := k.public()
		change = r.merge(k.later(time.Hour).revoke(packet.KeyCompromised).public(), true, noon())
		if change.Outcome != Updated || !slices.Equal(change.Details, []string{"revoked"}) {
			t.Errorf("revoked: %+v", change)
		}
		if change = r.merge(older, true, noon()); change.Outcome != Unchanged || !r.get(k.fingerprint()).Revoked {
			t.Errorf("an older copy: %+v", change)
		}
	})
}

func TestMergeRefuses(t *testing.T) {
	r := newRing(t, dbtest.SQLite(t))
	locked := r.merge(ann(t).locked("x"), true, noon())
	if locked.Outcome != Refused || locked.Sentence != ErrNeedsPassphrase.Error() {
		t.Errorf("a locked secret key: %+v", locked)
	}
	items, err := Parse(encryptedMessage(t), noon())
	if err != nil {
		t.Fatal(err)
	}
	if change := r.mergeItem(items[0], true, noon()); change.Outcome != Refused || !strings.Contains(change.Sentence, "encrypted message") {
		t.Errorf("a message: %+v", change)
	}
	nameless := ann(t)
	clear(nameless.Identities)
	if change := r.merge(nameless.public(), true, noon()); change.Outcome != Refused || !strings.Contains(change.Sentence, "no user ID") {
		t.Errorf("without user ID: %+v", change)
	}
	if _, total, err := r.List(t.Context(), Filter{}, noon()); err != nil || total != 0 {
		t.Errorf("%d were stored, %v", total, err)
	}
}

// TestMergeTakesRevocationsWithoutUserID is what keyservers send that publish no addresses.
func TestMergeTakesRevocationsWithoutUserID(t *testing.T) {
	r := newRing(t, dbtest.SQLite(t))
	k := ann(t)
	r.merge(k.public(), true, noon())
	k.later(time.Hour).revoke(packet.KeyCompromised)
	clear(k.Identities)
	if change := r.merge(k.public(), false, noon()); change.Outcome != Updated || !r.get(k.fingerprint()).Revoked {
		t.Errorf("%+v", change)
	}
}

func TestMergeWithoutApproval(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		first, second := ann(t), ann(t)
		r.merge(first.public(), true, noon())
		change := r.merge(second.public(), false, noon())
		if got := r.get(second.fingerprint()).State; got != Proposed || !slices.Contains(change.Details, "waits for approval") {
			t.Errorf("a second certificate for the address is %s: %+v", got, change)
		}
		both, err := r.ByAddress(t.Context(), []string{"ann@example.org"}, noon())
		if err != nil {
			t.Fatal(err)
		}
		if best, _ := Choose(both["ann@example.org"], noon()); best == nil || best.Fingerprint != first.fingerprint() {
			t.Error("the proposal changed which certificate is used")
		}
		if err := r.SetState(t.Context(), db, second.fingerprint(), Approved, noon()); err != nil {
			t.Fatal(err)
		}
		if got := r.get(second.fingerprint()).State; got != Approved {
			t.Errorf("approved by a person it is %s", got)
		}
		first.addUserID("The Boss", "boss@example.org")
		r.merge(first.public(), false, noon())
		if got := r.get(first.fingerprint()).State; got != Proposed {
			t.Errorf("with an address that nobody approved it is %s", got)
		}
	})
}

func TestBlockedStaysBlocked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		k := ann(t)
		r.merge(k.public(), true, noon())
		if err := r.SetState(t.Context(), db, strings.ToLower(k.fingerprint()), Blocked, noon()); err != nil {
			t.Fatal(err)
		}
		r.merge(k.addUserID("Ann", "new@example.org").public(), true, noon())
		if c := r.get(k.fingerprint()); c.State != Blocked || len(c.UserIDs) != 2 {
			t.Errorf("an import left it %s with %d user IDs", c.State, len(c.UserIDs))
		}
		if err := r.SetState(t.Context(), db, "00", Approved, noon()); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
		if err := r.SetState(t.Context(), db, k.fingerprint(), "trusted", noon()); err == nil {
			t.Error("a state that does not exist was stored")
		}
	})
}

func TestSecretComesBackUnlocked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		k := ann(t)
		item := parseOne(t, k.locked("hunter2"), noon())
		if err := item.Unlock([]byte("hunter2")); err != nil {
			t.Fatal(err)
		}
		r.mergeItem(item, true, noon())
		r.merge(k.later(time.Hour).addUserID("Ann", "new@example.org").public(), true, noon())
		secret, err := r.Secret(t.Context(), k.fingerprint())
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := secret.SerializePrivateWithoutSigning(&out, nil); err != nil {
			t.Fatal(err)
		}
		if got := parseOne(t, out.Bytes(), noon()); !got.material.equal(parseOne(t, k.secret(), noon()).material) {
			t.Error("the secret key with its newest public packets is not what was imported")
		}
		if _, err := r.Secret(t.Context(), "00"); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
		other := bob(t)
		r.merge(other.public(), true, noon())
		if _, err := r.Secret(t.Context(), other.fingerprint()); !errors.Is(err, ErrNoSecret) {
			t.Errorf("public only: %v", err)
		}
	})
}

// TestSecretIsNowhereInClear looks for the secret numbers in all that is stored.
func TestSecretIsNowhereInClear(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		item := parseOne(t, ann(t).secret(), noon())
		r.mergeItem(item, true, noon())
		var stored [][]byte
		for _, column := range []string{
			"packets FROM certificates", "data FROM sealed_segments", "wrapped_dek FROM sealed_objects", "wrapped FROM leases",
		} {
			var values [][]byte
			if err := db.Raw("SELECT " + column).Scan(&values).Error; err != nil || len(values) == 0 {
				t.Fatalf("%s: %d rows, %v", column, len(values), err)
			}
			stored = append(stored, values...)
		}
		for _, c := range item.material.keys() {
			for _, value := range stored {
				if bytes.Contains(value, c.secret[3:]) { // without usage octet and bit count
					t.Error("a secret key is stored in clear")
				}
			}
		}
	})
}

// TestSecretSubkeysAddUp imports the subkeys first, as from an offline primary key, and the whole key later.
func TestSecretSubkeysAddUp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		k := ann(t)
		subkeysOnly := parseOne(t, k.secret(), noon()).material
		subkeysOnly.primary.secret = stub(4)
		r.merge(subkeysOnly.bytes(), true, noon())
		if c := r.get(k.fingerprint()); c.ForSigning(noon()) != NoSecretKey || !c.HasSecret {
			t.Errorf("with subkeys only: %q, secret %v", c.ForSigning(noon()), c.HasSecret)
		}
		secret, err := r.Secret(t.Context(), k.fingerprint())
		if err != nil || secret.PrivateKey != nil || secret.Subkeys[0].PrivateKey == nil {
			t.Fatalf("secret with subkeys only: %v", err)
		}
		exported, err := ExportSecret(secret, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		packets, err := splitPackets(armorBlocks(exported)[0].data)
		if err != nil || packets[0].tag != tagSecretKey || !bytes.HasSuffix(packets[0].body, stub(4)) {
			t.Errorf("the primary key was not exported as a stub: type %d, %v", packets[0].tag, err)
		}
		r.merge(k.secret(), true, noon())
		if c := r.get(k.fingerprint()); c.ForSigning(noon()) != Usable {
			t.Errorf("with everything: %q", c.ForSigning(noon()))
		}
		var versions []uint32
		if err := db.Raw("SELECT version FROM sealed_objects WHERE kind = ?", string(kms.SecretKey)).Scan(&versions).Error; err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(versions, []uint32{2}) {
			t.Errorf("sealed versions %v", versions)
		}
	})
}

func TestDeleteShredsTheSecret(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		k := ann(t)
		r.merge(k.secret(), true, noon())
		if err := r.Delete(t.Context(), db, k.fingerprint()); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"certificates", "certificate_addresses", "certificate_keys", "sealed_objects", "sealed_segments"} {
			var rows int64
			if err := db.Table(table).Count(&rows).Error; err != nil || rows != 0 {
				t.Errorf("%s has %d rows, %v", table, rows, err)
			}
		}
		if err := r.Delete(t.Context(), db, k.fingerprint()); !errors.Is(err, ErrNotFound) {
			t.Errorf("again: %v", err)
		}
		if change := r.merge(k.secret(), true, noon()); change.Outcome != Added {
			t.Errorf("import after delete: %+v", change)
		}
	})
}

func TestMergesAtTheSameTimeAddUp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		k := ann(t)
		var inputs [][]byte
		for i := range 6 {
			copyOf := parseOne(t, k.public(), noon()).material
			inputs = append(inputs, copyOf.bytes())
			k.addUserID("Ann", fmt.Sprintf("ann%d@example.org", i))
		}
		var all errgroup.Group
		for _, input := range inputs {
			all.Go(func() error {
				items, err := Parse(input, noon())
				if err != nil {
					return err
				}
				return db.Transaction(func(tx *gorm.DB) error {
					_, err := r.Merge(t.Context(), tx, items[0], Imported, true, noon())
					return err
				})
			})
		}
		if err := all.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := len(r.get(k.fingerprint()).UserIDs); got != 6 {
			t.Errorf("%d user IDs came through", got)
		}
	})
}

// TestStoredStateIsTheSameInAnyOrder is the property of merging with secret keys and a database below it.
func TestStoredStateIsTheSameInAnyOrder(t *testing.T) {
	whole := parseOne(t, eventful(t).secret(), noon()).material
	r := newRing(t, dbtest.SQLite(t))
	fingerprint := parseOne(t, whole.bytes(), noon()).Certificate.Fingerprint
	after := func(inputs [][]byte) string {
		for _, input := range inputs {
			r.merge(input, true, noon())
		}
		state := r.dump()
		if err := r.Delete(context.Background(), r.db, fingerprint); err != nil {
			t.Fatal(err)
		}
		return state
	}
	rapid.Check(t, func(rt *rapid.T) {
		variants := [][]byte{variant(rt, whole), variant(rt, whole), variant(rt, whole)}
		again := append(rapid.Permutation(variants).Draw(rt, "again"), variants...)
		once, twice := after(variants), after(again)
		held, opened, hasSecret := strings.Cut(once, "  opened: ")
		if hasSecret && !strings.HasSuffix(held, "  secret keys: "+opened) {
			rt.Fatalf("held and opened differ:\n%s", once)
		}
		if once != twice {
			rt.Fatalf("got\n%s\nand in another order\n%s", once, twice)
		}
	})
}
