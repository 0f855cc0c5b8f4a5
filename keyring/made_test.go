package keyring

import (
	"bytes"
	"crypto"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// noon is the day on which most stories play.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// key is a key made in the test, to be changed step by step.
type key struct {
	*openpgp.Entity
	t   testing.TB
	now time.Time
	cfg packet.Config
}

// newKeyAt makes an Ed25519 key for a name and an address ("" for none).
func newKeyAt(t testing.TB, at time.Time, name, address string, change ...func(*packet.Config)) *key {
	t.Helper()
	k := &key{t: t, now: at}
	k.cfg = packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, DefaultCipher: packet.CipherAES256,
		DefaultHash: crypto.SHA512, Time: func() time.Time { return k.now },
	}
	for _, c := range change {
		c(&k.cfg)
	}
	var err error
	k.Entity, err = openpgp.NewEntity(name, "", address, &k.cfg)
	k.must(err)
	return k
}

func lifetime(d time.Duration) func(*packet.Config) {
	return func(c *packet.Config) { c.KeyLifetimeSecs = uint32(d / time.Second) }
}

func (k *key) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// later lets time pass for what is done to the key next.
func (k *key) later(d time.Duration) *key {
	k.now = k.now.Add(d)
	return k
}

func (k *key) addUserID(name, address string) *key {
	k.must(k.AddUserId(name, "", address, &k.cfg))
	return k
}

// revokeUserID signs a certification revocation.
func (k *key) revokeUserID(id string) *key {
	sig := &packet.Signature{
		Version: k.PrimaryKey.Version, SigType: packet.SigTypeCertificationRevocation, PubKeyAlgo: k.PrimaryKey.PubKeyAlgo,
		Hash: crypto.SHA512, CreationTime: k.now, IssuerKeyId: &k.PrimaryKey.KeyId, IssuerFingerprint: k.PrimaryKey.Fingerprint,
		IssuerKeyVersion: uint8(k.PrimaryKey.Version),
	}
	k.must(sig.SignUserId(id, k.PrimaryKey, k.PrivateKey, &k.cfg))
	identity := k.Identities[id]
	identity.Revocations = append(identity.Revocations, packet.NewVerifiableSig(sig))
	return k
}

func (k *key) revoke(reason packet.ReasonForRevocation) *key {
	k.must(k.Revoke(reason, "", &k.cfg))
	return k
}

// public and secret serialize the key as it is.
func (k *key) public() []byte {
	var out bytes.Buffer
	k.must(k.Serialize(&out))
	return out.Bytes()
}

func (k *key) secret() []byte {
	var out bytes.Buffer
	k.must(k.SerializePrivateWithoutSigning(&out, nil))
	return out.Bytes()
}

// locked serializes the key under a passphrase, with the cheapest derivation there is.
func (k *key) locked(passphrase string) []byte {
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(k.secret())))
	k.must(err)
	cheap := &packet.Config{S2KConfig: &s2k.Config{S2KMode: s2k.IteratedSaltedS2K, S2KCount: 65536}}
	k.must(e.EncryptPrivateKeys([]byte(passphrase), cheap))
	var out bytes.Buffer
	k.must(e.SerializePrivateWithoutSigning(&out, nil))
	return out.Bytes()
}

func (k *key) fingerprint() string { return fingerprint(k.PrimaryKey) }

func armored(t testing.TB, kind string, data []byte) string {
	t.Helper()
	out, err := encodeArmor("PGP "+kind, data)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// parseOne parses an input that holds exactly one certificate.
func parseOne(t testing.TB, input []byte, at time.Time) *Item {
	t.Helper()
	items, err := Parse(input, at)
	if err != nil || len(items) != 1 {
		t.Fatalf("parsing one certificate gave %d items, %v", len(items), err)
	}
	if items[0].Err != nil {
		t.Fatal(items[0].Err)
	}
	return items[0]
}
