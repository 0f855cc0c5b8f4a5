package sop

import (
	"bytes"
	"encoding/hex"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/keyring"
)

// loaded is one certificate or secret key of an input: as the keyring judged it, and as it came.
type loaded struct {
	*keyring.Certificate
	from    string // the input's name, or "" for standard input
	item    *keyring.Item
	packets transferable

	secrets  []*packet.PrivateKey // unlocked, in the order of packets; nil where there is none
	password []byte               // that unlocked them, nil where none was needed
}

// certificates loads what CERTS arguments name. A secret key in their place is refused: it should not be lying there.
func (i *invocation) certificates(names []string) ([]*loaded, error) {
	var all []*loaded
	for _, name := range names {
		content, err := i.input(name)
		if err != nil {
			return nil, err
		}
		found, err := i.loadCertificates(content, name)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (i *invocation) loadCertificates(content []byte, from string) ([]*loaded, error) {
	found, err := i.load(content, from)
	if err != nil {
		return nil, err
	}
	for _, l := range found {
		if l.item.HasSecret {
			return nil, fail(BadData, "%s holds a secret key where a certificate belongs: use extract-cert first", called(from))
		}
	}
	return found, nil
}

// keys loads what KEYS arguments name, and unlocks them with the passwords of an option.
func (i *invocation) keys(names []string, passwordOption string) ([]*loaded, error) {
	passwords, err := i.passwords(passwordOption)
	if err != nil {
		return nil, err
	}
	var all []*loaded
	for _, name := range names {
		content, err := i.input(name)
		if err != nil {
			return nil, err
		}
		found, err := i.loadKeys(content, name)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	for _, l := range all {
		if err := l.unlock(passwords); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// loadKeys loads secret keys without unlocking them.
func (i *invocation) loadKeys(content []byte, from string) ([]*loaded, error) {
	found, err := i.load(content, from)
	if err != nil {
		return nil, err
	}
	for _, l := range found {
		if !l.item.HasSecret {
			return nil, fail(BadData, "%s holds no secret key where one belongs", called(from))
		}
	}
	return found, nil
}

// load reads one input. One bad block spoils it: what a caller named he wants to see used.
func (i *invocation) load(content []byte, from string) ([]*loaded, error) {
	items, err := keyring.Parse(content, i.Now)
	if err != nil {
		return nil, fail(BadData, "%s: %v", called(from), err)
	}
	binary, err := binaryOf(content)
	if err != nil {
		return nil, fail(BadData, "%s: %v", called(from), err)
	}
	packets, err := split(binary)
	if err != nil {
		return nil, fail(BadData, "%s: %v", called(from), err)
	}
	var all []*loaded
	for n, item := range items {
		if item.Err != nil {
			return nil, fail(BadData, "%s: %v", called(from), item.Err)
		}
		l := &loaded{Certificate: item.Certificate, from: from, item: item}
		if n >= len(packets) || fingerprint(packets[n][0].publicKey()) != l.Fingerprint {
			return nil, fail(BadData, "%s does not hold what it seems to", called(from))
		}
		l.packets = packets[n]
		l.State = keyring.Approved // by the one who named it
		all = append(all, l)
	}
	return all, nil
}

// called is an input's name for people.
func called(from string) string {
	if from == "" {
		return "standard input"
	}
	return from
}

func fingerprint(key *packet.PublicKey) string {
	if key == nil {
		return ""
	}
	return strings.ToUpper(hex.EncodeToString(key.Fingerprint))
}

// unlock opens the secret keys with the first password that fits.
func (l *loaded) unlock(passwords [][]byte) error {
	if !l.item.Locked {
		passwords = [][]byte{nil}
	}
	for _, password := range passwords {
		err := l.item.Unlock(password)
		if err == nil {
			l.password = password
			return l.unlockPackets()
		}
		if err != keyring.ErrPassphrase && err != keyring.ErrNeedsPassphrase {
			return fail(BadData, "%s: %v", called(l.from), err)
		}
	}
	return fail(KeyIsProtected, "%s is protected: no password that was given unlocks it", called(l.from))
}

// unlockPackets does to the packets what the keyring has proven to work. A locked subkey that it does not hold stays as
// it is: nobody bounded the work that its password asks for.
func (l *loaded) unlockPackets() error {
	l.secrets = make([]*packet.PrivateKey, len(l.packets))
	for n, c := range l.packets {
		if !c.isSecret() {
			continue
		}
		p, err := c.head.Parse()
		if secret, ok := p.(*packet.PrivateKey); err == nil && ok && (n == 0 || !secret.Encrypted || l.subkey(c) != nil) {
			l.secrets[n] = secret
		}
	}
	if err := packet.DecryptPrivateKeys(l.secrets, l.password); err != nil {
		return fail(KeyIsProtected, "%s is protected by different passwords", called(l.from))
	}
	return nil
}

// subkey is a component as the keyring knows it, nil when it is not bound.
func (l *loaded) subkey(c component) *openpgp.Subkey {
	wanted := fingerprint(c.publicKey())
	for n := range l.Entity.Subkeys {
		if fingerprint(l.Entity.Subkeys[n].PublicKey) == wanted {
			return &l.Entity.Subkeys[n]
		}
	}
	return nil
}

// entity is the certificate as the keyring vouches for it, with the unlocked secret keys. A key on a card has none.
func (l *loaded) entity() *openpgp.Entity {
	e := l.Entity
	for _, secret := range l.secrets {
		if secret == nil || secret.Dummy() {
			continue
		}
		if bytes.Equal(secret.Fingerprint, e.PrimaryKey.Fingerprint) {
			e.PrivateKey = secret
		}
		for n := range e.Subkeys {
			if bytes.Equal(secret.Fingerprint, e.Subkeys[n].PublicKey.Fingerprint) {
				e.Subkeys[n].PrivateKey = secret
			}
		}
	}
	return e
}

// primarySecret is the unlocked secret primary key, nil where it is elsewhere.
func (l *loaded) primarySecret() *packet.PrivateKey {
	if len(l.secrets) == 0 || l.secrets[0] == nil || l.secrets[0].Dummy() {
		return nil
	}
	return l.secrets[0]
}
