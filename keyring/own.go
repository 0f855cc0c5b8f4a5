package keyring

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// What follows changes a key of our own: Extend, AddSubkey, RetireSubkey and Revoke take its unlocked secret key, as
// Store.Secret returns it, and give an item for Merge with new signatures in it. Nothing old is taken away, so that a
// change reaches everybody as an update of the certificate they have.

// ErrPrimaryElsewhere says that only subkeys are held here: changes are signed by the primary key.
var ErrPrimaryElsewhere = errors.New("the secret primary key is not held here: make this change where it is, and import the certificate again")

// changed runs do on a secret key and makes an item of the result.
func changed(secret *openpgp.Entity, at time.Time, do func() error) (*Item, error) {
	if secret.PrivateKey == nil || secret.PrivateKey.Dummy() {
		return nil, ErrPrimaryElsewhere
	}
	var packets []byte
	err := guard(func() error {
		if err := do(); err != nil {
			return err
		}
		m, err := materialOf(secret)
		packets = m.bytes()
		return err
	})
	defer clear(packets)
	if err != nil {
		return nil, err
	}
	return itemOf(packets, at)
}

// itemOf reads packets of our own making: verified like any others.
func itemOf(packets []byte, at time.Time) (*Item, error) {
	items, err := Parse(packets, at)
	if err != nil {
		return nil, err
	}
	items[0].Index = 1
	return items[0], items[0].Unlock(nil)
}

// configFor makes keys and signatures of the same kind as a key at an instant.
func configFor(key *packet.PublicKey, at time.Time) *packet.Config {
	c := &packet.Config{
		Algorithm:     packet.PubKeyAlgoEdDSA,
		Curve:         packet.Curve25519,
		DefaultCipher: packet.CipherAES256,
		DefaultHash:   crypto.SHA512,
		V6Keys:        key.Version == 6,
		Time:          func() time.Time { return at },
	}
	if public, ok := key.PublicKey.(*rsa.PublicKey); ok {
		c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, public.N.BitLen()
	} else if key.Version == 6 {
		c.Algorithm = packet.PubKeyAlgoEd25519
	}
	return c
}

// renewed is a self-signature that says what old says, made anew with another lifetime of the key it binds. Its time is
// a second after old's at least: of two from one second neither would be the newer.
func renewed(old *packet.Signature, signer *packet.PublicKey, lifetime uint32, at time.Time) *packet.Signature {
	if at = at.Truncate(time.Second); !at.After(old.CreationTime) { // signatures know whole seconds
		at = old.CreationTime.Add(time.Second)
	}
	return &packet.Signature{
		Version: signer.Version, SigType: old.SigType, PubKeyAlgo: signer.PubKeyAlgo, Hash: crypto.SHA512, CreationTime: at,
		IssuerKeyId: &signer.KeyId, IssuerKeyVersion: uint8(signer.Version), IssuerFingerprint: signer.Fingerprint,
		KeyLifetimeSecs: &lifetime, IsPrimaryId: old.IsPrimaryId,
		PreferredSymmetric: old.PreferredSymmetric, PreferredHash: old.PreferredHash,
		PreferredCompression: old.PreferredCompression, PreferredCipherSuites: old.PreferredCipherSuites,
		KeyserverPrefsValid: old.KeyserverPrefsValid, KeyserverPrefNoModify: old.KeyserverPrefNoModify,
		PreferredKeyserver: old.PreferredKeyserver, PolicyURI: old.PolicyURI,
		FlagsValid: old.FlagsValid, FlagCertify: old.FlagCertify, FlagSign: old.FlagSign,
		FlagEncryptCommunications: old.FlagEncryptCommunications, FlagEncryptStorage: old.FlagEncryptStorage,
		FlagAuthenticate: old.FlagAuthenticate, FlagGroupKey: old.FlagGroupKey,
		SEIPDv1: old.SEIPDv1, SEIPDv2: old.SEIPDv2,
	}
}
