package keyring

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/migrations/dbtest"
)

// peerChange is a change of an own key, and what other programs do with its certificate then.
type peerChange struct {
	name   string
	change func(secret *openpgp.Entity, c *Certificate, at time.Time) (*Item, error)
	want   string // what other programs do after it
}

func peerChanges() []peerChange {
	return []peerChange{
		{"a new key", nil, "encrypts"},
		{"extended", func(s *openpgp.Entity, _ *Certificate, at time.Time) (*Item, error) {
			return Extend(s, at.Add(2*year), at)
		}, "encrypts"},
		{"with a subkey to encrypt", func(s *openpgp.Entity, _ *Certificate, at time.Time) (*Item, error) {
			return AddSubkey(s, ToEncrypt, year, at)
		}, "encrypts"},
		{"with a subkey to sign", func(s *openpgp.Entity, _ *Certificate, at time.Time) (*Item, error) {
			return AddSubkey(s, ToSign, 0, at)
		}, "encrypts"},
		{"with one subkey retired", func(s *openpgp.Entity, c *Certificate, at time.Time) (*Item, error) {
			return RetireSubkey(s, c.Subkeys[0].KeyID, at)
		}, "encrypts"},
		{"revoked", func(s *openpgp.Entity, _ *Certificate, at time.Time) (*Item, error) {
			return Revoke(s, Superseded, "there is a new one", at)
		}, "refuses"},
	}
}

// TestPeersReadEveryChange: after each change, one upon the other, gpg and sq (for version 6: openpgpjs) encrypt to the
// certificate, whole and minimal, or see that it is revoked; what they encrypt is opened by the exported secret key.
func TestPeersReadEveryChange(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			peers := peersFor(t, kind)
			at := time.Now().Add(-time.Hour)
			o := newOwn(t, dbtest.SQLite(t), kind, year, at)
			for _, step := range peerChanges() {
				at = at.Add(time.Minute)
				if step.change != nil {
					item, err := step.change(o.secret(), o.at(at), at)
					o.apply(at, item, err)
				}
				whole, secret := o.at(time.Now()), o.exported()
				for form, c := range map[string]*Certificate{"whole": whole, "minimal": whole.Minimal("", time.Now())} {
					for peer, p := range peers {
						if got := readBy(t, p, c, secret); got != step.want {
							t.Errorf("%s, %s: %s %s", step.name, form, peer, got)
						}
					}
				}
			}
		})
	}
}

type encrypter interface {
	Encrypt(plain, signer []byte, certificates ...[]byte) ([]byte, error)
}

func peersFor(t *testing.T, kind Kind) map[string]encrypter {
	t.Helper()
	if kind == Version6 {
		return map[string]encrypter{"openpgpjs": bed.NewOpenPGPJS(t)}
	}
	return map[string]encrypter{"gpg": bed.NewGPGWithKeys(t), "sq": bed.NewSQ(t)}
}

// readBy says what a program makes of a certificate.
func readBy(t *testing.T, p encrypter, c *Certificate, secret *openpgp.Entity) string {
	t.Helper()
	armored, err := c.Armored()
	if err != nil {
		t.Fatal(err)
	}
	// QUIRK: sq 0.27 encrypts to the subkeys of a revoked certificate, so it is asked for its opinion.
	if _, isSQ := p.(*bed.SQ); isSQ && inspected(t, armored, "Revoked:") {
		return "refuses"
	}
	ciphertext, err := p.Encrypt([]byte("hello"), nil, armored)
	switch {
	case err != nil:
		return "refuses"
	case !opens(t, secret, ciphertext):
		return "encrypts what is not opened"
	}
	return "encrypts"
}

// inspected tells whether sq says so of the primary key, which comes first.
func inspected(t *testing.T, certificate []byte, words string) bool {
	t.Helper()
	cmd := exec.Command("sq", "inspect")
	cmd.Stdin = bytes.NewReader(certificate)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	primary, _, _ := strings.Cut(string(out), "Subkey:")
	return strings.Contains(primary, words)
}

const filePassphrase = "a passphrase for the file"

// exported is the secret key after it left under a passphrase and was read again.
func (o own) exported() *openpgp.Entity {
	o.t.Helper()
	text, err := ExportSecret(o.secret(), []byte(filePassphrase))
	if err != nil {
		o.t.Fatal(err)
	}
	item := parseOne(o.t, text, time.Now())
	if err := item.Unlock([]byte(filePassphrase)); err != nil {
		o.t.Fatal(err)
	}
	secret, err := item.unlocked()
	if err != nil {
		o.t.Fatal(err)
	}
	return secret
}

// opens tells whether a secret key opens a message.
func opens(t *testing.T, secret *openpgp.Entity, ciphertext []byte) bool {
	t.Helper()
	if bytes.HasPrefix(ciphertext, []byte("-----")) {
		ciphertext = decoded(t, ciphertext)
	}
	message, err := openpgp.ReadMessage(bytes.NewReader(ciphertext), openpgp.EntityList{secret}, nil, nil)
	if err != nil {
		return false
	}
	plain, err := io.ReadAll(message.UnverifiedBody)
	return err == nil && string(plain) == "hello"
}

// TestPeersTakeTheSecretKey: gpg and sq sign with a secret key that left after it had changed, subkeys and all, and
// verify each other by its certificate.
func TestPeersTakeTheSecretKey(t *testing.T) {
	g, s := bed.NewGPG(t), bed.NewSQ(t)
	at := time.Now().Add(-time.Hour)
	o := newOwn(t, dbtest.SQLite(t), Curve25519, year, at)
	for _, step := range peerChanges()[1:5] {
		at = at.Add(time.Minute)
		item, err := step.change(o.secret(), o.at(at), at)
		o.apply(at, item, err)
	}
	exported, err := ExportSecret(o.secret(), []byte(filePassphrase))
	if err != nil {
		t.Fatal(err)
	}
	g.Run(t, exported, "--passphrase", filePassphrase, "--import")
	signature, _ := g.Run(t, []byte("hello"), "--passphrase", filePassphrase, "--armor", "--detach-sign", "--local-user", o.fingerprint)
	certificate, err := o.at(time.Now()).Armored()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify([]byte("hello"), signature, certificate); err != nil {
		t.Errorf("sq does not verify what gpg signed: %v", err)
	}
	listed, _ := g.Run(t, nil, "--with-colons", "--list-secret-keys", o.fingerprint)
	if got := strings.Count(string(listed), "\nssb:"); got != 3 {
		t.Errorf("gpg holds %d secret subkeys, want 3:\n%s", got, listed)
	}
	if err := signatureBy(signature, o); err != nil {
		t.Error(err)
	}
}

// signatureBy checks that the subkey made to sign is the one that signed.
func signatureBy(signature []byte, o own) error {
	now := time.Now()
	key, ok := o.at(now).Entity.SigningKey(now, nil)
	if !ok || key.IsPrimary() {
		return errors.New("we would not sign with a subkey")
	}
	_, _, err := openpgp.VerifyArmoredDetachedSignature(openpgp.EntityList{o.at(now).Entity}, strings.NewReader("hello"), bytes.NewReader(signature), nil)
	return err
}
