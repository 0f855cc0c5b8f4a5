package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// own is a key of ours in a ring, changed step by step.
type own struct {
	ring
	fingerprint string
}

func newOwn(t *testing.T, db *gorm.DB, kind Kind, lifetime time.Duration, at time.Time) own {
	t.Helper()
	r := newRing(t, db)
	item, err := Generate(kind, "Support Team", "support@desk.test", lifetime, at)
	if err != nil {
		t.Fatal(err)
	}
	if change := r.mergeItem(item, true, at); change.Outcome != Added {
		t.Fatalf("the new key is %+v", change)
	}
	return own{r, item.Certificate.Fingerprint}
}

func (o own) secret() *openpgp.Entity {
	o.t.Helper()
	e, err := o.Secret(o.t.Context(), o.fingerprint)
	if err != nil {
		o.t.Fatal(err)
	}
	return e
}

// apply merges a change and returns what it brought, in words.
func (o own) apply(at time.Time, item *Item, err error) string {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
	return strings.Join(o.mergeItem(item, true, at).Details, "; ")
}

func (o own) at(when time.Time) *Certificate {
	o.t.Helper()
	c, err := o.Get(o.t.Context(), o.fingerprint, when)
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// encryptsTo is the key id to which a message would be encrypted.
func (o own) encryptsTo(when time.Time) string {
	key, ok := o.at(when).Entity.EncryptionKey(when, nil)
	if !ok {
		return "nothing"
	}
	return key.PublicKey.KeyIdString()
}

const aDay = 24 * time.Hour

// TestLifeOfAnOwnKey extends, adds and retires subkeys, and revokes, for every kind of key; old copies undo nothing.
func TestLifeOfAnOwnKey(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			born := noon()
			o := newOwn(t, dbtest.SQLite(t), kind, year, born)
			young := o.at(born)
			if got := young.ForEncryption(born.Add(400 * aDay)); got != Expired {
				t.Errorf("after its end it is %q", got)
			}
			until := born.Add(3 * year)
			item, err := Extend(o.secret(), until, born.Add(180*aDay))
			if got := o.apply(born.Add(180*aDay), item, err); got != "expires on "+until.Format(time.DateOnly) {
				t.Errorf("extending brought %q", got)
			}
			later := born.Add(400 * aDay)
			if c := o.at(later); c.ForEncryption(later) != Usable || c.ForSigning(later) != Usable {
				t.Errorf("extended, it is %q to encrypt, %q to sign", c.ForEncryption(later), c.ForSigning(later))
			}
			first := o.encryptsTo(later)
			item, err = AddSubkey(o.secret(), ToEncrypt, year, later)
			if got := o.apply(later, item, err); !strings.HasPrefix(got, "new subkey ") || !strings.HasSuffix(got, "1 secret subkeys added") {
				t.Errorf("adding a subkey brought %q", got)
			}
			item, err = AddSubkey(o.secret(), ToSign, 0, later)
			o.apply(later, item, err)
			second := o.encryptsTo(later.Add(aDay))
			if first == second {
				t.Error("the new subkey is not used")
			}
			signs, _ := o.at(later.Add(aDay)).Entity.SigningKey(later.Add(aDay), nil)
			if signs.IsPrimary() {
				t.Error("the new subkey does not sign")
			}
			item, err = RetireSubkey(o.secret(), second, later.Add(10*aDay))
			if got := o.apply(later.Add(10*aDay), item, err); got != "subkey "+second+" revoked" {
				t.Errorf("retiring brought %q", got)
			}
			if got := o.encryptsTo(later.Add(11 * aDay)); got != first {
				t.Errorf("after retiring it encrypts to %s, not %s", got, first)
			}
			if held := o.secret(); len(held.Subkeys) != 3 || held.Subkeys[1].PrivateKey == nil && held.Subkeys[2].PrivateKey == nil {
				t.Error("the retired subkey opens nothing any more")
			}
			item, err = Revoke(o.secret(), Superseded, "we have a new one", later.Add(20*aDay))
			if got := o.apply(later.Add(20*aDay), item, err); got != "revoked" {
				t.Errorf("revoking brought %q", got)
			}
			binary, _ := young.Binary()
			if change := o.merge(binary, true, later.Add(21*aDay)); change.Outcome != Unchanged {
				t.Errorf("an old copy is %+v", change)
			}
			gone := o.at(later.Add(22 * aDay))
			if gone.ForEncryption(later.Add(22*aDay)) != RevokedKey || gone.ForSigning(later.Add(22*aDay)) != RevokedKey {
				t.Error("a revoked key is used")
			}
			if c := o.at(later.Add(15 * aDay)); c.ForSigning(later.Add(15*aDay)) != Usable {
				t.Error("a soft revocation takes back what was signed before")
			}
		})
	}
}

// TestEveryChangeAtOnceCounts: a key that was made this second can be extended, shortened and revoked this second.
func TestEveryChangeAtOnceCounts(t *testing.T) {
	o := newOwn(t, dbtest.SQLite(t), Curve25519, year, noon())
	for _, until := range []time.Time{{}, noon().Add(2 * aDay), noon().Add(5 * year)} {
		item, err := Extend(o.secret(), until, noon())
		o.apply(noon(), item, err)
		if got := o.at(noon().Add(time.Hour)).Expires; !got.Equal(until) {
			t.Errorf("it ends at %s, not at %s", got, until)
		}
	}
	item, err := Revoke(o.secret(), Retired, "", noon())
	o.apply(noon(), item, err)
	if got := o.at(noon().Add(time.Hour)).ForSigning(noon().Add(time.Hour)); got != RevokedKey {
		t.Errorf("it is %q", got)
	}
}

// TestRefusedChanges: each says what is wrong, and changes nothing.
func TestRefusedChanges(t *testing.T) {
	o := newOwn(t, dbtest.SQLite(t), Curve25519, year, noon())
	onlySubkeys := o.secret()
	onlySubkeys.PrivateKey = nil
	revoked := o.secret()
	if err := revoked.Revoke(packet.KeyCompromised, "", configFor(revoked.PrimaryKey, noon())); err != nil {
		t.Fatal(err)
	}
	at := noon().Add(aDay)
	_, err1 := Extend(o.secret(), noon(), at)
	_, err2 := Extend(o.secret(), noon().Add(200*year), at)
	_, err3 := Extend(revoked, noon().Add(2*year), at)
	_, err4 := Extend(onlySubkeys, noon().Add(2*year), at)
	_, err5 := AddSubkey(o.secret(), "knit", 0, at)
	_, err6 := AddSubkey(o.secret(), ToSign, -time.Second, at)
	_, err7 := RetireSubkey(o.secret(), "0000000000000000", at)
	_, err8 := Revoke(o.secret(), "bored", "", at)
	_, err9 := Revoke(o.secret(), Retired, "two\nlines", at)
	_, err10 := Revoke(revoked, Retired, "", at)
	_, err11 := Generate("dsa", "", "a@x.test", 0, at)
	for i, c := range []struct {
		err  error
		want string
	}{
		{err1, "in the past"},
		{err2, "136 years"},
		{err3, "cannot be taken back"},
		{err4, "is not held here"},
		{err5, "to sign or to encrypt"},
		{err6, "cannot live that long"},
		{err7, "no such subkey"},
		{err8, "say why"},
		{err9, "one line"},
		{err10, "revoked already"},
		{err11, "no kind of key"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%d: %v, want words with %q", i+1, c.err, c.want)
		}
	}
}

// TestRevocationMadeInAdvance: the sealed revocation ends the key without its secret key, here and in gpg; one that
// another key signed does not, and one for an unknown certificate says what is missing.
func TestRevocationMadeInAdvance(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		o := newOwn(t, db, Curve25519, year, noon())
		made, err := RevocationCertificate(o.secret(), noon())
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Transaction(func(tx *gorm.DB) error { return o.SealRevocation(t.Context(), tx, o.fingerprint, made) }); err != nil {
			t.Fatal(err)
		}
		kept, err := o.Revocation(t.Context(), o.fingerprint)
		if err != nil || !bytes.Equal(kept, made) {
			t.Fatalf("kept is %q, %v", kept, err)
		}
		if got := o.at(noon().Add(aDay)).ForSigning(noon().Add(aDay)); got != Usable {
			t.Errorf("the sealed revocation revokes by itself: %q", got)
		}
		stranger := newKeyAt(t, noon(), "Mallory", "m@x.test")
		forged := decoded(t, mustRevocation(t, stranger))
		forged = bytes.ReplaceAll(forged, stranger.PrimaryKey.Fingerprint, o.secret().PrimaryKey.Fingerprint)
		for what, c := range map[string]struct {
			input []byte
			want  string
		}{
			"forged":  {[]byte(armored(t, "PUBLIC KEY BLOCK", forged)), "was not made by the key that it names"},
			"unknown": {mustRevocation(t, newKeyAt(t, noon(), "Ann", "a@x.test")), "is not known here"},
		} {
			items, err := Parse(c.input, noon())
			if err != nil || len(items) != 1 || !items[0].IsRevocation() {
				t.Fatalf("%s: %d items, %v", what, len(items), err)
			}
			if change := o.mergeItem(items[0], true, noon()); change.Outcome != Refused || !strings.Contains(change.Sentence, c.want) {
				t.Errorf("%s: %+v", what, change)
			}
		}
		items, err := Parse(kept, noon().Add(aDay))
		if err != nil {
			t.Fatal(err)
		}
		if change := o.mergeItem(items[0], false, noon().Add(aDay)); change.Outcome != Updated || strings.Join(change.Details, "") != "revoked" {
			t.Errorf("applied: %+v", change)
		}
		if c := o.at(noon().Add(aDay)); c.ForSigning(noon().Add(aDay)) != RevokedKey || c.State != Approved || !c.HasSecret {
			t.Errorf("it is %q, %s, secret %v", c.ForSigning(noon().Add(aDay)), c.State, c.HasSecret)
		}
		if err := db.Transaction(func(tx *gorm.DB) error { return o.Delete(t.Context(), tx, o.fingerprint) }); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Revocation(t.Context(), o.fingerprint); !errors.Is(err, ErrNoRevocation) {
			t.Errorf("after deleting: %v", err)
		}
	})
}

// decoded takes the armor away.
func decoded(t *testing.T, text []byte) []byte {
	t.Helper()
	block, err := armor.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(block.Body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustRevocation(t *testing.T, k *key) []byte {
	t.Helper()
	made, err := RevocationCertificate(k.Entity, k.now)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestGPGFollowsAnOwnKey: gpg takes every change as an update of the certificate it has.
func TestGPGFollowsAnOwnKey(t *testing.T) {
	for _, kind := range []Kind{Curve25519, RSA3072} {
		t.Run(string(kind), func(t *testing.T) {
			g := bed.NewGPG(t)
			born := time.Now().Add(-time.Hour)
			o := newOwn(t, dbtest.SQLite(t), kind, 30*time.Minute, born)
			show := func() string {
				t.Helper()
				certificate, err := o.at(time.Now()).Armored()
				if err != nil {
					t.Fatal(err)
				}
				g.Import(t, certificate)
				listed, _ := g.Run(t, nil, "--with-colons", "--list-keys", o.fingerprint)
				return string(listed)
			}
			if got := show(); !strings.Contains(got, "pub:e:") {
				t.Errorf("expired, gpg says\n%s", got)
			}
			item, err := Extend(o.secret(), time.Now().Add(year), time.Now().Add(-10*time.Minute))
			o.apply(time.Now(), item, err)
			if got := show(); strings.Contains(got, "pub:e:") {
				t.Errorf("extended, gpg says\n%s", got)
			}
			item, err = AddSubkey(o.secret(), ToEncrypt, 0, time.Now().Add(-5*time.Minute))
			o.apply(time.Now(), item, err)
			item, err = AddSubkey(o.secret(), ToSign, 0, time.Now().Add(-5*time.Minute))
			o.apply(time.Now(), item, err)
			if got := show(); strings.Count(got, "\nsub:") != 3 {
				t.Errorf("with subkeys, gpg says\n%s", got)
			}
			ciphertext, _ := g.Run(t, []byte("hello"), "--encrypt", "--trust-model", "always", "--recipient", o.fingerprint)
			if got := fmt.Sprintf("%016X", readersOf(t, ciphertext)); got != "["+o.encryptsTo(time.Now())+"]" {
				t.Errorf("gpg encrypts to %s, we to %s", got, o.encryptsTo(time.Now()))
			}
			revocation, err := RevocationCertificate(o.secret(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			g.Run(t, revocation, "--import")
			if got := show(); !strings.Contains(got, "pub:r:") {
				t.Errorf("revoked, gpg says\n%s", got)
			}
		})
	}
}

func readersOf(t *testing.T, ciphertext []byte) (ids []uint64) {
	t.Helper()
	packets := packet.NewReader(bytes.NewReader(ciphertext))
	for {
		p, err := packets.Next()
		key, ok := p.(*packet.EncryptedKey)
		if err != nil || !ok {
			return ids
		}
		ids = append(ids, key.KeyId)
	}
}

// TestGPGRevocationIsGuardedByAColon: the file that GnuPG makes with each key is refused with the right words.
func TestGPGRevocationIsGuardedByAColon(t *testing.T) {
	g := bed.NewGPG(t)
	fpr := g.Generate(t, "Ann <ann@customer.test>", "")
	guarded, err := os.ReadFile(filepath.Join(g.Home, "openpgp-revocs.d", fpr+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(guarded, time.Now()); err == nil || !strings.Contains(err.Error(), "take the colon out") {
		t.Errorf("with its colon: %v", err)
	}
	if items, err := Parse([]byte(strings.Replace(string(guarded), "\n:-----", "\n-----", 1)), time.Now()); err != nil || len(items) != 1 || !items[0].IsRevocation() {
		t.Errorf("without: %+v, %v", items, err)
	}
}

// TestGPGRevocationEndsItsKey: the revocation that gpg writes when it makes a key is taken as it is.
func TestGPGRevocationEndsItsKey(t *testing.T) {
	g := bed.NewGPG(t)
	fingerprint := g.Generate(t, "Ann <ann@example.org>", "")
	r := newRing(t, dbtest.SQLite(t))
	r.merge(g.Export(t, fingerprint), true, time.Now())
	files, err := filepath.Glob(filepath.Join(g.Home, "openpgp-revocs.d", "*.rev"))
	if err != nil || len(files) != 1 {
		t.Fatalf("gpg left %q, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	// The colon keeps people from importing it by accident; its own words tell them to remove it.
	items, err := Parse(bytes.Replace(text, []byte(":-----BEGIN"), []byte("-----BEGIN"), 1), time.Now())
	if err != nil || len(items) != 1 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	if change := r.mergeItem(items[0], true, time.Now()); strings.Join(change.Details, "") != "revoked" {
		t.Errorf("the change is %+v", change)
	}
}

// TestSQReadsAnOwnKey: Sequoia's sq encrypts to every kind and reads what it signs with a new subkey.
func TestSQReadsAnOwnKey(t *testing.T) {
	s := bed.NewSQ(t)
	for _, kind := range []Kind{Curve25519, RSA3072} {
		born := time.Now().Add(-time.Hour)
		o := newOwn(t, dbtest.SQLite(t), kind, year, born)
		item, err := AddSubkey(o.secret(), ToSign, 0, born.Add(time.Minute))
		o.apply(time.Now(), item, err)
		item, err = Extend(o.secret(), time.Now().Add(2*year), born.Add(2*time.Minute))
		o.apply(time.Now(), item, err)
		certificate, err := o.at(time.Now()).Armored()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Encrypt([]byte("hello"), nil, certificate); err != nil {
			t.Errorf("%s: sq does not encrypt: %v", kind, err)
		}
	}
}
