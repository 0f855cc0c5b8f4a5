package bed

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// GPGWithKeys is GnuPG used as an OpenPGP: keys are imported when they are first handed to it. They stay, so that Decrypt
// opens with any secret key that was ever handed to it.
type GPGWithKeys struct {
	*GPG
	t        testing.TB
	imported map[[sha256.Size]byte]string // fingerprint by armored key
}

// NewGPGWithKeys makes a home folder for it. It calls Need.
func NewGPGWithKeys(t testing.TB) *GPGWithKeys {
	t.Helper()
	return &GPGWithKeys{GPG: NewGPG(t), t: t, imported: map[[sha256.Size]byte]string{}}
}

// Version is that of gpg.
func (g *GPGWithKeys) Version() (string, error) {
	out, _, err := g.Try(g.t, nil, "--version")
	line, _, _ := strings.Cut(string(out), "\n")
	return line[strings.LastIndexByte(line, ' ')+1:], err
}

// Generate makes a key; kinds are as for GPG.Generate.
func (g *GPGWithKeys) Generate(userID, kind string) ([]byte, error) {
	fingerprint := g.GPG.Generate(g.t, userID, kind)
	key, _, err := g.Try(g.t, nil, "--armor", "--export-secret-keys", fingerprint)
	return key, err
}

// Certificate extracts it.
func (g *GPGWithKeys) Certificate(key []byte) ([]byte, error) {
	fingerprint, err := g.hold(key)
	if err != nil {
		return nil, err
	}
	certificate, _, err := g.Try(g.t, nil, "--armor", "--export", fingerprint)
	return certificate, err
}

// Encrypt encrypts, and signs inside.
func (g *GPGWithKeys) Encrypt(plain, signer []byte, certificates ...[]byte) ([]byte, error) {
	args := []string{"--armor", "--encrypt"}
	for _, certificate := range certificates {
		fingerprint, err := g.hold(certificate)
		if err != nil {
			return nil, err
		}
		args = append(args, "--recipient", fingerprint)
	}
	if signer != nil {
		fingerprint, err := g.hold(signer)
		if err != nil {
			return nil, err
		}
		args = append(args, "--sign", "--local-user", fingerprint)
	}
	message, _, err := g.Try(g.t, plain, args...)
	return message, err
}

// Decrypt decrypts. gpg's exit code tells of bad and unknown signatures, its status lines of good ones.
func (g *GPGWithKeys) Decrypt(message, key, signer []byte) ([]byte, error) {
	if _, err := g.hold(key); err != nil {
		return nil, err
	}
	by := ""
	if signer != nil {
		var err error
		if by, err = g.hold(signer); err != nil {
			return nil, err
		}
	}
	plain, status, err := g.Try(g.t, message, "--decrypt")
	switch {
	case err == nil && signer != nil && !signedBy(status, by):
		err = ErrNotSigned
	case signer == nil && strings.Contains(status, " GOODMDC") && strings.Contains(status, " ERRSIG ") && len(plain) > 0:
		err = nil // all that gpg misses is the signer's certificate
	}
	return plain, err
}

// Sign makes a detached signature.
func (g *GPGWithKeys) Sign(plain, key []byte) ([]byte, error) {
	fingerprint, err := g.hold(key)
	if err != nil {
		return nil, err
	}
	signature, _, err := g.Try(g.t, plain, "--armor", "--detach-sign", "--local-user", fingerprint)
	return signature, err
}

// Verify checks one.
func (g *GPGWithKeys) Verify(plain, signature, signer []byte) error {
	by, err := g.hold(signer)
	if err != nil {
		return err
	}
	path, err := program{dir: g.Home}.file(signature)
	if err != nil {
		return err
	}
	_, status, err := g.Try(g.t, plain, "--verify", path, "-")
	if err == nil && !signedBy(status, by) {
		err = ErrNotSigned
	}
	return err
}

// Clearsign signs a text.
func (g *GPGWithKeys) Clearsign(text, key []byte) ([]byte, error) {
	fingerprint, err := g.hold(key)
	if err != nil {
		return nil, err
	}
	message, _, err := g.Try(g.t, text, "--clearsign", "--local-user", fingerprint)
	return message, err
}

// ReadClearsigned verifies one.
func (g *GPGWithKeys) ReadClearsigned(message, signer []byte) ([]byte, error) {
	by, err := g.hold(signer)
	if err != nil {
		return nil, err
	}
	text, status, err := g.Try(g.t, message, "--decrypt")
	if err == nil && !signedBy(status, by) {
		err = ErrNotSigned
	}
	return text, err
}

// signedBy looks for the status line of a signature that is good in every respect; it ends with the primary key.
func signedBy(status, fingerprint string) bool {
	for line := range strings.Lines(status) {
		if strings.Contains(line, " VALIDSIG ") && strings.HasSuffix(strings.TrimSpace(line), " "+fingerprint) {
			return strings.Contains(status, " GOODSIG ")
		}
	}
	return false
}

// hold imports a key if need be and returns its fingerprint.
func (g *GPGWithKeys) hold(key []byte) (string, error) {
	sum := sha256.Sum256(key)
	if fingerprint := g.imported[sum]; fingerprint != "" {
		return fingerprint, nil
	}
	_, status, err := g.Try(g.t, key, "--import")
	for line := range strings.Lines(status) {
		if f := strings.Fields(line); len(f) >= 4 && f[1] == "IMPORT_OK" {
			g.imported[sum] = f[3]
		}
	}
	if err == nil && g.imported[sum] == "" {
		err = fmt.Errorf("gpg imported no key:\n%s", status)
	}
	return g.imported[sum], err
}
