// Package local is the KMS provider that needs nothing installed: a key encryption key in a file of our own.
//
// The file is made at the first start, mode 0600, optionally sealed under a passphrase (Argon2id). It protects a
// stolen database, not a stolen disk that holds both; the doctor says so ("low assurance") when no passphrase is set.
package local

import (
	"context"
	"errors"

	"github.com/sealgate/sealgate/keyring/seal"
)

// ErrMissing says that there is no key file at the given path.
var ErrMissing = errors.New("the key file is missing")

// ErrPassphrase says that the passphrase does not open the key file, or that one is needed and none was given.
var ErrPassphrase = errors.New("the passphrase does not open the key file")

// Provider wraps and unwraps with the key in one file.
type Provider struct{}

// Create makes a new key file at path (mode 0600, folder 0700, written to disk before it returns) and opens it.
// It never overwrites. An empty passphrase stores the key unprotected. passphrase is wiped by the caller.
func Create(path string, passphrase []byte) (*Provider, error) { panic("skeleton") }

// Open reads the key file at path: ErrMissing, ErrPassphrase, or a sentence about wrong permissions or damage.
func Open(path string, passphrase []byte) (*Provider, error) { panic("skeleton") }

// Protected tells whether a passphrase guards the key file.
func (p *Provider) Protected() bool { panic("skeleton") }

// Name returns "local".
func (p *Provider) Name() string { panic("skeleton") }

// KeyRef is the id stored in the key file.
func (p *Provider) KeyRef() string { panic("skeleton") }

// Wrap implements kms.Provider.
func (p *Provider) Wrap(ctx context.Context, key seal.Key, ec seal.EncryptionContext) ([]byte, string, error) {
	panic("skeleton")
}

// Unwrap implements kms.Provider.
func (p *Provider) Unwrap(ctx context.Context, wrapped []byte, version string, ec seal.EncryptionContext) (seal.Key, error) {
	panic("skeleton")
}

// Close wipes the key.
func (p *Provider) Close() error { panic("skeleton") }
