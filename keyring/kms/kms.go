// Package kms keeps Sealgate's sealed objects: it is the one broker between what is sealed and the keys that seal it.
//
// Plaintext and a Ref enter, rows leave (a key row in sealed_objects, bytes in sealed_segments), always inside the
// caller's transaction, so that a message, its queue rows and its log entry commit together. Beneath it a Provider
// (the customer's KMS) wraps a lease, a key encryption key of ours; the lease wraps one fresh data encryption key
// per object. Objects open only under the Ref that the caller states. The package never caches plaintext.
package kms

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/sealgate/sealgate/keyring/seal"
	"golang.org/x/sync/singleflight"
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

// Keeper seals and opens objects. It is safe for concurrent use. Several processes may share one database.
type Keeper struct {
	db       *gorm.DB
	provider Provider
	now      func() time.Time
	instance string
	opening  singleflight.Group // unwraps of older leases, one call each

	mu      sync.Mutex
	leases  map[string]seal.Key // resident, by id
	current *lease              // seals; nil until Ready made one
}

// Open reads the instance from db and proves that p opens the newest lease. A first start makes the instance.
// now is the clock. It fails with a sentence for the administrator when sealed data exists that p cannot open.
// Closing the Keeper does not close p.
func Open(ctx context.Context, db *gorm.DB, p Provider, now func() time.Time) (*Keeper, error) {
	k := &Keeper{db: db, provider: p, now: now, leases: map[string]seal.Key{}}
	var err error
	if k.instance, err = instanceOf(ctx, db, now()); err != nil {
		return nil, fmt.Errorf("read instance: %w", err)
	}
	newest, ok, err := newestLease(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	if !ok {
		return k, nil
	}
	if newest.Provider != p.Name() || newest.KeyRef != p.KeyRef() {
		return nil, fmt.Errorf("this database was sealed with another key (%s %s, not %s %s); start with the key file that belongs to it, or restore that from its backup",
			newest.Provider, newest.KeyRef, p.Name(), p.KeyRef())
	}
	if _, err := k.leaseKey(ctx, newest.ID); err != nil {
		return nil, fmt.Errorf("open the sealing key of this database: %w", err)
	}
	return k, nil
}

// SealedDataExists tells whether db already holds something sealed, so that a missing key file is an error and not a
// first start.
func SealedDataExists(ctx context.Context, db *gorm.DB) (bool, error) {
	_, ok, err := newestLease(ctx, db)
	if err != nil {
		return false, fmt.Errorf("read leases: %w", err)
	}
	return ok, nil
}

// Instance is the id of this installation.
func (k *Keeper) Instance() string { return k.instance }

// Check proves that the provider still opens the newest lease (sealgate doctor), by a real unwrap.
func (k *Keeper) Check(ctx context.Context) error {
	if err := k.Ready(ctx); err != nil {
		return err
	}
	newest, ok, err := newestLease(ctx, k.db)
	if err != nil || !ok {
		return fmt.Errorf("read leases: %w", err)
	}
	key, err := k.unwrapLease(ctx, newest)
	key.Wipe()
	return err
}

// Close wipes every resident key. The Keeper is of no use afterwards.
func (k *Keeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, key := range k.leases {
		key.Wipe()
		delete(k.leases, id)
	}
	k.current = nil
	return nil
}

// context is the encryption context of one version of one object.
func (k *Keeper) context(ref Ref, sealed time.Time) seal.EncryptionContext {
	return seal.EncryptionContext{Service: k.instance, Type: string(ref.Kind), ID: ref.ID, Version: ref.Version, Time: sealed}
}

// newID returns a UUIDv7: unique, and sorted by time.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
