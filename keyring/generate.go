package keyring

import (
	"bytes"
	"crypto"
	"math"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Kind is what a new key is made of.
type Kind string

// The kinds. Every GnuPG since 2.1 reads the first, every OpenPGP program RSA; version 6 (RFC 9580) is read by programs
// from 2024 on, and by no GnuPG.
const (
	Curve25519 Kind = "curve25519" // v4: Ed25519 to sign, Cv25519 to encrypt, under their legacy ids
	RSA3072    Kind = "rsa3072"
	RSA4096    Kind = "rsa4096"
	Version6   Kind = "v6" // Ed25519 to sign, X25519 to encrypt
)

// Kinds lists the kinds, the default first.
func Kinds() []Kind { return []Kind{Curve25519, RSA3072, RSA4096, Version6} }

// Generate makes a key for one user ID: a primary key that signs and a subkey that encrypts. "" is the default kind. The
// item is unlocked and ready for Merge. lifetime 0 means no expiry; the longest is 136 years. Only version 6 advertises
// SEIPDv2, which no GnuPG reads. RSA takes seconds.
func Generate(kind Kind, name, address string, lifetime time.Duration, at time.Time) (*Item, error) {
	address, err := CanonicalAddress(address)
	if err != nil {
		return nil, problem("a key needs one mail address: give it as local@domain")
	}
	name = strings.TrimSpace(name)
	if !printable(name) || strings.ContainsAny(name, "<>()") || holdsAddress(name) {
		return nil, problem("a key's name must not hold brackets, addresses or control characters: write only the name")
	}
	if lifetime < 0 || lifetime > math.MaxUint32*time.Second {
		return nil, problem("a key cannot live that long: choose 0 for no expiry, or less than 136 years")
	}
	config, err := kind.config()
	if err != nil {
		return nil, err
	}
	config.KeyLifetimeSecs = uint32(lifetime / time.Second)
	config.Time = func() time.Time { return at }
	var packets []byte
	err = guard(func() error {
		packets, err = newKey(name, address, config)
		return err
	})
	defer clear(packets)
	if err != nil {
		return nil, err
	}
	return itemOf(packets, at)
}

func (k Kind) config() (*packet.Config, error) {
	c := &packet.Config{DefaultCipher: packet.CipherAES256, DefaultHash: crypto.SHA512} // the library adds SHA-256
	switch k {
	case "", Curve25519:
		c.Algorithm, c.Curve = packet.PubKeyAlgoEdDSA, packet.Curve25519
	case RSA3072:
		c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, 3072
	case RSA4096:
		c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, 4096
	case Version6:
		c.Algorithm, c.V6Keys, c.AEADConfig = packet.PubKeyAlgoEd25519, true, &packet.AEADConfig{}
	default:
		return nil, problem("there is no kind of key called %q: choose curve25519, rsa3072, rsa4096 or v6", string(k))
	}
	return c, nil
}

func newKey(name, address string, config *packet.Config) ([]byte, error) {
	e, err := openpgp.NewEntity(name, "", address, config)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&out, nil); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
