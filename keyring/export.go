package keyring

import (
	"bytes"
	"crypto"
	"errors"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// exportCount is the number of octets hashed per try of a passphrase, the most that OpenPGP can say: some tenths of a
// second.
const exportCount = 65011712

// ExportSecret returns the armored secret key protected by passphrase, which must not be empty, so that GnuPG 2.2
// reads it (iterated and salted S2K, AES-256 in CFB mode, RFC 9580, section 3.7.2.1). secret stays as it is. Keys
// whose secret is not held leave as stubs.
func ExportSecret(secret *openpgp.Entity, passphrase []byte) (armored []byte, err error) {
	if len(passphrase) == 0 {
		return nil, problem("a secret key leaves only under a passphrase: choose one")
	}
	err = guard(func() error {
		m, err := materialOf(secret)
		if err != nil {
			return err
		}
		if err := lock(&m, passphrase); err != nil {
			return err
		}
		armored, err = encodeArmor(openpgp.PrivateKeyType, m.bytes())
		return err
	})
	return armored, err
}

// materialOf copies an entity with its unlocked secret keys into packets.
func materialOf(e *openpgp.Entity) (m material, err error) {
	var public bytes.Buffer
	if err := e.Serialize(&public); err != nil {
		return m, err
	}
	packets, err := splitPackets(public.Bytes())
	if err != nil {
		return m, err
	}
	if m, err = new(Item).assemble(packets); err != nil {
		return m, err
	}
	if len(m.subkeys) != len(e.Subkeys) {
		return m, errors.New("a subkey cannot be exported")
	}
	if m.primary.secret, err = secretOf(m.primary, e.PrivateKey); err != nil {
		return m, err
	}
	for i := range m.subkeys {
		if m.subkeys[i].secret, err = secretOf(m.subkeys[i], e.Subkeys[i].PrivateKey); err != nil {
			return m, err
		}
	}
	return m, nil
}

func secretOf(c component, key *packet.PrivateKey) ([]byte, error) {
	switch {
	case key == nil || key.Dummy():
		return nil, nil
	case key.Encrypted:
		return nil, errors.New("only an unlocked secret key can be exported")
	}
	return serializedSecret(c, key)
}

// lock protects every secret in m under one passphrase and fills the gaps with stubs.
func lock(m *material, passphrase []byte) error {
	components := []*component{&m.primary}
	for i := range m.subkeys {
		components = append(components, &m.subkeys[i])
	}
	var keys []*packet.PrivateKey
	var owners []*component
	for n, c := range components {
		if c.secret == nil {
			c.secret = stub(c.version())
			continue
		}
		key, err := parseSecret(*c, keyTag(n))
		if err != nil {
			return err
		}
		keys, owners = append(keys, key), append(owners, c)
	}
	if len(keys) == 0 {
		return ErrNoSecret
	}
	err := packet.EncryptPrivateKeys(keys, passphrase, &packet.Config{
		DefaultCipher: packet.CipherAES256,
		S2KConfig:     &s2k.Config{S2KMode: s2k.IteratedSaltedS2K, Hash: crypto.SHA256, S2KCount: exportCount},
	})
	if err != nil {
		return err
	}
	for n, key := range keys {
		if owners[n].secret, err = serializedSecret(*owners[n], key); err != nil {
			return err
		}
	}
	return nil
}

// stub is GnuPG's marker for a secret that is elsewhere: usage, cipher, S2K specifier 101 with "GNU" and mode 1. A v6
// packet has two length octets more (RFC 9580, section 5.5.3).
func stub(version byte) []byte {
	marker := []byte{101, 0, 'G', 'N', 'U', 1}
	if version == 6 {
		return slices.Concat([]byte{254, 8, 0, 6}, marker)
	}
	return slices.Concat([]byte{254, 0}, marker)
}
