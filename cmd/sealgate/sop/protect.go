package sop

import (
	"crypto"
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// hashedOctets is how many octets are hashed per try of a password, the most that OpenPGP can say, as keyring exports.
const hashedOctets = 65011712

// protect puts secrets back into their packets, under a password unless it is nil. GnuPG 2.2 reads what it writes
// (RFC 9580, section 3.7.2.1).
func (i *invocation) protect(key transferable, secrets []*packet.PrivateKey, password []byte) error {
	if password != nil {
		err := packet.EncryptPrivateKeys(secrets, password, &packet.Config{
			Rand: i.Random, DefaultCipher: packet.CipherAES256,
			S2KConfig: &s2k.Config{S2KMode: s2k.IteratedSaltedS2K, Hash: crypto.SHA256, S2KCount: hashedOctets},
		})
		if err != nil {
			return fmt.Errorf("protect key: %w", err)
		}
	}
	for n, secret := range secrets {
		if secret != nil && !secret.Dummy() {
			key[n].head = opaque(secret)
		}
	}
	return nil
}

// runChangeKeyPassword gives secret keys another password, or none.
func runChangeKeyPassword(i *invocation) error {
	password, err := i.newPassword("--new-key-password")
	if err != nil {
		return err
	}
	keys, err := i.standardKeys("--old-key-password")
	if err != nil {
		return err
	}
	var all []byte
	for _, l := range keys {
		if err := i.protect(l.packets, l.secrets, password); err != nil {
			return err
		}
		all = append(all, l.packets.bytes()...)
	}
	return i.emit(armor.PrivateKey, all)
}

// standardKeys loads the secret keys on standard input and unlocks them.
func (i *invocation) standardKeys(passwordOption string) ([]*loaded, error) {
	passwords, err := i.passwords(passwordOption)
	if err != nil {
		return nil, err
	}
	content, err := i.standardInput()
	if err != nil {
		return nil, err
	}
	keys, err := i.loadKeys(content, "")
	if err != nil {
		return nil, err
	}
	for _, l := range keys {
		if err := l.unlock(passwords); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// runExtractCert leaves the secrets out.
func runExtractCert(i *invocation) error {
	content, err := i.standardInput()
	if err != nil {
		return err
	}
	keys, err := i.loadKeys(content, "")
	if err != nil {
		return err
	}
	var all []byte
	for _, l := range keys {
		all = append(all, l.packets.public().bytes()...)
	}
	return i.emit(armor.PublicKey, all)
}

// runRevokeKey makes certificates that say that their key must not be used any more, whatever came before.
func runRevokeKey(i *invocation) error {
	keys, err := i.standardKeys("--with-key-password")
	if err != nil {
		return err
	}
	var all []byte
	for _, l := range keys {
		secret := l.primarySecret()
		if secret == nil {
			return fail(KeyCannotCertify, "the secret primary key is not in this key, and nothing else can revoke it")
		}
		s := newSignature(&secret.PublicKey, packet.SigTypeKeyRevocation, i.Now)
		reason := packet.NoReason
		s.RevocationReason = &reason
		if err := s.RevokeKey(&secret.PublicKey, secret, i.signing()); err != nil {
			return fmt.Errorf("revoke key: %w", err)
		}
		certificate := l.packets.public()
		certificate[0].tail = append([]*packet.OpaquePacket{opaque(s)}, certificate[0].tail...)
		all = append(all, certificate.bytes()...)
	}
	return i.emit(armor.PublicKey, all)
}

// signing is the library's configuration for signatures about keys.
func (i *invocation) signing() *packet.Config {
	return &packet.Config{Rand: i.Random, Time: i.clock(), DefaultHash: crypto.SHA512}
}
