package gateway_test

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// newYear is when customers made their keys.
var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func configAt(at time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return at }, DefaultHash: crypto.SHA256, DefaultCipher: packet.CipherAES256}
}

// newKey makes somebody's key as their own program does; lifetime 0 means no expiry.
func newKey(t testing.TB, address string, lifetime time.Duration) *openpgp.Entity {
	t.Helper()
	config := configAt(newYear)
	config.KeyLifetimeSecs = uint32(lifetime / time.Second)
	key, err := openpgp.NewEntity("Customer", "", address, config)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// public is the armored certificate of a key.
func public(t testing.TB, key *openpgp.Entity) []byte {
	t.Helper()
	return armored(t, openpgp.PublicKeyType, key.Serialize)
}

// private is the armored secret key, as it is: unlocked, or locked by lock.
func private(t testing.TB, key *openpgp.Entity) []byte {
	t.Helper()
	return armored(t, openpgp.PrivateKeyType, func(w io.Writer) error { return key.SerializePrivateWithoutSigning(w, nil) })
}

func armored(t testing.TB, kind string, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err == nil {
		err = write(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

// locked is the armored secret key under a passphrase.
func locked(t testing.TB, key *openpgp.Entity, passphrase string) []byte {
	t.Helper()
	out, err := keyring.ExportSecret(key, []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// imports has the admin import a file, which must work.
func (h *house) imports(input []byte, passphrase string) gateway.ImportReport {
	h.t.Helper()
	report, err := h.ImportCertificates(h.ctx(), h.admin, gateway.ImportRequest{Input: input, Passphrase: []byte(passphrase)})
	if err != nil {
		h.t.Fatal(err)
	}
	return report
}

// customer makes a key for an address and imports its certificate.
func (h *house) customer(address string) *openpgp.Entity {
	h.t.Helper()
	key := newKey(h.t, address, 0)
	h.imports(public(h.t, key), "")
	return key
}

func (h *house) customerExpired(address string) {
	h.t.Helper()
	h.imports(public(h.t, newKey(h.t, address, 31*24*time.Hour)), "")
}

func (h *house) customerRevoked(address string) {
	h.t.Helper()
	key := newKey(h.t, address, 0)
	if err := key.Revoke(packet.KeyCompromised, "", configAt(noon.Add(-time.Hour))); err != nil {
		h.t.Fatal(err)
	}
	h.imports(public(h.t, key), "")
}

func (h *house) customerBlocked(address string) {
	h.t.Helper()
	key := h.customer(address)
	if err := h.SetCertificateState(h.ctx(), h.admin, fingerprint(key), keyring.Blocked); err != nil {
		h.t.Fatal(err)
	}
}

func fingerprint(key *openpgp.Entity) string { return fmt.Sprintf("%X", key.PrimaryKey.Fingerprint) }

// encryptionKeyID is the id of the subkey that mail to a key is encrypted to.
func encryptionKeyID(key *openpgp.Entity) string {
	return fmt.Sprintf("%016X", key.Subkeys[0].PublicKey.KeyId)
}

// ownKeyID is the same for the key of Support.
func (h *house) ownKeyID() string {
	for _, s := range h.own.Subkeys {
		if s.CanEncrypt {
			return s.KeyID
		}
	}
	h.t.Fatal("the group's key has no encryption subkey")
	return ""
}
