package keyring

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"
	"pgregory.net/rapid"
)

// arrivals are all that may be imported of one key over its life: copies of every age, with and without secrets, copies
// without user IDs as keyservers send them, and the bare revocation. The first is its first copy.
func arrivals(t testing.TB) [][]byte {
	k := newKeyAt(t, lastYear(), "Ann", "ann@example.org").addUserID("Ann Old", "old@example.org")
	copies := [][]byte{k.public(), k.secret()}
	stage := func(change func()) {
		k.later(time.Hour)
		change()
		copies = append(copies, k.public())
	}
	stage(func() { k.addUserID("Ann New", "new@example.org") })
	stage(func() { k.revokeUserID("Ann Old <old@example.org>") })
	stage(func() { k.must(k.AddEncryptionSubkey(&k.cfg)) })
	stage(func() {
		k.cfg.KeyLifetimeSecs = 2 * 365 * 86400
		k.must(k.AddSigningSubkey(&k.cfg))
		k.cfg.KeyLifetimeSecs = 0
	})
	stage(func() { k.must(k.Subkeys[0].Revoke(packet.KeyRetired, "", &k.cfg)) })
	stage(func() { extended(k, 0) })
	secret := parseOne(t, k.secret(), noon()).material
	for _, keep := range []int{0, 1, 2, 3} { // the secret of one key alone
		one := secret.public()
		if keep == 0 {
			one.primary.secret = secret.primary.secret
		} else {
			one.subkeys[keep-1].secret = secret.subkeys[keep-1].secret
		}
		copies = append(copies, one.bytes())
	}
	nameless := secret.public()
	nameless.userIDs = nil
	k.later(time.Hour).revoke(packet.KeyRetired)
	var bare bytes.Buffer
	k.must(k.Revocations[0].Packet.Serialize(&bare))
	revoked := nameless
	revoked.primary.sigs = [][]byte{parseOne(t, k.public(), noon()).material.primary.sigs[0]}
	return append(copies, nameless.bytes(), revoked.bytes(), bare.Bytes())
}

// rows is what is stored of certificates, octet by octet, without when it came.
func (r ring) rows() string {
	r.t.Helper()
	var out strings.Builder
	var certificates []certificateRow
	var addresses []addressRow
	var keys []keyRow
	for _, err := range []error{
		r.db.Order("fingerprint").Find(&certificates).Error,
		r.db.Order("address, fingerprint").Find(&addresses).Error,
		r.db.Order("key_fingerprint, fingerprint").Find(&keys).Error,
	} {
		if err != nil {
			r.t.Fatal(err)
		}
	}
	for _, c := range certificates {
		fmt.Fprintf(&out, "%s %s packets %x\n  secrets %s, created %d, expires %d, breaks %d, revoked %v\n",
			c.Fingerprint, c.State, c.Packets, c.SecretKeys, c.CreatedMS, c.ExpiresMS, c.BreaksMS, c.Revoked)
		if c.SecretVersion > 0 {
			fmt.Fprintf(&out, "  opened %s\n", strings.Join(r.openedKeys(c.Fingerprint), " "))
		}
	}
	fmt.Fprintf(&out, "%v\n%v\n", addresses, keys)
	return out.String()
}

// after imports into an empty keyring and returns what is stored then.
func (r ring) after(inputs [][]byte) string {
	r.t.Helper()
	for _, input := range inputs {
		items, err := Parse(input, noon())
		if err != nil || len(items) != 1 {
			r.t.Fatal(items, err)
		}
		r.mergeItem(items[0], true, noon())
	}
	stored := r.rows()
	var fingerprints []string
	if err := r.db.Model(&certificateRow{}).Pluck("fingerprint", &fingerprints).Error; err != nil {
		r.t.Fatal(err)
	}
	for _, f := range fingerprints {
		if err := r.db.Transaction(func(tx *gorm.DB) error { return r.Delete(r.t.Context(), tx, f) }); err != nil {
			r.t.Fatal(err)
		}
	}
	return stored
}

// TestOrderOfImportsDoesNotMatter: any permutation and repetition of imports of a certificate leaves the same rows, once
// a copy with a user ID has come.
func TestOrderOfImportsDoesNotMatter(t *testing.T) {
	all := arrivals(t)
	first, rest := all[0], all[1:]
	property := func(r ring, rounds *rapid.T, fail func(string, ...any)) {
		drawn := rapid.SliceOfN(rapid.SampledFrom(rest), 1, 8).Draw(rounds, "imports")
		shuffled := rapid.Permutation(slices.Concat(drawn, drawn, [][]byte{first})).Draw(rounds, "order")
		once := r.after(append([][]byte{first}, drawn...))
		again := r.after(append([][]byte{first}, shuffled...))
		if once != again {
			fail("stored\n%s\nand in another order\n%s", once, again)
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		r := newRing(t, dbtest.SQLite(t))
		rapid.Check(t, func(rt *rapid.T) { property(r, rt, rt.Fatalf) })
	})
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		// The whole life forwards, backwards, and each single arrival in front.
		want := r.after(all)
		backwards := slices.Clone(rest)
		slices.Reverse(backwards)
		if got := r.after(append([][]byte{first}, backwards...)); got != want {
			t.Errorf("backwards\n%s\nwant\n%s", got, want)
		}
		for i := range rest {
			order := slices.Concat([][]byte{first, rest[i]}, rest[i+1:], rest[:i], [][]byte{rest[i]})
			if got := r.after(order); got != want {
				t.Errorf("with %d in front\n%s\nwant\n%s", i, got, want)
			}
		}
	})
}

// TestNothingIsAddedAlone: a bare revocation and a copy without user IDs that come before their certificate are refused with
// a sentence, leave nothing behind, and count when they come again.
func TestNothingIsAddedAlone(t *testing.T) {
	all := arrivals(t)
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		empty := r.rows()
		alone := all[len(all)-3:]
		for i, input := range alone {
			items, err := Parse(input, noon())
			if err != nil {
				t.Fatal(err)
			}
			change := r.mergeItem(items[0], true, noon())
			if change.Outcome != Refused || !strings.Contains(change.Sentence, "certificate first") || r.rows() != empty {
				t.Errorf("%d alone: %+v", i, change)
			}
		}
		want := r.after(slices.Concat(all[:1], alone))
		if got := r.after(slices.Concat(alone, all[:1], alone)); got != want {
			t.Errorf("refused before\n%s\nwant\n%s", got, want)
		}
	})
}

// TestTheFirstOfTwoCertificatesStaysApproved is the one thing that the order decides: which of two certificates for an
// address is used until a person says otherwise. Packets and indices are the same in both orders.
func TestTheFirstOfTwoCertificatesStaysApproved(t *testing.T) {
	one := newKeyAt(t, lastYear(), "Ann", "ann@example.org")
	other := newKeyAt(t, lastYear(), "Ann", "ann@example.org")
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		states := func(first, second *key) (State, State) {
			r.merge(first.public(), true, noon())
			r.merge(second.public(), true, noon())
			r.merge(first.public(), true, noon())
			r.merge(second.public(), true, noon())
			return r.get(one.fingerprint()).State, r.get(other.fingerprint()).State
		}
		if a, b := states(one, other); a != Approved || b != Proposed {
			t.Errorf("one is %s, the other %s", a, b)
		}
		forwards := strings.NewReplacer("approved", "", "proposed", "").Replace(r.after(nil))
		if a, b := states(other, one); a != Proposed || b != Approved {
			t.Errorf("in the other order one is %s, the other %s", a, b)
		}
		if backwards := strings.NewReplacer("approved", "", "proposed", "").Replace(r.after(nil)); backwards != forwards {
			t.Errorf("stored\n%s\nand in the other order\n%s", forwards, backwards)
		}
	})
}

// TestFirstImportsAtTheSameTime: whoever comes first adds, the others find it there; nothing of any copy is lost.
func TestFirstImportsAtTheSameTime(t *testing.T) {
	all := arrivals(t)
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		want := r.after(all[:12])
		for range 3 {
			changes := r.atOnce(all[:12])
			added := 0
			for _, c := range changes {
				if c.Outcome == Added {
					added++
				}
			}
			if added != 1 {
				t.Errorf("added %d times: %+v", added, changes)
			}
			if got := r.after(nil); got != want {
				t.Errorf("stored\n%s\nwant\n%s", got, want)
			}
		}
	})
}

// TestFirstCertificatesOfAnAddressAtTheSameTime: of several, one is approved and the others wait, with their conflict named.
func TestFirstCertificatesOfAnAddressAtTheSameTime(t *testing.T) {
	var inputs [][]byte
	for range 6 {
		inputs = append(inputs, newKeyAt(t, lastYear(), "Ann", "ann@example.org").public())
	}
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		for range 3 {
			conflicts := 0
			for _, c := range r.atOnce(inputs) {
				if c.Outcome != Added {
					t.Errorf("%+v", c)
				}
				conflicts += len(c.Conflicts)
			}
			stored := r.after(nil)
			if a, p := strings.Count(stored, " approved "), strings.Count(stored, " proposed "); a != 1 || p != 5 || conflicts != 5 {
				t.Errorf("%d approved, %d proposed, %d conflicts", a, p, conflicts)
			}
		}
	})
}

// atOnce imports each input in a transaction of its own, all at the same time.
func (r ring) atOnce(inputs [][]byte) []Change {
	r.t.Helper()
	if err := r.keeper.Ready(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	changes := make([]Change, len(inputs))
	var all errgroup.Group
	for i, input := range inputs {
		all.Go(func() error {
			items, err := Parse(input, noon())
			if err != nil {
				return err
			}
			if err := items[0].Unlock(nil); err != nil {
				return err
			}
			return r.db.Transaction(func(tx *gorm.DB) error {
				changes[i], err = r.Merge(r.t.Context(), tx, items[0], Imported, true, noon())
				return err
			})
		})
	}
	if err := all.Wait(); err != nil {
		r.t.Fatal(err)
	}
	return changes
}

// TestVouchingCoversWhatCame: who imports a copy that says less than a proposal, or nothing, approves nothing of the rest.
func TestVouchingCoversWhatCame(t *testing.T) {
	k := newKeyAt(t, lastYear(), "Ann", "ann@example.org")
	less := k.public()
	more := k.later(time.Hour).addUserID("Ann", "ceo@example.org").public()
	nameless := parseOne(t, more, noon()).material
	nameless.userIDs = nil
	r := newRing(t, dbtest.SQLite(t))
	r.merge(more, false, noon())
	for name, c := range map[string]struct {
		input []byte
		want  State
	}{"less": {less, Proposed}, "no user ID": {nameless.bytes(), Proposed}} {
		r.merge(c.input, true, noon())
		if got := r.get(k.fingerprint()).State; got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if r.merge(more, true, noon()); r.get(k.fingerprint()).State != Approved {
		t.Error("all of it was vouched for, and it still waits")
	}
}
