package keyring

import (
	"bytes"
	"errors"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// protection is how a secret key packet guards its secret (RFC 9580, sections 3.7 and 5.5.3).
type protection struct {
	locked bool
	stub   bool  // GnuPG's marker for "the secret is elsewhere"
	memory byte  // Argon2: exponent of KiB
	passes byte  // Argon2; 0 for others
	hashed int64 // iterated and salted: octets hashed

	impossible bool // Argon2 without passes or lanes
	legacy     bool // a form older than RFC 4880 that nobody should read any more
}

// readProtection looks at the secret part of a key packet without unlocking anything.
func readProtection(version byte, secret []byte) (p protection) {
	usage := secret[0]
	p.locked = usage != 0
	if usage == 0 {
		return p
	}
	if p.legacy = usage < 253; p.legacy {
		return p
	}
	rest := secret[1:]
	skip := 1 // cipher
	if version == 6 {
		skip += 2 // lengths of the parameters and of the S2K specifier
	}
	if usage == 253 {
		skip++ // AEAD mode
	}
	if len(rest) <= skip {
		return p
	}
	s2k := rest[skip:]
	switch s2k[0] {
	case 4: // Argon2: salt, passes, parallelism, memory
		if len(s2k) >= 20 {
			p.passes, p.memory = s2k[17], s2k[19]
			p.impossible = s2k[17] == 0 || s2k[18] == 0
		}
	case 3: // iterated and salted: hash, salt, coded count
		if len(s2k) >= 11 {
			p.hashed = int64(16+s2k[10]&15) << (s2k[10]>>4 + 6)
		}
	case 101:
		p.stub = len(s2k) >= 5 && bytes.Equal(s2k[2:5], []byte("GNU"))
	}
	return p
}

func (c component) version() byte { return rawPacket{body: c.body}.version() }

func (c component) locked() bool {
	return len(c.secret) > 0 && readProtection(c.version(), c.secret).locked
}

// Unlock opens the item's secret key: ErrNeedsPassphrase, ErrPassphrase, or an error when secret and public half do
// not belong together. It does nothing for an item without a secret key. Call it for unlocked secret keys too, with
// any passphrase: it proves that they fit. The caller wipes passphrase.
func (i *Item) Unlock(passphrase []byte) error {
	switch {
	case i.Err != nil:
		return i.Err
	case !i.HasSecret || i.opened:
		return nil
	case i.Locked && len(passphrase) == 0:
		return ErrNeedsPassphrase
	}
	if err := i.checkWork(); err != nil {
		return err
	}
	return guard(func() error { return i.open(passphrase) })
}

// checkWork bounds memory and time of the key derivations before the first one starts.
func (i *Item) checkWork() error {
	var w work
	for _, c := range i.material.keys() {
		if c.secret == nil {
			continue
		}
		if err := w.add(readProtection(c.version(), c.secret), i.limits.WithDefaults()); err != nil {
			return err
		}
	}
	return nil
}

// work is what unlocking the keys of one secret key costs: bytes of memory times passes, and bytes hashed.
type work struct{ argon2, hashed int64 }

// add counts one more key, and says why it is too much.
func (w *work) add(p protection, l Limits) error {
	memory := int64(1) << 10 << min(p.memory, 31)
	w.argon2 += int64(p.passes) * memory
	w.hashed += p.hashed
	switch {
	case p.legacy:
		return problem("this secret key is protected in a form from before 1998: " +
			"give it a new passphrase with gpg --edit-key, then export it again")
	case p.impossible:
		return problem("this secret key is protected with parameters that nothing can compute, it is damaged or forged: " +
			"export it again from its original")
	case p.passes > 0 && memory > l.Argon2Memory, w.argon2 > l.Argon2Work:
		return problem("unlocking this secret key would take more than %d MiB or too long: "+
			"give it a passphrase with smaller Argon2 parameters, then export it again", l.Argon2Memory>>20)
	case w.hashed > l.S2KWork:
		return problem("unlocking this secret key would take too long, its %d MiB are hashed before the passphrase is checked: "+
			"give it the passphrase anew with gpg, then export it again", w.hashed>>20)
	}
	return nil
}

// open unlocks every secret key and keeps the unlocked packets, byte for byte what the library reads from them.
func (i *Item) open(passphrase []byte) error {
	m := i.material
	m.subkeys = append([]component(nil), m.subkeys...)
	components := []*component{&m.primary}
	for n := range m.subkeys {
		components = append(components, &m.subkeys[n])
	}
	keys := make([]*packet.PrivateKey, len(components))
	for n, c := range components {
		if c.secret == nil {
			continue
		}
		key, err := parseSecret(*c, keyTag(n))
		if err != nil {
			return unlockError(err, false)
		}
		keys[n] = key
	}
	if err := packet.DecryptPrivateKeys(keys, passphrase); err != nil {
		return unlockError(err, i.Locked)
	}
	for n, key := range keys {
		if key == nil {
			continue
		}
		secret, err := serializedSecret(*components[n], key)
		if err != nil {
			return err
		}
		components[n].secret = secret
	}
	i.material, i.opened, i.Locked = m, true, false
	return nil
}

// keyTag is the secret key packet type of the n-th key of a certificate.
func keyTag(n int) byte {
	if n == 0 {
		return tagSecretKey
	}
	return tagSecretSubkey
}

// unlockError tells a wrong passphrase from a secret that does not fit its public half, which would betray the key at
// its first signature.
func unlockError(err error, locked bool) error {
	var invalid pgperrors.KeyInvalidError
	var unsupported pgperrors.UnsupportedError
	switch {
	case errors.As(err, &invalid):
		return problem("the secret and the public half of this key do not belong together, it was altered: " +
			"do not use it, export it again from its original")
	case errors.As(err, &unsupported):
		return problem("this secret key is protected in a way that cannot be read here: " +
			"change its passphrase with gpg 2.2 or newer, then export it again")
	case locked:
		return ErrPassphrase
	}
	return problem("this secret key is damaged: export it again from its original")
}

// serializedSecret returns the part of a secret key packet that follows the public part.
func serializedSecret(c component, key *packet.PrivateKey) ([]byte, error) {
	var out bytes.Buffer
	if err := key.Serialize(&out); err != nil {
		return nil, err
	}
	packets, err := splitPackets(out.Bytes())
	if err != nil {
		return nil, err
	}
	secret, ok := bytes.CutPrefix(packets[0].body, c.body)
	if !ok {
		return nil, problem("this secret key is not encoded as it should be: export it again from its original")
	}
	return secret, nil
}
