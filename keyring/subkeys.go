package keyring

import (
	"math"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Use is what a key or a certificate is for.
type Use string

// The uses. A new subkey is for one of the first two; to verify is what Judge is asked about old signatures.
const (
	ToSign    Use = "sign"
	ToEncrypt Use = "encrypt"
	ToVerify  Use = "verify"
)

// AddSubkey gives a key of our own another subkey of the same kind as its primary key. lifetime 0 means that it ends
// with the certificate. A new subkey to encrypt is used from the moment that a correspondent has the update; those
// before it still open what was encrypted to them.
func AddSubkey(secret *openpgp.Entity, use Use, lifetime time.Duration, at time.Time) (*Item, error) {
	switch {
	case use != ToSign && use != ToEncrypt:
		return nil, problem("a subkey is to sign or to encrypt: choose one of the two")
	case secret.Revoked(at):
		return nil, problem("this key is revoked, which cannot be taken back: generate a new one")
	case lifetime < 0 || lifetime > math.MaxUint32*time.Second:
		return nil, problem("a subkey cannot live that long: choose 0 to let it end with the certificate, or less than 136 years")
	case len(secret.Subkeys) >= maxSubkeys:
		return nil, problem("this key has %d subkeys already, and more are not read by others: generate a new key", maxSubkeys)
	}
	config := configFor(secret.PrimaryKey, at)
	config.KeyLifetimeSecs = uint32(lifetime / time.Second)
	return changed(secret, at, func() error {
		if use == ToSign {
			return secret.AddSigningSubkey(config)
		}
		return secret.AddEncryptionSubkey(config)
	})
}

// RetireSubkey revokes one subkey as superseded: nobody encrypts to it any more, and it may sign no longer. What was
// signed with it before stays good, and what was encrypted to it can still be opened: its secret key is kept.
func RetireSubkey(secret *openpgp.Entity, fingerprintOrID string, at time.Time) (*Item, error) {
	wanted := normalFingerprint(fingerprintOrID)
	i := slices.IndexFunc(secret.Subkeys, func(s openpgp.Subkey) bool {
		return fingerprint(s.PublicKey) == wanted || s.PublicKey.KeyIdString() == wanted
	})
	if i < 0 {
		return nil, problem("this key has no such subkey: name one of those that its page lists")
	}
	s := &secret.Subkeys[i]
	if s.Revoked(subkeyBinding(s, at), at) {
		return nil, problem("this subkey is retired already: there is nothing to do")
	}
	return changed(secret, at, func() error {
		return s.Revoke(packet.KeySuperseded, "", configFor(secret.PrimaryKey, notBefore(s, at)))
	})
}

// notBefore is at, or the time of the newest binding: a revocation that is older would not count.
func notBefore(s *openpgp.Subkey, at time.Time) time.Time {
	for _, b := range s.Bindings {
		if b.Packet.CreationTime.After(at) {
			at = b.Packet.CreationTime
		}
	}
	return at
}
