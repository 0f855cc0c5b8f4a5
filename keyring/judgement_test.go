package keyring

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// revokedFor is a key that was revoked after two months, with the owner's own words beside the reason.
func revokedFor(t testing.TB, reason packet.ReasonForRevocation, text string) *key {
	k := newKeyAt(t, lastYear(), "Ann", "ann@example.org").later(60 * 24 * time.Hour)
	k.must(k.Revoke(reason, text, &k.cfg))
	return k
}

// withoutReason revokes without the subpacket for it.
func withoutReason(k *key) *key {
	k.later(time.Hour).revoke(packet.NoReason)
	sig := k.Revocations[0].Packet
	sig.RevocationReason = nil
	k.must(sig.RevokeKey(k.PrimaryKey, k.PrivateKey, &k.cfg))
	return k
}

func subkeyStolen(k *key) *key {
	k.later(60 * 24 * time.Hour)
	k.must(k.Subkeys[0].Revoke(packet.KeyCompromised, "laptop\nstolen", &k.cfg))
	return k
}

// signingSubkeyEnded has a primary key that only certifies, and a signing subkey of an hour.
func signingSubkeyEnded(k *key) *key {
	k.cfg.KeyLifetimeSecs = 3600
	k.must(k.AddSigningSubkey(&k.cfg))
	k.cfg.KeyLifetimeSecs = 0
	return onlyCertifies(k)
}

func onlyCertifies(k *key) *key {
	identity := k.Identities["Ann <ann@example.org>"]
	sig := identity.SelfCertifications[0].Packet
	sig.FlagSign = false
	k.must(sig.SignUserId(identity.Name, k.PrimaryKey, k.PrivateKey, &k.cfg))
	return k
}

// TestJudgeInWords is all that is ever said about a certificate, for each use: to people who hold its secret key, and to
// those who do not.
func TestJudgeInWords(t *testing.T) {
	made := func(change ...func(*packet.Config)) *key {
		return newKeyAt(t, lastYear(), "Ann", "ann@example.org", change...)
	}
	var out strings.Builder
	for _, c := range []struct {
		name  string
		key   *key
		state State
	}{
		{"good", made(), Approved},
		{"expired", made(lifetime(30 * 24 * time.Hour)), Approved},
		{"not yet valid", newKeyAt(t, noon().Add(24*time.Hour), "Ann", "ann@example.org"), Approved},
		{"stolen", revokedFor(t, packet.KeyCompromised, "\u201claptop\r\n gone\u201d \x1b[2J\u202e"), Approved},
		{"revoked without saying why", revokedFor(t, packet.NoReason, ""), Approved},
		{"revoked without any reason", withoutReason(made()), Approved},
		{"revoked for a reason that nobody knows", revokedFor(t, packet.Unknown, ""), Approved},
		{"retired", revokedFor(t, packet.KeyRetired, "we closed"), Approved},
		{"superseded", revokedFor(t, packet.KeySuperseded, strings.Repeat("ä", 300)), Approved},
		{"subkey expired", subkeyFor(made(), 60*24*time.Hour), Approved},
		{"subkey retired", subkeyRevoked(made(), 60*24*time.Hour), Approved},
		{"subkey stolen", subkeyStolen(made()), Approved},
		{"subkey to come", secondSubkey(subkeyFor(made(), 24*time.Hour), year+24*time.Hour), Approved},
		{"user ID revoked", made().later(24 * time.Hour).revokeUserID("Ann <ann@example.org>"), Approved},
		{"without encryption subkey", withoutSubkeys(made()), Approved},
		{"primary key only certifies", onlyCertifies(made()), Approved},
		{"signing subkey ended", signingSubkeyEnded(made()), Approved},
		{"RSA 1024", made(rsa1024), Approved},
		{"proposed", made(), Proposed},
		{"blocked", made(), Blocked},
	} {
		fmt.Fprintf(&out, "%s\n", c.name)
		for _, kind := range []string{"theirs", "ours"} {
			input := c.key.public()
			if kind == "ours" {
				input = c.key.secret()
			}
			certificate := parseOne(t, input, noon()).Certificate
			certificate.State = c.state
			for _, use := range []Use{ToEncrypt, ToSign, ToVerify} {
				if kind == "theirs" && use == ToSign && c.name != "good" {
					continue // that its secret key is not held is said once
				}
				j := certificate.Judge(use, noon())
				if j.Reason == Usable {
					j = Judgement{Brief: "usable"}
				}
				fmt.Fprintf(&out, "  %s, to %s: %s\n", kind, use, j.Brief)
				if j.Sentence != "" {
					fmt.Fprintf(&out, "      %s\n", j.Sentence)
				}
			}
		}
	}
	golden(t, "sentences", out.String())
}

// TestVerifyingLooksAtTheTimeOfTheSignature: what Judge says of the instant of a signature is what the reader of mail says
// of the signature itself, read long after.
func TestVerifyingLooksAtTheTimeOfTheSignature(t *testing.T) {
	const month = 30 * 24 * time.Hour
	start := lastYear()
	made := func(change ...func(*packet.Config)) *key {
		return newKeyAt(t, start, "Ann", "ann@example.org", change...)
	}
	for _, c := range []struct {
		name   string
		made   func() *key
		ends   func(*key) *key // after the signatures were made
		before string          // the verdict on a signature of the first month, and on one of the third
		after  string
	}{
		{"expired", func() *key { return made(lifetime(2 * month)) }, nil, "verified", "expired-key"},
		{"retired", func() *key { return made() }, func(k *key) *key { return k.later(2 * month).revoke(packet.KeyRetired) }, "verified", "revoked-key"},
		{"stolen", func() *key { return made() }, func(k *key) *key { return k.later(2 * month).revoke(packet.KeyCompromised) }, "revoked-key", "revoked-key"},
		{"renewed", func() *key { return made(lifetime(2 * month)) }, func(k *key) *key { return extended(k, 4*month) }, "verified", "expired-key"},
		{"good", func() *key { return made() }, nil, "verified", "verified"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := c.made()
			signatures := map[time.Duration][]byte{month: signedAt(t, k, start.Add(month)), 3 * month: signedAt(t, k, start.Add(3*month))}
			if k.now = start; c.ends != nil {
				k = c.ends(k)
			}
			certificate := parseOne(t, k.public(), noon()).Certificate
			certificate.State = Approved
			for at, want := range map[time.Duration]string{month: c.before, 3 * month: c.after} {
				found, err := pgp.Verify(strings.NewReader("hello"), signatures[at], openpgp.EntityList{certificate.Entity}, pgp.Options{Now: noon()})
				if err != nil || len(found) != 1 {
					t.Fatal(found, err)
				}
				if got := string(found[0].State); got != want {
					t.Errorf("signed after %v: verdict %q, want %q", at, got, want)
				}
				reason := map[string]Reason{"verified": Usable, "expired-key": Expired, "revoked-key": RevokedKey}[want]
				if got := certificate.Judge(ToVerify, start.Add(at)).Reason; got != reason {
					t.Errorf("signed after %v: judged %q, want %q", at, got, reason)
				}
			}
		})
	}
}

// signedAt makes a detached signature at an instant, also when the key was expired then.
func signedAt(t *testing.T, k *key, at time.Time) []byte {
	t.Helper()
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: k.PrimaryKey.PubKeyAlgo, Hash: k.cfg.DefaultHash, CreationTime: at,
		IssuerKeyId: &k.PrimaryKey.KeyId, IssuerFingerprint: k.PrimaryKey.Fingerprint, IssuerKeyVersion: 4,
	}
	h, err := sig.PrepareSign(&k.cfg)
	k.must(err)
	h.Write([]byte("hello"))
	k.must(sig.Sign(h, k.PrivateKey, &k.cfg))
	var out bytes.Buffer
	k.must(sig.Serialize(&out))
	return out.Bytes()
}
