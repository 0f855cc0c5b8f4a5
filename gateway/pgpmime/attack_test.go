package pgpmime_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// sealPackets encrypts any packets, so that a case can put inside what no honest program would.
func sealPackets(t testing.TB, to *openpgp.Entity, inside []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	key, ok := to.EncryptionKey(now, configAt(now))
	if !ok {
		t.Fatal("no key to encrypt to")
	}
	session := bytes.Repeat([]byte{7}, 32)
	if err := packet.SerializeEncryptedKeyAEAD(&b, key.PublicKey, packet.CipherAES256, false, session, configAt(now)); err != nil {
		t.Fatal(err)
	}
	w, err := packet.SerializeSymmetricallyEncrypted(&b, packet.CipherAES256, false, packet.CipherSuite{}, session, configAt(now))
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAll(w, string(inside)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// squeezed compresses packets so many times over.
func squeezed(t testing.TB, packets []byte, rounds int) []byte {
	t.Helper()
	for range rounds {
		var b bytes.Buffer
		w, err := packet.SerializeCompressed(noClose{&b}, packet.CompressionZLIB, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := writeAll(w, string(packets)); err != nil {
			t.Fatal(err)
		}
		packets = b.Bytes()
	}
	return packets
}

// TestOddPacketsInside: whatever grammar the ciphertext hides, only one literal message comes out, or nothing.
func TestOddPacketsInside(t *testing.T) {
	c := newCast(t)
	desk, plain := c.people["desk"], literal(t)
	twice := encryptedPackets(t, secretText, desk, c.people["alice"])
	for _, s := range []struct {
		name    string
		message []byte
		opens   bool
	}{
		{"a literal", sealPackets(t, desk, plain), true},
		{"compressed twice", sealPackets(t, desk, squeezed(t, plain, 2)), true},
		{"compressed 128 times", sealPackets(t, desk, squeezed(t, plain, 128)), false},
		{"nothing", sealPackets(t, desk, nil), false},
		{"two literals", sealPackets(t, desk, append(bytes.Clone(plain), plain...)), false},
		{"a message that is encrypted again", sealPackets(t, desk, twice), false},
		{"two messages in a row", append(bytes.Clone(twice), twice...), false},
	} {
		if !s.opens {
			staysClosed(t, s.name, s.message, c.keys)
			continue
		}
		if o := open(t, []byte(header+rawEncrypted(t, s.message)), c.keys); o.Verdict.Encryption != pgpmime.Decrypted {
			t.Errorf("%s: %+v", s.name, o.Verdict)
		}
	}
}

// TestBombOfPadding: packets that are no content count too, though no byte of them is ever shown.
func TestBombOfPadding(t *testing.T) {
	c := newCast(t)
	padding := append([]byte{0xc0 | 21, 0xff, 0, 0x10, 0, 0}, make([]byte, 1<<20)...) // RFC 9580, section 5.14
	message := []byte(header + rawEncrypted(t, sealPackets(t, c.people["desk"], squeezed(t, append(padding, literal(t)...), 1))))
	if o := open(t, message, c.keys); o.Verdict.Encryption != pgpmime.Decrypted {
		t.Errorf("within the limit: %+v", o.Verdict)
	}
	o, err := pgpmime.Open(message, c.keys, pgpmime.Options{Now: now, Limits: pgpmime.Limits{Decompressed: 1 << 10}})
	if err != nil || o.Verdict.Encryption == pgpmime.Decrypted || bytes.Contains(o.Message, []byte("canary")) {
		t.Errorf("over the limit: %+v, %v", o.Verdict, err)
	}
}

// TestSignatureTypes: only a signature over a document speaks for a message; a certification or a timestamp that was
// made for another purpose does not (RFC 9580, section 5.2.1).
func TestSignatureTypes(t *testing.T) {
	c := newCast(t)
	const entity = "Content-Type: text/plain\r\n\r\nhello"
	signer := c.people["alice"]
	for kind := range 0x60 {
		s := &packet.Signature{
			Version: 4, SigType: packet.SignatureType(kind), PubKeyAlgo: signer.PrimaryKey.PubKeyAlgo, Hash: configAt(now).Hash(),
			CreationTime: now, IssuerKeyId: &signer.PrimaryKey.KeyId, IssuerFingerprint: signer.PrimaryKey.Fingerprint,
		}
		h := s.Hash.New()
		h.Write([]byte(entity))
		var b bytes.Buffer
		if err := s.Sign(h, signer.PrivateKey, configAt(now)); err != nil {
			t.Fatal(err)
		}
		if err := s.Serialize(&b); err != nil {
			t.Fatal(err)
		}
		good := open(t, []byte(header+signedBy(t, entity, b.Bytes())), c.keys).Verdict.Signature == pgpmime.Good
		if document := kind == 0x00 || kind == 0x01; good != document {
			t.Errorf("type %#02x: good is %v", kind, good)
		}
	}
}

// TestOldKeysStillOpen: what was encrypted to a key of ours can be read for ever, whatever became of the key.
func TestOldKeysStillOpen(t *testing.T) {
	then := now.Add(-10 * day)
	for name, change := range map[string]func(*openpgp.Entity) error{
		"expired":        func(e *openpgp.Entity) error { expires(2*day)(t, e); return nil },
		"compromised":    func(e *openpgp.Entity) error { return e.Revoke(packet.KeyCompromised, "", configAt(now)) },
		"revoked subkey": func(e *openpgp.Entity) error { return e.Subkeys[0].Revoke(packet.KeySuperseded, "", configAt(now)) },
	} {
		desk := newKey(t, "Desk <support@desk.test>", then)
		message := header + rawEncrypted(t, sealPackets(t, desk, literal(t)))
		if err := change(desk); err != nil {
			t.Fatal(err)
		}
		if o := open(t, []byte(message), heldKeys{secrets: openpgp.EntityList{desk}}); o.Verdict.Encryption != pgpmime.Decrypted {
			t.Errorf("%s: %+v", name, o.Verdict)
		}
	}
}

// TestRenewedCertificate: a certificate that was renewed after the message and lost its older self-signature, as key
// servers hand it out, cannot tell about that time. It does not make the signature bad, and not good either.
func TestRenewedCertificate(t *testing.T) {
	alice := newKey(t, "Alice <alice@customer.test>", now.Add(-20*day))
	message := header + rawSigned(t, "Content-Type: text/plain\r\n\r\nhello", alice, configAt(now.Add(-5*day)))
	alice.Identities = map[string]*openpgp.Identity{}
	if err := alice.AddUserId("Alice", "", "alice@customer.test", configAt(now.Add(-day))); err != nil {
		t.Fatal(err)
	}
	keys := heldKeys{signers: []pgpmime.Signer{{Entity: alice, Approved: true}}}
	for name, m := range map[string]string{"whole": message, "altered": strings.Replace(message, "hello", "HELLO", 1)} {
		o := open(t, []byte(m), keys)
		if o.Verdict.Signature != pgpmime.Unsupported || !strings.Contains(o.Verdict.Reason, "renewed") {
			t.Errorf("%s: %+v", name, o.Verdict)
		}
	}
}
