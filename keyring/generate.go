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

// Generate makes a v4 key (Ed25519 primary and signing, Cv25519 encryption subkey, legacy ids, which every GnuPG
// reads) for one user ID. The item is unlocked and ready for Merge. lifetime 0 means no expiry; the longest is 136
// years. It advertises no SEIPDv2, which no GnuPG reads.
func Generate(name, address string, lifetime time.Duration, at time.Time) (*Item, error) {
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
	var packets []byte
	err = guard(func() error {
		packets, err = newKey(name, address, lifetime, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	items, err := Parse(packets, at)
	if err != nil {
		return nil, err
	}
	items[0].Index = 1
	return items[0], items[0].Unlock(nil)
}

func newKey(name, address string, lifetime time.Duration, at time.Time) ([]byte, error) {
	e, err := openpgp.NewEntity(name, "", address, &packet.Config{
		Algorithm:       packet.PubKeyAlgoEdDSA,
		Curve:           packet.Curve25519,
		DefaultCipher:   packet.CipherAES256,
		DefaultHash:     crypto.SHA512, // the library adds SHA-256
		KeyLifetimeSecs: uint32(lifetime / time.Second),
		Time:            func() time.Time { return at },
	})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&out, nil); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
