package pgpmime_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

const day = 24 * time.Hour

// TestSignerStates: a certificate is judged at the time of the signature, and a compromise at any time.
func TestSignerStates(t *testing.T) {
	for _, c := range []struct {
		name   string
		signed time.Time
		change func(t *testing.T, e *openpgp.Entity)
		want   pgpmime.Signature
	}{
		{"valid", now.Add(-day), nil, pgpmime.Good},
		{"expired since", now.Add(-5 * day), expires(6 * day), pgpmime.Good},
		{"expired before", now.Add(-day), expires(6 * day), pgpmime.ExpiredKey},
		{"superseded since", now.Add(-5 * day), revoked(packet.KeySuperseded), pgpmime.Good},
		{"superseded before", now.Add(-day), revoked(packet.KeySuperseded), pgpmime.RevokedKey},
		{"compromised since", now.Add(-5 * day), revoked(packet.KeyCompromised), pgpmime.RevokedKey},
		{"compromised before", now.Add(-day), revoked(packet.KeyCompromised), pgpmime.RevokedKey},
		{"revoked without a reason since", now.Add(-5 * day), revoked(packet.NoReason), pgpmime.RevokedKey},
		{"from the future", now.Add(3 * day), nil, pgpmime.Bad},
		{"clock a little ahead", now.Add(30 * time.Minute), nil, pgpmime.Good},
		{"older than the key", now.Add(-20 * day), nil, pgpmime.Bad},
	} {
		t.Run(c.name, func(t *testing.T) {
			alice := newKey(t, "Alice <alice@customer.test>", now.Add(-10*day))
			signing := &openpgp.Entity{PrimaryKey: alice.PrimaryKey, PrivateKey: alice.PrivateKey, Identities: map[string]*openpgp.Identity{}}
			past := configAt(now.Add(-10 * day))
			if err := signing.AddUserId("Alice", "", "alice@customer.test", past); err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				c.change(t, alice)
			}
			message := header + signedAt(t, signing, c.signed)
			o := open(t, []byte(message), heldKeys{signers: []pgpmime.Signer{{Entity: alice, Approved: true}}})
			if o.Verdict.Signature != c.want {
				t.Errorf("%+v, want %s", o.Verdict, c.want)
			}
			if o.Verdict.Signer != fmt.Sprintf("%X", alice.PrimaryKey.Fingerprint) || o.Verdict.SignedAt != c.signed.Unix() {
				t.Errorf("signer %s at %d", o.Verdict.Signer, o.Verdict.SignedAt)
			}
			if (o.Verdict.MatchedID != "") != (c.want == pgpmime.Good) {
				t.Errorf("matched %q", o.Verdict.MatchedID)
			}
		})
	}
}

// signedAt signs at any time, even when the key did not exist yet.
func signedAt(t *testing.T, signer *openpgp.Entity, at time.Time) string {
	const entity = "Content-Type: text/plain\r\n\r\nhello"
	signature := &packet.Signature{
		Version: signer.PrimaryKey.Version, SigType: packet.SigTypeBinary, PubKeyAlgo: signer.PrimaryKey.PubKeyAlgo,
		Hash: configAt(at).Hash(), CreationTime: at, IssuerKeyId: &signer.PrimaryKey.KeyId, IssuerFingerprint: signer.PrimaryKey.Fingerprint,
	}
	h := signature.Hash.New()
	h.Write([]byte(entity))
	if err := signature.Sign(h, signer.PrivateKey, configAt(at)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := signature.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return signedBy(t, entity, b.Bytes())
}

// signedBy puts signature packets beside an entity.
func signedBy(t *testing.T, entity string, signatures []byte) string {
	t.Helper()
	var text bytes.Buffer
	w, err := armor.Encode(&text, openpgp.SignatureType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAll(w, string(signatures)); err != nil {
		t.Fatal(err)
	}
	return "Content-Type: multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; boundary=s\r\n\r\n--s\r\n" + entity +
		"\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\n" + text.String() + "\r\n--s--\r\n"
}

func expires(after time.Duration) func(*testing.T, *openpgp.Entity) {
	return func(t *testing.T, e *openpgp.Entity) {
		config := configExpiring(now.Add(-10*day), uint32(after/time.Second))
		e.Identities = map[string]*openpgp.Identity{}
		if err := e.AddUserId("Alice", "", "alice@customer.test", config); err != nil {
			t.Fatal(err)
		}
	}
}

func revoked(reason packet.ReasonForRevocation) func(*testing.T, *openpgp.Entity) {
	return func(t *testing.T, e *openpgp.Entity) {
		if err := e.Revoke(reason, "", configAt(now.Add(-3*day))); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRevokedSubkey: the subkey that signed counts, not only the primary key.
func TestRevokedSubkey(t *testing.T) {
	alice := newKey(t, "Alice <alice@customer.test>", now.Add(-day))
	if err := alice.AddSigningSubkey(configAt(now.Add(-day))); err != nil {
		t.Fatal(err)
	}
	message := protect(t, header+secretText, pgpmime.Signed, alice)
	keys := heldKeys{signers: []pgpmime.Signer{{Entity: alice, Approved: true}}}
	if o := open(t, message, keys); o.Verdict.Signature != pgpmime.Good {
		t.Fatalf("valid subkey: %+v", o.Verdict)
	}
	if err := alice.Subkeys[len(alice.Subkeys)-1].Revoke(packet.KeyCompromised, "", configAt(now)); err != nil {
		t.Fatal(err)
	}
	if o := open(t, message, keys); o.Verdict.Signature != pgpmime.RevokedKey {
		t.Errorf("revoked subkey: %+v", o.Verdict)
	}
}

// TestSeveralSignatures: one valid signature among others counts, for its own signer only.
func TestSeveralSignatures(t *testing.T) {
	c := newCast(t)
	const entity = "Content-Type: text/plain\r\n\r\nhello"
	by := func(names ...string) []byte {
		var b bytes.Buffer
		for _, name := range names {
			if err := openpgp.DetachSign(&b, []*openpgp.Entity{c.people[name]}, strings.NewReader(entity), configAt(now)); err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	var other bytes.Buffer
	if err := openpgp.DetachSign(&other, []*openpgp.Entity{c.people["alice"]}, strings.NewReader("other"), configAt(now)); err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		name       string
		signatures []byte
		want       pgpmime.Signature
		signer     string
	}{
		{"stranger and alice", by("stranger", "alice"), pgpmime.Good, "alice"},
		{"alice and bob", by("alice", "bob"), pgpmime.Good, "alice"},
		{"bob and mallory", by("bob", "mallory"), pgpmime.WrongSender, "bob"},
		{"alice over another text, and bob", append(other.Bytes(), by("bob")...), pgpmime.WrongSender, "bob"},
		{"alice over another text, and mallory", append(by("mallory"), other.Bytes()...), pgpmime.UnapprovedKey, "mallory"},
		{"alice over another text", other.Bytes(), pgpmime.Bad, "alice"},
		{"version 3", oldSignature(), pgpmime.Unsupported, ""},
		{"version 3 and alice", append(oldSignature(), by("alice")...), pgpmime.Good, "alice"},
		{"a flood", bytes.Repeat(by("alice"), 30), pgpmime.Unsupported, ""},
	} {
		o := open(t, []byte(header+signedBy(t, entity, s.signatures)), c.keys)
		signer := ""
		if s.signer != "" {
			signer = fmt.Sprintf("%X", c.people[s.signer].PrimaryKey.Fingerprint)
		}
		if o.Verdict.Signature != s.want || o.Verdict.Signer != signer {
			t.Errorf("%s: %+v, want %s by %s", s.name, o.Verdict, s.want, s.signer)
		}
	}
}

// oldSignature is a version 3 packet as old GnuPG wrote them (RFC 9580, section 5.2.2).
func oldSignature() []byte {
	body := []byte{3, 5, 0}
	body = binary.BigEndian.AppendUint32(body, uint32(now.Unix()))
	body = append(body, 1, 2, 3, 4, 5, 6, 7, 8, 1, 8, 0xab, 0xcd, 0, 9, 1, 0xff)
	return append([]byte{0x88, byte(len(body))}, body...)
}

// TestHiddenApproval: a certificate that claims somebody else's key does not hide the accepted one.
func TestHiddenApproval(t *testing.T) {
	c := newCast(t)
	alice := c.people["alice"]
	thief := newKey(t, "Mallory <mallory@x.test>", now.Add(-time.Hour))
	thief.Subkeys = append(thief.Subkeys, openpgp.Subkey{PublicKey: alice.PrimaryKey, Primary: thief})
	keys := heldKeys{signers: []pgpmime.Signer{{Entity: thief}, {Entity: alice, Approved: true}}}
	if o := open(t, protect(t, header+secretText, pgpmime.Signed, alice), keys); o.Verdict.Signature != pgpmime.Good {
		t.Errorf("%+v", o.Verdict)
	}
	keys = heldKeys{signers: []pgpmime.Signer{{Entity: thief, Approved: true}}}
	if o := open(t, protect(t, header+secretText, pgpmime.Signed, alice), keys); o.Verdict.Signature == pgpmime.Good {
		t.Errorf("grafted subkey: %+v", o.Verdict)
	}
}

// TestForwardedSecretly: a message signed for one reader and encrypted anew to another is not good.
func TestForwardedSecretly(t *testing.T) {
	c := newCast(t)
	boss := newKey(t, "Boss <boss@x.test>", now.Add(-time.Hour))
	forBoss := encryptedPackets(t, secretText, boss, c.people["alice"])
	md, err := openpgp.ReadMessage(bytes.NewReader(forBoss), openpgp.EntityList{boss}, nil, &packet.Config{Time: configAt(now).Time, CacheSessionKey: true})
	if err != nil {
		t.Fatal(err)
	}
	// The same encrypted data under a new session key packet for the desk is what a dishonest reader can send.
	var again bytes.Buffer
	key, ok := c.people["desk"].EncryptionKey(now, configAt(now))
	if !ok {
		t.Fatal("no key")
	}
	if err := packet.SerializeEncryptedKeyAEAD(&again, key.PublicKey, md.DecryptedWithAlgorithm, false, md.SessionKey, configAt(now)); err != nil {
		t.Fatal(err)
	}
	again.Write(forBoss[packetLength(t, forBoss):])
	o := open(t, []byte(header+rawEncrypted(t, again.Bytes())), c.keys)
	if o.Verdict.Encryption != pgpmime.Decrypted || o.Verdict.Signature != pgpmime.Bad || o.Verdict.Reason == "" {
		t.Errorf("%+v", o.Verdict)
	}
}

// TestKeysFailing: a store that cannot answer is an error, never a verdict.
func TestKeysFailing(t *testing.T) {
	c := newCast(t)
	broken := heldKeys{err: errors.New("database is gone")}
	for _, p := range []pgpmime.Protection{pgpmime.Signed, pgpmime.Encrypted, pgpmime.SignedEncrypted} {
		message := protect(t, header+secretText, p, c.people["alice"], c.people["desk"])
		o, err := pgpmime.Open(message, broken, pgpmime.Options{Now: now})
		if err == nil || o.Message != nil {
			t.Errorf("%s: %v, %+v", p, err, o.Verdict)
		}
	}
	o, err := pgpmime.Open([]byte(header+secretText), broken, pgpmime.Options{Now: now})
	if err != nil || o.Verdict.Encryption != pgpmime.EncryptionNone {
		t.Errorf("a message without protection asks for no keys: %v", err)
	}
}

// TestHiddenCopy: a Bcc copy names nobody else, and its reader can verify it.
func TestHiddenCopy(t *testing.T) {
	c := newCast(t)
	o, err := pgpmime.Protect([]byte(header+secretText), pgpmime.ProtectRequest{
		Protection: pgpmime.SignedEncrypted, Signer: c.people["alice"], To: []*openpgp.Entity{c.people["desk"]}, Hidden: true, Now: now, Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	opened := open(t, o.Bytes(), c.keys)
	if opened.Verdict.Signature != pgpmime.Good || len(opened.Verdict.EncryptedTo) != 1 {
		t.Errorf("%+v", opened.Verdict)
	}
}
