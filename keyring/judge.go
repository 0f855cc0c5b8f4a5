package keyring

import (
	"fmt"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Reason is why a certificate can't be used for a purpose at an instant.
type Reason string

// The reasons; "" means usable.
const (
	Usable        Reason = ""
	Expired       Reason = "expired"
	RevokedKey    Reason = "revoked"
	NotYetValid   Reason = "not yet valid"
	NoEncryption  Reason = "cannot encrypt"
	NoSigning     Reason = "cannot sign"
	NotApproved   Reason = "not approved"
	BlockedByUs   Reason = "blocked"
	NoSecretKey   Reason = "no secret key"
	NoCertificate Reason = "no certificate"
	Weak          Reason = "too weak"
)

// capability asks whether a binding allows a key to do something.
type capability func(*packet.Signature, *packet.PublicKey) bool

// ForEncryption judges whether a message may be encrypted to c at an instant. State counts.
func (c *Certificate) ForEncryption(at time.Time) Reason {
	if c.State == Blocked {
		return BlockedByUs
	}
	if r := judgePrimary(c.Entity, at); r != Usable {
		return r
	}
	if _, ok := c.Entity.EncryptionKey(at, nil); !ok {
		return judgeSubkeys(c.Entity, at, mayEncrypt, NoEncryption)
	}
	if c.State != Approved {
		return NotApproved
	}
	return Usable
}

// ForSigning judges whether we may sign with c at an instant: a secret key is held, approved, valid.
func (c *Certificate) ForSigning(at time.Time) Reason {
	switch {
	case c.State == Blocked:
		return BlockedByUs
	case !c.HasSecret:
		return NoSecretKey
	}
	if r := judgePrimary(c.Entity, at); r != Usable {
		return r
	}
	key, ok := c.Entity.SigningKey(at, nil)
	switch {
	case !ok:
		return judgeSubkeys(c.Entity, at, maySign, NoSigning)
	case !slices.Contains(c.secretKeys, fingerprint(key.PublicKey)):
		return NoSecretKey // held are only others, as with an exported subkey
	case c.State != Approved:
		return NotApproved
	}
	return Usable
}

// judgePrimary judges the primary key; without it nothing of the certificate counts.
func judgePrimary(e *openpgp.Entity, at time.Time) Reason {
	expires := primaryExpiry(e, at)
	switch {
	case e.Revoked(at):
		return RevokedKey
	case e.PrimaryKey.CreationTime.After(at):
		return NotYetValid
	case !expires.IsZero() && at.After(expires):
		return Expired
	case weak(e.PrimaryKey):
		return Weak
	}
	if _, err := e.VerifyPrimaryKey(at, nil); err == nil {
		return Usable
	}
	return withoutSelfSignature(e, at)
}

// withoutSelfSignature says why no self-signature counts at an instant.
func withoutSelfSignature(e *openpgp.Entity, at time.Time) Reason {
	newest := primarySignature(e, time.Time{})
	switch {
	case newest == nil:
		return RevokedKey // every user ID is revoked
	case newest.CreationTime.After(at):
		return NotYetValid
	}
	return Expired
}

// judgeSubkeys says why no key of e can be used for a purpose: the reason that time or the owner can mend most easily.
func judgeSubkeys(e *openpgp.Entity, at time.Time, can capability, none Reason) Reason {
	var found []Reason
	for i := range e.Subkeys {
		s := &e.Subkeys[i]
		if binding := subkeyBinding(s, at); binding != nil && can(binding, s.PublicKey) {
			found = append(found, judgeSubkey(s, binding, at))
		}
	}
	if own := primarySignature(e, at); own != nil && can(own, e.PrimaryKey) && weak(e.PrimaryKey) {
		found = append(found, Weak)
	}
	for _, r := range []Reason{NotYetValid, Expired, RevokedKey, Weak} {
		if slices.Contains(found, r) {
			return r
		}
	}
	return none
}

func judgeSubkey(s *openpgp.Subkey, binding *packet.Signature, at time.Time) Reason {
	expires := expiry(s.PublicKey, binding)
	switch {
	case s.Revoked(binding, at):
		return RevokedKey
	case s.PublicKey.CreationTime.After(at) || binding.CreationTime.After(at):
		return NotYetValid
	case !expires.IsZero() && at.After(expires):
		return Expired
	case weak(s.PublicKey):
		return Weak
	}
	return Usable
}

// primarySignature is the self-signature that speaks for the primary key: the direct-key signature of a v6 key, for
// v4 the one on the user ID marked primary, else the newest. The zero time asks for the newest of all times. Unlike
// the library, it has a fixed answer when two were made in the same second.
func primarySignature(e *openpgp.Entity, at time.Time) *packet.Signature {
	if e.PrimaryKey.Version == 6 {
		sig, _ := e.LatestValidDirectSignature(at, nil)
		return sig
	}
	var best *packet.Signature
	for _, name := range sortedNames(e) {
		sig, err := e.Identities[name].Verify(at, nil)
		if err == nil && (best == nil || outranks(sig, best)) {
			best = sig
		}
	}
	return best
}

func sortedNames(e *openpgp.Entity) []string {
	var names []string
	for name := range e.Identities {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func outranks(a, b *packet.Signature) bool {
	if isPrimaryID(a) != isPrimaryID(b) {
		return isPrimaryID(a)
	}
	return a.CreationTime.After(b.CreationTime)
}

func isPrimaryID(sig *packet.Signature) bool { return sig.IsPrimaryId != nil && *sig.IsPrimaryId }

// primaryExpiry is when the certificate ends, by what is known at an instant. The earliest of all statements counts.
func primaryExpiry(e *openpgp.Entity, at time.Time) time.Time {
	sig := primarySignature(e, at)
	if sig == nil {
		sig = primarySignature(e, time.Time{})
	}
	direct, _ := e.LatestValidDirectSignature(at, nil)
	return earliest(expiry(e.PrimaryKey, sig), expiry(e.PrimaryKey, direct))
}

// subkeyBinding is the binding signature that counts at an instant, or else the newest.
func subkeyBinding(s *openpgp.Subkey, at time.Time) *packet.Signature {
	if sig, err := s.LatestValidBindingSignature(at, nil); err == nil {
		return sig
	}
	sig, _ := s.LatestValidBindingSignature(time.Time{}, nil)
	return sig
}

// expiry is when a key ends by one signature: by the key's lifetime or by the signature's own. Zero means never.
func expiry(key *packet.PublicKey, sig *packet.Signature) time.Time {
	if sig == nil {
		return time.Time{}
	}
	return earliest(after(key.CreationTime, sig.KeyLifetimeSecs), after(sig.CreationTime, sig.SigLifetimeSecs))
}

func after(start time.Time, seconds *uint32) time.Time {
	if seconds == nil || *seconds == 0 {
		return time.Time{}
	}
	return start.Add(time.Duration(*seconds) * time.Second).UTC()
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// maySign and mayEncrypt follow the key flags (RFC 9580, section 5.2.3.29). A binding without flags allows nothing.
func maySign(sig *packet.Signature, key *packet.PublicKey) bool {
	return key.PubKeyAlgo.CanSign() && sig.FlagsValid && sig.FlagSign
}

func mayEncrypt(sig *packet.Signature, key *packet.PublicKey) bool {
	return key.PubKeyAlgo.CanEncrypt() && sig.FlagsValid && (sig.FlagEncryptCommunications || sig.FlagEncryptStorage)
}

// weak tells whether the library would refuse the key: DSA, ElGamal, RSA below 2048 bits, secp256k1.
func weak(key *packet.PublicKey) bool {
	var defaults *packet.Config
	if defaults.RejectPublicKeyAlgorithm(key.PubKeyAlgo) {
		return true
	}
	switch key.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoRSAEncryptOnly:
		bits, err := key.BitLength()
		return err != nil || bits < defaults.MinimumRSABits()
	case packet.PubKeyAlgoECDH, packet.PubKeyAlgoECDSA, packet.PubKeyAlgoEdDSA:
		curve, err := key.Curve()
		return err != nil || defaults.RejectCurve(curve)
	}
	return false
}

// algorithm names a key's algorithm and size for people.
func algorithm(key *packet.PublicKey) string {
	bits, _ := key.BitLength()
	switch key.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoRSAEncryptOnly:
		return fmt.Sprintf("RSA %d", bits)
	case packet.PubKeyAlgoDSA:
		return fmt.Sprintf("DSA %d", bits)
	case packet.PubKeyAlgoElGamal:
		return fmt.Sprintf("ElGamal %d", bits)
	case packet.PubKeyAlgoEd25519:
		return "Ed25519"
	case packet.PubKeyAlgoEd448:
		return "Ed448"
	case packet.PubKeyAlgoX25519:
		return "X25519"
	case packet.PubKeyAlgoX448:
		return "X448"
	case packet.PubKeyAlgoMlkem768X25519, packet.PubKeyAlgoMlkem1024X448:
		return "ML-KEM"
	case packet.PubKeyAlgoMldsa65Ed25519, packet.PubKeyAlgoMldsa87Ed448:
		return "ML-DSA"
	case packet.PubKeyAlgoSlhdsaShake128s, packet.PubKeyAlgoSlhdsaShake128f, packet.PubKeyAlgoSlhdsaShake256s:
		return "SLH-DSA"
	}
	return curveAlgorithm(key)
}

func curveAlgorithm(key *packet.PublicKey) string {
	curve, _ := key.Curve()
	switch {
	case curve == packet.Curve25519 && key.PubKeyAlgo == packet.PubKeyAlgoEdDSA:
		return "Ed25519"
	case curve == packet.Curve25519:
		return "Cv25519"
	case key.PubKeyAlgo == packet.PubKeyAlgoECDH:
		return "ECDH " + string(curve)
	case key.PubKeyAlgo == packet.PubKeyAlgoEdDSA:
		return "EdDSA " + string(curve)
	}
	return "ECDSA " + string(curve)
}
