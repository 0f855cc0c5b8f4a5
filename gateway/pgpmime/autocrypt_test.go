package pgpmime

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
)

// birth is when the certificates of these tests are made.
func birth() time.Time { return time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC) }

// madeAt makes packets at an instant.
func madeAt(when time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return when }, Algorithm: packet.PubKeyAlgoEdDSA}
}

// certified makes a certificate for Desk <support@desk.test>.
func certified(t testing.TB, config *packet.Config) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("Desk", "", "support@desk.test", config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// withUserID adds another user ID.
func withUserID(t testing.TB, e *openpgp.Entity, name, address string, config *packet.Config) *openpgp.Entity {
	t.Helper()
	if err := e.AddUserId(name, "", address, config); err != nil {
		t.Fatal(err)
	}
	return e
}

// revoke revokes a user ID.
func revoke(t testing.TB, i *openpgp.Identity) {
	t.Helper()
	key, config := i.Primary.PrivateKey, madeAt(birth().Add(time.Minute))
	revocation := &packet.Signature{
		Version: 4, SigType: packet.SigTypeCertificationRevocation, PubKeyAlgo: key.PubKeyAlgo, Hash: config.Hash(),
		CreationTime: config.Now(), IssuerKeyId: &key.KeyId,
	}
	if err := revocation.SignUserId(i.Name, i.Primary.PrimaryKey, key, config); err != nil {
		t.Fatal(err)
	}
	i.Revocations = append(i.Revocations, packet.NewVerifiableSig(revocation))
}

// keydata reads an Autocrypt field.
func keydata(t testing.TB, f field) (addr string, certificate []byte) {
	t.Helper()
	attributes, value, ok := strings.Cut(f.value(), "; keydata=")
	certificate, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(value, " ", ""))
	if !ok || err != nil {
		t.Fatalf("%q has no keydata: %v", f.raw, err)
	}
	return strings.TrimPrefix(attributes, "addr="), certificate
}

// packetKinds tells the packets of a certificate by their kind.
func packetKinds(t testing.TB, certificate []byte) map[string]int {
	t.Helper()
	kinds := map[string]int{}
	packets := packet.NewReader(bytes.NewReader(certificate))
	for {
		p, err := packets.Next()
		if err != nil {
			return kinds
		}
		switch p := p.(type) {
		case *packet.PublicKey:
			kinds[map[bool]string{true: "subkey", false: "primary"}[p.IsSubkey]]++
		case *packet.UserId:
			kinds["user ID "+p.Id]++
		case *packet.Signature:
			kinds["signature"]++
		default:
			t.Fatalf("a %T in it", p)
		}
	}
}

// TestAutocryptField: the address, and of the certificate what level 1 asks for and no more.
func TestAutocryptField(t *testing.T) {
	e := certified(t, madeAt(birth()))
	withUserID(t, e, "Other", "other@desk.test", madeAt(birth()))
	for range 2 {
		if err := e.AddSigningSubkey(madeAt(birth())); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.AddEncryptionSubkey(madeAt(birth().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	f, ok := autocryptField("Support@DESK.test", e, birth().Add(2*time.Hour))
	if !ok || f.name != "autocrypt" || !safe(f.raw) || !f.wellFormed() {
		t.Fatalf("%v %q", ok, f.raw)
	}
	addr, certificate := keydata(t, f)
	if addr != "Support@desk.test" {
		t.Errorf("the address is %q", addr)
	}
	kinds := packetKinds(t, certificate)
	if len(kinds) != 4 || kinds["primary"] != 1 || kinds["subkey"] != 1 || kinds["user ID Desk <support@desk.test>"] != 1 || kinds["signature"] != 2 {
		t.Errorf("it holds %v", kinds)
	}
	read, err := openpgp.ReadKeyRing(bytes.NewReader(certificate))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := read[0].Subkeys[0].PublicKey.KeyId, e.Subkeys[3].PublicKey.KeyId; got != want {
		t.Errorf("it holds the subkey %X, not the newest, %X", got, want)
	}
	for l := range strings.Lines(string(f.raw)) {
		if len(l) > foldWidth+2 {
			t.Errorf("a line has %d characters", len(l))
		}
	}
}

// TestNoAutocryptField: none rather than one that a reader cannot use or that says something else.
func TestNoAutocryptField(t *testing.T) {
	now := birth().Add(time.Hour)
	expiring, v6, signing := madeAt(birth()), madeAt(birth()), certified(t, madeAt(birth()))
	expiring.KeyLifetimeSecs = 60
	v6.V6Keys, v6.Algorithm = true, packet.PubKeyAlgoEd25519
	signing.Subkeys = nil
	revoked, withoutID := certified(t, madeAt(birth())), withUserID(t, certified(t, madeAt(birth())), "Other", "other@desk.test", madeAt(birth()))
	if err := revoked.Revoke(packet.KeyRetired, "", madeAt(birth().Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	revoke(t, withoutID.Identities["Desk <support@desk.test>"])
	expiringID := withUserID(t, certified(t, madeAt(birth())), "Other", "other@desk.test", expiring)
	large := &packet.Config{Time: func() time.Time { return birth() }, Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048}
	for name, c := range map[string]struct {
		addr string
		e    *openpgp.Entity
		now  time.Time
	}{
		"no certificate":                    {"support@desk.test", nil, now},
		"no address":                        {"", certified(t, madeAt(birth())), now},
		"another address":                   {"other@desk.test", certified(t, madeAt(birth())), now},
		"a line end":                        {"support@desk.test\r\nX: y", certified(t, madeAt(birth())), now},
		"another attribute":                 {"support@desk.test;a=b", certified(t, madeAt(birth())), now},
		"not made yet":                      {"support@desk.test", certified(t, madeAt(birth())), birth().Add(-time.Hour)},
		"no time":                           {"support@desk.test", certified(t, madeAt(birth())), time.Time{}},
		"expired":                           {"support@desk.test", certified(t, expiring), now},
		"revoked":                           {"support@desk.test", revoked, now},
		"user ID revoked":                   {"support@desk.test", withoutID, now},
		"user ID that says the key expired": {"other@desk.test", expiringID, now},
		"for signing only":                  {"support@desk.test", signing, now},
		"version 6":                         {"support@desk.test", certified(t, v6), now},
		"too large for a field":             {"support@desk.test", padded(t, certified(t, large)), now},
	} {
		t.Run(name, func(t *testing.T) {
			if f, ok := autocryptField(c.addr, c.e, c.now); ok {
				t.Errorf("it is %q", f.raw)
			}
		})
	}
}

// padded makes the self-signature large.
func padded(t testing.TB, e *openpgp.Entity) *openpgp.Entity {
	t.Helper()
	for _, i := range e.Identities {
		s := i.SelfCertifications[0].Packet
		s.Notations = append(s.Notations, &packet.Notation{Name: "padding@desk.test", Value: bytes.Repeat([]byte("x"), 9000), IsHumanReadable: true})
		if err := i.ReSign(madeAt(birth())); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// TestCertificateAttachment: all user IDs, subkeys and revocations, no secrets and nothing that others signed.
func TestCertificateAttachment(t *testing.T) {
	e := withUserID(t, certified(t, madeAt(birth())), "Other", "other@desk.test", madeAt(birth()))
	if err := e.AddEncryptionSubkey(madeAt(birth())); err != nil {
		t.Fatal(err)
	}
	if err := e.Subkeys[0].Revoke(packet.KeyRetired, "", madeAt(birth().Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	if err := e.SignIdentity("Desk <support@desk.test>", certified(t, madeAt(birth())), madeAt(birth())); err != nil {
		t.Fatal(err)
	}
	name, armored, err := certificateAttachment(e)
	if err != nil || name != "OpenPGP_0x"+e.PrimaryKey.KeyIdString()+".asc" || !safe(armored) {
		t.Fatalf("%q, %v", name, err)
	}
	block, err := armor.Decode(bytes.NewReader(armored))
	if err != nil || block.Type != openpgp.PublicKeyType {
		t.Fatal(block, err)
	}
	var binary bytes.Buffer
	if _, err := binary.ReadFrom(block.Body); err != nil {
		t.Fatal(err)
	}
	kinds := packetKinds(t, binary.Bytes())
	if kinds["primary"] != 1 || kinds["subkey"] != 2 || kinds["user ID Desk <support@desk.test>"] != 1 || kinds["user ID Other <other@desk.test>"] != 1 || kinds["signature"] != 5 {
		t.Errorf("it holds %v", kinds)
	}
	again, _, err := certificateAttachment(nil)
	if err == nil {
		t.Errorf("no certificate makes %q", again)
	}
}

// TestCertificatesAreReadByGPG: gpg imports both forms and encrypts with them.
func TestCertificatesAreReadByGPG(t *testing.T) {
	e := certified(t, madeAt(birth()))
	f, ok := autocryptField("support@desk.test", e, birth().Add(time.Hour))
	if !ok {
		t.Fatal("no field")
	}
	_, minimal := keydata(t, f)
	_, attached, err := certificateAttachment(e)
	if err != nil {
		t.Fatal(err)
	}
	for name, certificate := range map[string][]byte{"autocrypt": minimal, "attachment": attached} {
		t.Run(name, func(t *testing.T) {
			gpg := bed.NewGPG(t)
			gpg.Import(t, certificate)
			ciphertext, _ := gpg.Run(t, []byte("hello"), "--encrypt", "--recipient", "support@desk.test")
			message, err := openpgp.ReadMessage(bytes.NewReader(ciphertext), openpgp.EntityList{e}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			if _, err := text.ReadFrom(message.UnverifiedBody); err != nil || text.String() != "hello" {
				t.Errorf("%q, %v", text.String(), err)
			}
		})
	}
}
