package keyring

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func TestUnlockWantsTheRightPassphrase(t *testing.T) {
	item := parseOne(t, ann(t).locked("hunter2"), noon())
	if err := item.Unlock(nil); !errors.Is(err, ErrNeedsPassphrase) {
		t.Errorf("without passphrase: %v", err)
	}
	if err := item.Unlock([]byte("hunter3")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("with a wrong passphrase: %v", err)
	}
	if !item.Locked {
		t.Error("a wrong passphrase unlocked it")
	}
	if err := item.Unlock([]byte("hunter2")); err != nil || item.Locked {
		t.Fatalf("with the right passphrase: %v, locked %v", err, item.Locked)
	}
	if item.material.primary.secret[0] != 0 {
		t.Error("the secret is still protected")
	}
}

func TestUnlockDoesNothingWithoutSecretKey(t *testing.T) {
	if err := parseOne(t, ann(t).public(), noon()).Unlock(nil); err != nil {
		t.Error(err)
	}
}

// reserialized is the secret key with one packet changed by hand.
func reserialized(t *testing.T, secret []byte, change func(packets []rawPacket)) []byte {
	t.Helper()
	packets, err := splitPackets(secret)
	if err != nil {
		t.Fatal(err)
	}
	change(packets)
	var out []byte
	for _, p := range packets {
		out = p.appendTo(out)
	}
	return out
}

// withSecretOf gives the primary key of one certificate the secret of another: a public half that was altered looks
// like this, and signing with it would betray the secret.
func withSecretOf(t *testing.T, public, secret []byte) []byte {
	other, err := splitPackets(secret)
	if err != nil {
		t.Fatal(err)
	}
	n, err := publicLength(other[0].body)
	if err != nil {
		t.Fatal(err)
	}
	return reserialized(t, public, func(packets []rawPacket) {
		packets[0] = rawPacket{tagSecretKey, slices.Concat(packets[0].body, other[0].body[n:])}
	})
}

func TestUnlockRefusesHalvesThatDoNotFit(t *testing.T) {
	for name, input := range map[string][]byte{
		"unlocked Ed25519": withSecretOf(t, ann(t).public(), bob(t).secret()),
		"locked Ed25519":   withSecretOf(t, ann(t).public(), bob(t).locked("x")),
		"locked RSA": withSecretOf(t, newKeyAt(t, lastYear(), "A", "a@example.org", rsa1024).public(),
			newKeyAt(t, lastYear(), "B", "b@example.org", rsa1024).locked("x")),
	} {
		t.Run(name, func(t *testing.T) {
			err := parseOne(t, input, noon()).Unlock([]byte("x"))
			if err == nil || !strings.Contains(err.Error(), "do not belong together") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUnlockToleratesStubs(t *testing.T) {
	offline := reserialized(t, ann(t).locked("x"), func(packets []rawPacket) {
		n, err := publicLength(packets[0].body)
		if err != nil {
			t.Fatal(err)
		}
		packets[0].body = slices.Concat(packets[0].body[:n], stub(4))
	})
	item := parseOne(t, offline, noon())
	if !item.HasSecret || !item.Locked || !item.stub {
		t.Fatalf("has secret %v, locked %v, stub %v", item.HasSecret, item.Locked, item.stub)
	}
	if err := item.Unlock([]byte("x")); err != nil {
		t.Fatal(err)
	}
	c := *item.Certificate
	if c.State = Approved; c.ForSigning(noon()) != NoSecretKey || c.ForEncryption(noon()) != Usable {
		t.Errorf("for signing %q, for encryption %q", c.ForSigning(noon()), c.ForEncryption(noon()))
	}
}

func TestUnlockChecksArgon2BeforeItWorks(t *testing.T) {
	locked := func(memory uint32, passes uint8) []byte {
		e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(newKeyAt(t, lastYear(), "A", "a@example.org", version6).secret())))
		if err != nil {
			t.Fatal(err)
		}
		err = e.EncryptPrivateKeys([]byte("x"), &packet.Config{
			AEADConfig: &packet.AEADConfig{},
			S2KConfig: &s2k.Config{S2KMode: s2k.Argon2S2K, Argon2Config: &s2k.Argon2Config{
				NumberOfPasses: passes, DegreeOfParallelism: 1, Memory: memory,
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := e.SerializePrivateWithoutSigning(&out, nil); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	honest := locked(8<<10, 1)
	item := parseOne(t, honest, noon())
	if err := item.Unlock([]byte("x")); err != nil {
		t.Errorf("8 MiB: %v", err)
	}
	// The bomb is the honest key with other parameters: usage, length, cipher, mode, length, S2K type, salt, passes,
	// parallelism, memory exponent.
	for name, parameters := range map[string][2]byte{"512 MiB": {1, 19}, "2 TiB": {255, 31}, "200 passes": {200, 18}} {
		bomb := reserialized(t, honest, func(packets []rawPacket) {
			n, err := publicLength(packets[0].body)
			if err != nil {
				t.Fatal(err)
			}
			packets[0].body = slices.Clone(packets[0].body)
			s := packets[0].body[n+5:]
			if s[0] != 4 {
				t.Fatalf("no Argon2 where it was expected: %d", s[0])
			}
			s[17], s[19] = parameters[0], parameters[1]
		})
		err := parseOne(t, bomb, noon()).Unlock([]byte("x"))
		if err == nil || !strings.Contains(err.Error(), "256 MiB") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGeneratedKeyIsReady(t *testing.T) {
	item, err := Generate("", "Support Team", "Support@Desk.Example", 2*year, noon())
	if err != nil {
		t.Fatal(err)
	}
	c := *item.Certificate
	c.State = Approved
	golden(t, "generated", nameKeys(reportCertificate(&c)))
	sig, _ := c.Entity.PrimaryIdentity(noon(), nil)
	if sig.SEIPDv2 || !sig.SEIPDv1 || sig.PreferredSymmetric[0] != uint8(packet.CipherAES256) ||
		!bytes.Equal(sig.PreferredHash, []byte{10, 8}) || !bytes.Equal(sig.PreferredCompression, []byte{0}) {
		t.Errorf("features %v %v, ciphers %v, hashes %v, compression %v",
			sig.SEIPDv1, sig.SEIPDv2, sig.PreferredSymmetric, sig.PreferredHash, sig.PreferredCompression)
	}
	if c.Entity.PrimaryKey.PubKeyAlgo != packet.PubKeyAlgoEdDSA || c.Entity.Subkeys[0].PublicKey.PubKeyAlgo != packet.PubKeyAlgoECDH {
		t.Error("not the algorithm ids that every GnuPG reads")
	}
	for _, bad := range []struct {
		name, address string
		lifetime      time.Duration
	}{{"A", "nobody", 0}, {"A <a@b.example>", "a@b.example", 0}, {"A\n", "a@b.example\n", 0}, {"A", "a@b.example", -1}} {
		if _, err := Generate("", bad.name, bad.address, bad.lifetime, noon()); err == nil {
			t.Errorf("%q %q %v was taken", bad.name, bad.address, bad.lifetime)
		}
	}
}

func TestExportSecretLeavesTheSourceAlone(t *testing.T) {
	k := ann(t)
	before := k.secret()
	if _, err := ExportSecret(k.Entity, nil); err == nil {
		t.Error("a secret key left without passphrase")
	}
	out, err := ExportSecret(k.Entity, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, k.secret()) {
		t.Error("the source was changed")
	}
	item := parseOne(t, out, noon())
	if err := item.Unlock([]byte("wrong")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if err := item.Unlock([]byte("correct horse")); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(item.material.bytes(), parseOne(t, before, noon()).material.bytes()) {
		t.Error("another key came back")
	}
}
