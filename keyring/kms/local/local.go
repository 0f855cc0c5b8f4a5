// Package local is the KMS provider that needs nothing installed: a key encryption key in a file of our own.
//
// The file is made at the first start, mode 0600, optionally sealed under a passphrase (Argon2id). It protects a
// stolen database, not a stolen disk that holds both; the doctor says so ("low assurance") when no passphrase is set.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/keyring/seal"
)

// ErrMissing says that there is no key file at the given path.
var ErrMissing = errors.New("the key file is missing")

// ErrPassphrase says that the passphrase does not open the key file, or that one is needed and none was given.
var ErrPassphrase = errors.New("the passphrase does not open the key file")

// keyVersion is the version of the one key that a key file holds.
const keyVersion = "1"

// Provider wraps and unwraps with the key in one file. It is safe for concurrent use until it is closed.
type Provider struct {
	id        string
	key       seal.Key
	protected bool
}

// Protected tells whether a passphrase guards the key file.
func (p *Provider) Protected() bool { return p.protected }

// Name returns "local".
func (p *Provider) Name() string { return "local" }

// KeyRef is the id stored in the key file.
func (p *Provider) KeyRef() string { return p.id }

// Wrap implements kms.Provider.
func (p *Provider) Wrap(_ context.Context, key seal.Key, ec seal.EncryptionContext) ([]byte, string, error) {
	wrapped, err := p.key.Wrap(key, ec, rand.Reader)
	return wrapped, keyVersion, err
}

// Unwrap implements kms.Provider.
func (p *Provider) Unwrap(_ context.Context, wrapped []byte, version string, ec seal.EncryptionContext) (seal.Key, error) {
	if version != keyVersion {
		return seal.Key{}, fmt.Errorf("key version %q: %w", version, seal.ErrGone)
	}
	return p.key.Unwrap(wrapped, ec)
}

// Close wipes the key.
func (p *Provider) Close() error {
	p.key.Wipe()
	return nil
}
