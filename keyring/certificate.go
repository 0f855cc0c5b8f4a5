package keyring

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// UserID is one user ID of a certificate. Text is safe to show: what is not printable in it reads U+FFFD. Address is
// its one addr-spec, canonical (domain lower-cased, A-labels), or "" when it holds none or more than one.
type UserID struct {
	Text    string
	Address string
	Revoked bool
	Valid   bool // has a valid self-signature at the time of judging and is not revoked
}

// Subkey is one key below the primary. CanSign and CanEncrypt are what its newest binding allows; whether it may be
// used now depends on Expires and Revoked too.
type Subkey struct {
	Fingerprint string
	KeyID       string
	Algorithm   string
	Created     time.Time
	Expires     time.Time // zero means never
	Revoked     bool
	CanSign     bool
	CanEncrypt  bool
}

// Certificate is one OpenPGP certificate as the keyring knows it. Entity holds public packets only, and only what
// the primary key itself signed; reading it, and asking the library about it, is safe for concurrent use.
type Certificate struct {
	Fingerprint string // upper-case hex, 40 digits (v4) or 64 (v6)
	KeyID       string // 16 upper-case hex digits
	Version     int
	Algorithm   string // "Ed25519", "RSA 3072", …
	Created     time.Time
	Expires     time.Time // zero means never
	Revoked     bool
	UserIDs     []UserID
	Subkeys     []Subkey
	HasSecret   bool
	State       State
	Source      Source
	ImportedAt  time.Time
	UpdatedAt   time.Time
	Entity      *openpgp.Entity

	material   material
	secretKeys []string // fingerprints of the keys whose secret is held
}

// Addresses returns the canonical addresses of the valid user IDs, without repetition.
func (c *Certificate) Addresses() []string {
	var addresses []string
	for _, u := range c.UserIDs {
		if u.Valid && u.Address != "" && !slices.Contains(addresses, u.Address) {
			addresses = append(addresses, u.Address)
		}
	}
	return addresses
}

// Armored returns the public certificate in armor without version or comment.
func (c *Certificate) Armored() ([]byte, error) {
	return encodeArmor(openpgp.PublicKeyType, c.material.public().bytes())
}

// Binary returns the public packets.
func (c *Certificate) Binary() ([]byte, error) { return c.material.public().bytes(), nil }

// describe puts into words what a verified certificate says at an instant.
func describe(m material, e *openpgp.Entity, at time.Time) *Certificate {
	c := &Certificate{
		Fingerprint: fingerprint(e.PrimaryKey),
		KeyID:       e.PrimaryKey.KeyIdString(),
		Version:     e.PrimaryKey.Version,
		Algorithm:   algorithm(e.PrimaryKey),
		Created:     e.PrimaryKey.CreationTime.UTC(),
		Expires:     primaryExpiry(e, at),
		Revoked:     e.Revoked(at),
		Entity:      e,
		material:    m.public(),
	}
	for _, u := range m.userIDs {
		c.UserIDs = append(c.UserIDs, describeUserID(e.Identities[string(u.body)], at))
	}
	for i := range e.Subkeys {
		c.Subkeys = append(c.Subkeys, describeSubkey(&e.Subkeys[i], at))
	}
	return c
}

func describeUserID(id *openpgp.Identity, at time.Time) UserID {
	u := UserID{Text: displayText(id.Name), Address: userIDAddress(id.Name)}
	newest, _ := id.LatestValidSelfCertification(at, nil)
	u.Revoked = id.Revoked(newest, at, nil)
	u.Valid = newest != nil && !u.Revoked
	return u
}

func describeSubkey(s *openpgp.Subkey, at time.Time) Subkey {
	out := Subkey{
		Fingerprint: fingerprint(s.PublicKey),
		KeyID:       s.PublicKey.KeyIdString(),
		Algorithm:   algorithm(s.PublicKey),
		Created:     s.PublicKey.CreationTime.UTC(),
	}
	binding := subkeyBinding(s, at)
	out.Revoked = s.Revoked(binding, at)
	if binding != nil {
		out.Expires = expiry(s.PublicKey, binding)
		out.CanSign = maySign(binding, s.PublicKey)
		out.CanEncrypt = mayEncrypt(binding, s.PublicKey)
	}
	return out
}

// secretKeys lists the fingerprints of the keys of m whose secret is there, sorted. Entity and material have their
// keys in the same order.
func secretKeys(e *openpgp.Entity, m material) []string {
	var held []string
	if m.primary.secret != nil {
		held = append(held, fingerprint(e.PrimaryKey))
	}
	for i, s := range m.subkeys {
		if s.secret != nil {
			held = append(held, fingerprint(e.Subkeys[i].PublicKey))
		}
	}
	slices.Sort(held)
	return held
}

func fingerprint(key *packet.PublicKey) string {
	return strings.ToUpper(hex.EncodeToString(key.Fingerprint))
}
