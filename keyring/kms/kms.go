// Package kms keeps Sealgate's sealed objects: it is the one broker between what is sealed and the keys that seal it.
//
// Plaintext and a Ref enter, rows leave (a key row in sealed_objects, bytes in sealed_segments), always inside the
// caller's transaction, so that a message, its queue rows and its log entry commit together. Beneath it a Provider
// (the customer's KMS) wraps a lease, a key encryption key of ours; the lease wraps one fresh data encryption key
// per object. Objects open only under the Ref that the caller states. The package never caches plaintext.
package kms

import (
	"context"
	"io"
	"time"

	"github.com/sealgate/sealgate/keyring/seal"
	"gorm.io/gorm"
)

// Kind is the class of a sealed object; it is the type field of the encryption context.
type Kind string

// The kinds in use.
const (
	Article    Kind = "article"    // the message as the ticket system sees it
	Original   Kind = "original"   // the message as it arrived
	Subject    Kind = "subject"    // an article's subject, for lists
	Queue      Kind = "queue"      // a copy waiting to be relayed
	SecretKey  Kind = "secret-key" // an OpenPGP secret key
	Credential Kind = "credential" // a mailbox's upstream passwords
)

// Ref names one version of one sealed object.
type Ref struct {
	Kind    Kind
	ID      string
	Version uint32
}

// Provider is a KMS that wraps leases. Its errors wrap those of package seal. Implementations are safe for
// concurrent use.
type Provider interface {
	// Name is the kind of provider, such as "local"; KeyRef is the key in the provider's own words.
	Name() string
	KeyRef() string
	// Wrap seals key under the provider's key, bound to ec, and returns the blob and the key version used.
	Wrap(ctx context.Context, key seal.Key, ec seal.EncryptionContext) (wrapped []byte, version string, err error)
	Unwrap(ctx context.Context, wrapped []byte, version string, ec seal.EncryptionContext) (seal.Key, error)
	Close() error
}

// Keeper seals and opens objects. It is safe for concurrent use.
type Keeper struct{}

// Open reads the instance and its leases from db and opens them with p. A first start makes both.
// now is the clock. It fails with a sentence for the administrator when sealed data exists that p cannot open.
func Open(ctx context.Context, db *gorm.DB, p Provider, now func() time.Time) (*Keeper, error) {
	panic("skeleton")
}

// SealedDataExists tells whether db already holds something sealed, so that a missing key file is an error and not a
// first start.
func SealedDataExists(ctx context.Context, db *gorm.DB) (bool, error) { panic("skeleton") }

// Instance is the id of this installation.
func (k *Keeper) Instance() string { panic("skeleton") }

// Ready makes sure that a lease is resident, so that Seal inside a transaction needs no network call.
func (k *Keeper) Ready(ctx context.Context) error { panic("skeleton") }

// Check proves that the provider still opens the current lease (sealgate doctor).
func (k *Keeper) Check(ctx context.Context) error { panic("skeleton") }

// Seal stores plaintext as ref inside tx. A ref is written once; a second Seal of it is an error.
func (k *Keeper) Seal(ctx context.Context, tx *gorm.DB, ref Ref, plaintext []byte) error {
	panic("skeleton")
}

// SealFrom is Seal for a stream of unknown length, at constant memory; it returns the plaintext's length.
func (k *Keeper) SealFrom(ctx context.Context, tx *gorm.DB, ref Ref, r io.Reader) (int64, error) {
	panic("skeleton")
}

// Open returns the plaintext of ref. The error wraps one of package seal; seal.ErrGone means there is none.
func (k *Keeper) Open(ctx context.Context, db *gorm.DB, ref Ref) ([]byte, error) { panic("skeleton") }

// OpenReader streams the plaintext of ref at constant memory.
func (k *Keeper) OpenReader(ctx context.Context, db *gorm.DB, ref Ref) (io.ReadCloser, error) {
	panic("skeleton")
}

// OpenMany opens version 1 of many small objects of one kind with two queries. Missing ids are absent from the map.
func (k *Keeper) OpenMany(ctx context.Context, db *gorm.DB, kind Kind, ids []string) (map[string][]byte, error) {
	panic("skeleton")
}

// Shred removes every version of an object with its wrapped keys. Removing what is not there is no error.
func (k *Keeper) Shred(ctx context.Context, tx *gorm.DB, kind Kind, id string) error {
	panic("skeleton")
}

// Close wipes every resident key.
func (k *Keeper) Close() error { panic("skeleton") }
