package keyring

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// TestJudgeAtFiveInstants is the matrix of what a certificate is good for, over time: the day before it was made, a
// month, three, seven and twelve months after. Its events happen at two and at six months.
func TestJudgeAtFiveInstants(t *testing.T) {
	const month = 30 * 24 * time.Hour
	start := noon()
	made := func(change ...func(*packet.Config)) *key {
		return newKeyAt(t, start, "Ann", "ann@example.org", change...)
	}
	var out strings.Builder
	for _, c := range []struct {
		name string
		key  *key
	}{
		{"plain", made()},
		{"expires after six months", made(lifetime(6 * month))},
		{"expires after two months, extended at six", extended(made(lifetime(2*month)), 6*month)},
		{"compromised at six months", made().later(6 * month).revoke(packet.KeyCompromised)},
		{"revoked without reason at six months", made().later(6 * month).revoke(packet.NoReason)},
		{"retired at six months", made().later(6 * month).revoke(packet.KeyRetired)},
		{"subkey expires after two months", subkeyFor(made(), 2*month)},
		{"subkey revoked at two months", subkeyRevoked(made(), 2*month)},
		{"second subkey from six months on", secondSubkey(subkeyFor(made(), 2*month), 6*month)},
		{"user ID revoked at two months", made().later(2 * month).revokeUserID("Ann <ann@example.org>")},
		{"without encryption subkey", withoutSubkeys(made())},
		{"RSA 1024", made(rsa1024)},
		{"version 6", made(version6)},
	} {
		fmt.Fprintf(&out, "%s\n", c.name)
		item := parseOne(t, c.key.secret(), start)
		item.Certificate.State = Approved
		for _, at := range []time.Duration{-24 * time.Hour, month, 3 * month, 7 * month, 12 * month} {
			when := start.Add(at)
			fmt.Fprintf(&out, "  %4d days: encrypt %s, sign %s\n", at/(24*time.Hour),
				usable(item.Certificate.ForEncryption(when)), usable(item.Certificate.ForSigning(when)))
		}
	}
	golden(t, "judged", out.String())
}

// extended signs the user ID again, without expiry.
func extended(k *key, after time.Duration) *key {
	k.later(after)
	identity := k.Identities["Ann <ann@example.org>"]
	old := *identity.SelfCertifications[0].Packet
	old.KeyLifetimeSecs = nil
	old.CreationTime = k.now
	k.must(old.SignUserId(identity.Name, k.PrimaryKey, k.PrivateKey, &k.cfg))
	identity.SelfCertifications = append(identity.SelfCertifications, packet.NewVerifiableSig(&old))
	return k
}

func subkeyFor(k *key, d time.Duration) *key {
	k.Subkeys = nil
	k.cfg.KeyLifetimeSecs = uint32(d / time.Second)
	k.must(k.AddEncryptionSubkey(&k.cfg))
	k.cfg.KeyLifetimeSecs = 0
	return k
}

func secondSubkey(k *key, after time.Duration) *key {
	k.later(after)
	k.must(k.AddEncryptionSubkey(&k.cfg))
	return k
}

func subkeyRevoked(k *key, after time.Duration) *key {
	k.later(after)
	k.must(k.Subkeys[0].Revoke(packet.KeyRetired, "", &k.cfg))
	return k
}

func withoutSubkeys(k *key) *key {
	k.Subkeys = nil
	return k
}

func TestTheEarliestExpiryCounts(t *testing.T) {
	never, early, late := time.Time{}, noon(), noon().Add(time.Hour)
	for _, c := range []struct{ a, b, want time.Time }{
		{never, never, never}, {never, late, late}, {late, never, late}, {early, late, early}, {late, early, early},
	} {
		if got := earliest(c.a, c.b); !got.Equal(c.want) {
			t.Errorf("of %v and %v it is %v", c.a, c.b, got)
		}
	}
}

// TestJudgingDoesNotWrite judges one certificate at many instants at once; the race detector watches.
func TestJudgingDoesNotWrite(t *testing.T) {
	c := parseOne(t, eventful(t).secret(), noon()).Certificate
	c.State = Approved
	var all sync.WaitGroup
	for day := range 8 {
		all.Go(func() {
			at := lastYear().Add(time.Duration(day*100) * 24 * time.Hour)
			c.ForEncryption(at)
			c.ForSigning(at)
			c.Entity.DecryptionKeys(0, at, nil)
		})
	}
	all.Wait()
}

func TestStateCounts(t *testing.T) {
	c := parseOne(t, ann(t).secret(), noon()).Certificate
	for state, want := range map[State]Reason{Approved: Usable, Proposed: NotApproved, "": NotApproved, Blocked: BlockedByUs} {
		c.State = state
		if e, s := c.ForEncryption(noon()), c.ForSigning(noon()); e != want || s != want {
			t.Errorf("%s: for encryption %q, for signing %q, want %q", state, e, s, want)
		}
	}
}

func TestSigningSubkeyNeedsItsBackSignature(t *testing.T) {
	k := ann(t)
	k.must(k.AddSigningSubkey(&k.cfg))
	if got := parseOne(t, k.public(), noon()).Certificate; len(got.Subkeys) != 2 {
		t.Fatalf("the honest signing subkey is missing: %v", got.Subkeys)
	}
	binding := k.Subkeys[1].Bindings[0].Packet
	binding.EmbeddedSignature = nil
	k.must(binding.SignKey(k.Subkeys[1].PublicKey, k.PrivateKey, &k.cfg))
	if got := parseOne(t, k.public(), noon()).Certificate; len(got.Subkeys) != 1 {
		t.Errorf("a signing subkey without back-signature stayed: %v", got.Subkeys)
	}
}

func TestChoose(t *testing.T) {
	usable := func(at time.Time, change ...func(*packet.Config)) *Certificate {
		c := parseOne(t, newKeyAt(t, at, "Ann", "ann@example.org", change...).public(), noon()).Certificate
		c.State = Approved
		return c
	}
	older := usable(lastYear())
	newer := usable(lastYear().Add(24 * time.Hour))
	expired := usable(lastYear().Add(48*time.Hour), lifetime(time.Hour))
	proposed := usable(noon().Add(-time.Hour))
	proposed.State = Proposed

	best, rejected := Choose([]*Certificate{proposed, expired, older, newer}, noon())
	if best != newer {
		t.Errorf("chose the certificate of %v", best.Created)
	}
	if len(rejected) != 2 || rejected[0] != (Rejected{proposed, NotApproved}) || rejected[1] != (Rejected{expired, Expired}) {
		t.Errorf("rejected %v", rejected)
	}
	if best, _ := Choose([]*Certificate{expired}, noon()); best != nil {
		t.Error("chose an expired certificate")
	}
	twin := usable(newer.Created)
	one, _ := Choose([]*Certificate{twin, newer}, noon())
	other, _ := Choose([]*Certificate{newer, twin}, noon())
	if one != other {
		t.Error("the choice between two of the same second depends on their order")
	}
}
