package keyring

import (
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/migrations/dbtest"
)

// longLived is an own key after two years of changes, born at noon: two subkeys to encrypt, of which the first has ended,
// one to sign, one retired, and three ends one after the other.
func longLived(t *testing.T, born time.Time) own {
	t.Helper()
	o := newOwn(t, dbtest.SQLite(t), Curve25519, 0, born)
	steps := []func(at time.Time) (*Item, error){
		func(at time.Time) (*Item, error) { return AddSubkey(o.secret(), ToEncrypt, 10*aDay, at) },
		func(at time.Time) (*Item, error) { return AddSubkey(o.secret(), ToSign, 10*aDay, at) },
		func(at time.Time) (*Item, error) { return RetireSubkey(o.secret(), o.at(at).Subkeys[0].KeyID, at) },
		func(at time.Time) (*Item, error) { return AddSubkey(o.secret(), ToEncrypt, 0, at) },
		func(at time.Time) (*Item, error) { return Extend(o.secret(), born.Add(3*year), at) },
	}
	for i, step := range steps {
		at := born.Add(time.Duration(1+i*20) * aDay)
		item, err := step(at)
		o.apply(at, item, err)
	}
	return o
}

// TestMinimal: what is of no use now stays away; what ends or verifies something comes along.
func TestMinimal(t *testing.T) {
	o := longLived(t, noon())
	at := noon().Add(200 * aDay)
	full := o.at(at)
	small := full.Minimal("", at)
	if got, want := len(full.Subkeys), 4; got != want {
		t.Fatalf("the whole certificate has %d subkeys, want %d", got, want)
	}
	var kept []string
	for _, s := range small.Subkeys {
		words := map[bool]string{true: "encrypt"}[s.CanEncrypt] + map[bool]string{true: "sign"}[s.CanSign] + map[bool]string{true: " revoked"}[s.Revoked]
		kept = append(kept, words)
	}
	if got := strings.Join(kept, ", "); got != "encrypt revoked, sign, encrypt" {
		t.Errorf("kept: %s", got)
	}
	if !small.Expires.Equal(full.Expires) || small.ForEncryption(at) != Usable || small.State != full.State {
		t.Errorf("the minimal certificate is %s until %v: %q", small.State, small.Expires, small.ForEncryption(at))
	}
	if a, b := len(small.material.bytes()), len(full.material.bytes()); a >= b {
		t.Errorf("minimal has %d octets, the whole %d", a, b)
	}
	for _, c := range append([]component{small.material.primary}, append(small.material.userIDs, small.material.subkeys...)...) {
		if bound := len(c.sigs); bound > 2 {
			t.Errorf("a part carries %d signatures", bound)
		}
	}
}

// TestMinimalForOneAddress: a web key directory tells nothing but what it was asked for.
func TestMinimalForOneAddress(t *testing.T) {
	k := newKeyAt(t, noon(), "Support", "support@desk.test").later(time.Hour).addUserID("Sales", "Sales@desk.test").addUserID("Old", "old@desk.test")
	k.later(time.Hour).revokeUserID("Old <old@desk.test>")
	c := parseOne(t, k.public(), noon().Add(aDay)).Certificate
	for address, want := range map[string]string{
		"":                  "Old <old@desk.test>, Sales <Sales@desk.test>, Support <support@desk.test>",
		"sales@desk.test":   "Sales <Sales@desk.test>",
		"old@desk.test":     "Old <old@desk.test>",
		"nobody@desk.test":  "",
		"support@DESK.test": "Support <support@desk.test>",
	} {
		if got := strings.Join(texts(c.Minimal(address, noon().Add(aDay))), ", "); got != want {
			t.Errorf("for %q: %s, want %s", address, got, want)
		}
	}
	if old := c.Minimal("old@desk.test", noon().Add(aDay)); !old.UserIDs[0].Revoked {
		t.Error("the revocation of the user ID is lost")
	}
}

// TestMinimalBringsARevocation: who has the certificate from before learns that it has ended.
func TestMinimalBringsARevocation(t *testing.T) {
	k := newKeyAt(t, noon(), "Support", "support@desk.test")
	before := parseOne(t, k.public(), noon()).Certificate
	after := parseOne(t, k.later(aDay).revoke(packet.KeyCompromised).public(), k.now).Certificate
	merged, err := DefaultLimits().combine(before, after.Minimal("", k.now), k.now)
	if err != nil || !merged.Revoked {
		t.Errorf("revoked is %v, %v", merged.Revoked, err)
	}
}

// TestPeersReadMinimal: gpg and sq see the same in the minimal certificate as in the whole.
func TestPeersReadMinimal(t *testing.T) {
	g, s := bed.NewGPG(t), bed.NewSQ(t)
	o := longLived(t, time.Now().Add(-200*aDay))
	now := time.Now()
	small := o.at(now).Minimal("", now)
	armored, err := small.Armored()
	if err != nil {
		t.Fatal(err)
	}
	g.Import(t, armored)
	listed, _ := g.Run(t, nil, "--with-colons", "--list-keys", o.fingerprint)
	if all := string(listed); strings.Count(all, "\nsub:") != 3 || strings.Count(all, "\nsub:r:") != 1 || strings.Count(all, "\nsub:e:") != 1 {
		t.Errorf("gpg reads\n%s", all)
	}
	g.Run(t, []byte("hello"), "--encrypt", "--trust-model", "always", "--recipient", o.fingerprint)
	if _, err := s.Encrypt([]byte("hello"), nil, armored); err != nil {
		t.Errorf("sq does not encrypt: %v", err)
	}
}
