package sop

import (
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/keyring"
)

// runUpdateKey keeps secret keys fit for use: it takes in what --merge-certs knows of them, renews self-signatures that
// are made with a weak hash, and adds a subkey for encryption where none is left. It prolongs nothing and advertises
// nothing new.
func runUpdateKey(i *invocation) error {
	passwords, err := i.passwords("--with-key-password")
	if err != nil {
		return err
	}
	content, err := i.standardInput()
	if err != nil {
		return err
	}
	keys, err := i.loadKeys(content, "")
	if err != nil {
		return err
	}
	copies, err := i.certificates(i.options["--merge-certs"])
	if err != nil {
		return err
	}
	var all []byte
	for _, l := range keys {
		updated, err := i.update(l, copies, passwords)
		if err != nil {
			return err
		}
		all = append(all, updated.bytes()...)
	}
	return i.emit(armor.PrivateKey, all)
}

func (i *invocation) update(l *loaded, copies []*loaded, passwords [][]byte) (transferable, error) {
	key := l.mergedWith(copies)
	found, err := i.load(key.bytes(), "")
	if err != nil {
		return nil, err
	}
	merged := found[0] // judged again: a copy may hold a revocation
	if merged.Revoked {
		return nil, fail(PrimaryKeyBad, "the primary key %s is revoked: make a new key", merged.Fingerprint)
	}
	if merged.ForSigning(i.Now) == keyring.Weak {
		return nil, fail(PrimaryKeyBad, "the primary key %s is too weak: make a new key", merged.Fingerprint)
	}
	if err := merged.unlock(passwords); err != nil {
		return nil, err
	}
	primary := merged.primarySecret()
	if primary == nil {
		return merged.packets, nil // without it nothing can be signed
	}
	key, secrets := merged.packets, merged.secrets
	if err := i.renew(merged); err != nil {
		return nil, err
	}
	if merged.ForEncryption(i.Now) == keyring.NoEncryption && !i.has("--signing-only") && !i.has("--no-added-capabilities") {
		c, secret, err := i.encryptionSubkey(primary)
		if err != nil {
			return nil, err
		}
		key, secrets = append(key, c), append(secrets, secret)
	}
	return key, i.protect(key, secrets, merged.password)
}

// renew signs again what the primary key says with a weak hash about itself, its user IDs and its subkeys. It takes the
// keyring's word for what that is: anybody can add packets to a certificate.
func (i *invocation) renew(l *loaded) error {
	for n, c := range l.packets {
		old := l.selfSignature(c, i.Now)
		if old == nil || !weakHash(old.Hash) {
			continue
		}
		s := *old
		s.Hash, s.CreationTime = crypto.SHA512, i.Now
		if err := i.signAgain(&s, c, l.primarySecret(), l.secrets[n]); err != nil {
			return fmt.Errorf("update key: %w", err)
		}
		l.packets[n].add(opaque(&s))
	}
	return nil
}

// selfSignature is the newest one about a component that counts at an instant, nil when there is none, or when the
// component was revoked.
func (l *loaded) selfSignature(c component, at time.Time) *packet.Signature {
	var s *packet.Signature
	var err error
	switch c.head.Tag {
	case tagPublicKey, tagSecretKey:
		s, err = l.Entity.LatestValidDirectSignature(at, nil)
	case tagUserID:
		id := l.Entity.Identities[string(c.head.Contents)]
		if id == nil {
			return nil
		}
		s, err = id.Verify(at, nil)
	default:
		sub := l.subkey(c)
		if sub == nil {
			return nil
		}
		if s, err = sub.LatestValidBindingSignature(at, nil); err == nil && sub.Revoked(s, at) {
			return nil
		}
	}
	if err != nil {
		return nil
	}
	return s
}

// signAgain makes a self-signature of the primary key about a component; own is the component's secret, if it is a key.
func (i *invocation) signAgain(s *packet.Signature, about component, primary, own *packet.PrivateKey) error {
	switch {
	case s.SigType == packet.SigTypeDirectSignature:
		return s.SignDirectKeyBinding(&primary.PublicKey, primary, i.signing())
	case about.isUserID():
		return s.SignUserId(string(about.head.Contents), &primary.PublicKey, primary, i.signing())
	case s.SigType != packet.SigTypeSubkeyBinding:
		return errors.New("a self-signature is of no known kind")
	}
	subkey := about.publicKey()
	if s.FlagSign && own != nil && !own.Dummy() { // it signs the primary key back (RFC 9580, section 5.2.1.8)
		s.EmbeddedSignature = newSignature(subkey, packet.SigTypePrimaryKeyBinding, i.Now)
		if err := s.EmbeddedSignature.CrossSignKey(subkey, &primary.PublicKey, own, i.signing()); err != nil {
			return err
		}
	}
	return s.SignKey(subkey, primary, i.signing())
}

func weakHash(h crypto.Hash) bool {
	return h == crypto.SHA1 || h == crypto.MD5 || h == crypto.RIPEMD160
}

// encryptionSubkey makes a subkey of the primary key's version.
func (i *invocation) encryptionSubkey(primary *packet.PrivateKey) (component, *packet.PrivateKey, error) {
	name := "draft-koch-eddsa-for-openpgp-00"
	if primary.Version == 6 {
		name = "rfc9580"
	}
	p, err := profileOf("generate-key", name)
	if err != nil {
		return component{}, nil, err
	}
	e := &openpgp.Entity{PrimaryKey: &primary.PublicKey, PrivateKey: primary}
	if err := e.AddEncryptionSubkey(p.config(i)); err != nil {
		return component{}, nil, fmt.Errorf("update key: %w", err)
	}
	sub := e.Subkeys[0]
	return component{opaque(sub.PrivateKey), []*packet.OpaquePacket{opaque(sub.Bindings[0].Packet)}}, sub.PrivateKey, nil
}
