package keyring

import (
	"math"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Extend lets a key of our own, with those subkeys that ended with it or still serve, end at until; the zero time means
// never. Subkeys that are revoked, or ended long before, stay as they are. It may also shorten: until is any time after
// at. An error is a sentence for people.
func Extend(secret *openpgp.Entity, until, at time.Time) (*Item, error) {
	primary := secret.PrimaryKey
	switch {
	case secret.Revoked(at):
		return nil, problem("this key is revoked, which cannot be taken back: generate a new one")
	case !until.IsZero() && !until.After(at):
		return nil, problem("a key cannot end in the past: choose a later day, or revoke the key")
	}
	lifetime, err := lifetimeUntil(primary, until)
	if err != nil {
		return nil, err
	}
	before := primaryExpiry(secret, at)
	return changed(secret, at, func() error {
		if err := extendPrimary(secret, lifetime, at); err != nil {
			return err
		}
		for i := range secret.Subkeys {
			if err := extendSubkey(secret, &secret.Subkeys[i], before, until, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// lifetimeUntil is the lifetime of a key that ends at until, in seconds; 0 means that it never ends.
func lifetimeUntil(key *packet.PublicKey, until time.Time) (uint32, error) {
	if until.IsZero() {
		return 0, nil
	}
	seconds := int64(until.Sub(key.CreationTime) / time.Second)
	if seconds <= 0 || seconds > math.MaxUint32 {
		return 0, problem("a key cannot live that long: choose never, or a day less than 136 years after it was made")
	}
	return uint32(seconds), nil
}

// extendPrimary makes every self-signature that speaks for the primary key anew: any of them may hold its end.
func extendPrimary(secret *openpgp.Entity, lifetime uint32, at time.Time) error {
	key, config := secret.PrivateKey, configFor(secret.PrimaryKey, at)
	if old, err := secret.LatestValidDirectSignature(time.Time{}, nil); err == nil {
		sig := renewed(old, secret.PrimaryKey, lifetime, at)
		if err := sig.SignDirectKeyBinding(secret.PrimaryKey, key, config); err != nil {
			return err
		}
		secret.DirectSignatures = append(secret.DirectSignatures, packet.NewVerifiableSig(sig))
	}
	for _, name := range sortedNames(secret) {
		id := secret.Identities[name]
		old, err := id.LatestValidSelfCertification(time.Time{}, nil)
		if err != nil || id.Revoked(old, at, nil) {
			continue
		}
		sig := renewed(old, secret.PrimaryKey, lifetime, at)
		if err := sig.SignUserId(id.Name, secret.PrimaryKey, key, config); err != nil {
			return err
		}
		id.SelfCertifications = append(id.SelfCertifications, packet.NewVerifiableSig(sig))
	}
	return nil
}

// extendSubkey binds a subkey anew when it has an end of its own and has not ended before the certificate did.
func extendSubkey(secret *openpgp.Entity, s *openpgp.Subkey, before, until, at time.Time) error {
	old := subkeyBinding(s, at)
	ended := expiry(s.PublicKey, old)
	if old == nil || ended.IsZero() || s.Revoked(old, at) || ended.Before(earliest(at, before)) {
		return nil
	}
	lifetime, err := lifetimeUntil(s.PublicKey, until)
	if err != nil {
		return err
	}
	return bind(secret, s, renewed(old, secret.PrimaryKey, lifetime, at), at)
}

// bind signs a binding; a signing subkey signs back (RFC 9580, section 5.2.1.8), which needs its secret key.
func bind(secret *openpgp.Entity, s *openpgp.Subkey, sig *packet.Signature, at time.Time) error {
	config := configFor(secret.PrimaryKey, at)
	if sig.FlagSign {
		if s.PrivateKey == nil || s.PrivateKey.Dummy() {
			return problem("the secret key of subkey %s is not held here: extend it where it is, and import the certificate again", s.PublicKey.KeyIdString())
		}
		sig.EmbeddedSignature = &packet.Signature{
			Version: s.PublicKey.Version, SigType: packet.SigTypePrimaryKeyBinding, PubKeyAlgo: s.PublicKey.PubKeyAlgo,
			Hash: sig.Hash, CreationTime: sig.CreationTime, IssuerKeyId: &s.PublicKey.KeyId,
			IssuerKeyVersion: uint8(s.PublicKey.Version), IssuerFingerprint: s.PublicKey.Fingerprint,
		}
		if err := sig.EmbeddedSignature.CrossSignKey(s.PublicKey, secret.PrimaryKey, s.PrivateKey, config); err != nil {
			return err
		}
	}
	if err := sig.SignKey(s.PublicKey, secret.PrivateKey, config); err != nil {
		return err
	}
	s.Bindings = append(s.Bindings, packet.NewVerifiableSig(sig))
	return nil
}
