// Package kms keeps Sealgate's sealed objects: it is the one broker between what is sealed and the keys that seal it.
//
// Plaintext and a Ref enter, rows leave (a key row in sealed_objects, bytes in sealed_segments), always inside the
// caller's transaction, so that a message, its queue rows and its log entry commit together. Beneath it a Provider
// (the customer's KMS) wraps a lease, a key encryption key of ours; the lease wraps one fresh data encryption key
// per object. Objects open only under the Ref that the caller states. The package never caches plaintext.
//
// Two rules for callers: Ready comes before a transaction that seals, never inside it; and an object that may be old is
// opened outside of a transaction, as its lease may have to be asked from the provider.
package kms

import (
	"context"
	"errors"
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
	Token      Kind = "token"      // a mailbox's OAuth tokens
	LoopKey    Kind = "loop-key"   // the key of the markers against mail loops
	Revocation Kind = "revocation" // a revocation certificate of one of our keys, made in advance
	DKIMKey    Kind = "dkim-key"   // a key that signs for a domain of ours
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
	opening  singleflight.Group // leases being made or unwrapped, one call each

	// mu guards what follows and the bytes of the keys: none is wiped while it is in use.
	mu      sync.RWMutex
	leases  map[string]seal.Key // resident, by id
	current *lease              // seals
	closed  bool
}

var errClosed = errors.New("the keeper is closed")

// Open reads the instance from db, proves that p opens the newest lease, and makes the keeper Ready. A first start makes
// the instance and a lease. now is the clock. It fails with a sentence for the administrator when sealed data exists
// that p cannot open. Closing the Keeper does not close p.
func Open(ctx context.Context, db *gorm.DB, p Provider, now func() time.Time) (*Keeper, error) {
	k := &Keeper{db: db, provider: p, now: now, leases: map[string]seal.Key{}}
	var err error
	if k.instance, err = instanceOf(ctx, db, now()); err != nil {
		return nil, fmt.Errorf("read instance: %w", err)
	}
	if err := k.prove(ctx); err != nil {
		return nil, err
	}
	if err := k.Ready(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// prove opens the newest lease, if there is one.
func (k *Keeper) prove(ctx context.Context) error {
	newest, ok, err := newestLease(ctx, k.db)
	if err != nil {
		return fmt.Errorf("read leases: %w", err)
	}
	if !ok {
		return nil
	}
	if newest.Provider != k.provider.Name() || newest.KeyRef != k.provider.KeyRef() {
		return fmt.Errorf("this key file is not the one that sealed this database (it holds %s key %s, the database needs %s key %s); start with the key file that belongs to it, or restore that from its backup",
			k.provider.Name(), k.provider.KeyRef(), newest.Provider, newest.KeyRef)
	}
	err = k.load(ctx, newest)
	if errors.Is(err, seal.ErrTampered) || errors.Is(err, seal.ErrContext) {
		return fmt.Errorf("this key file is not the one that sealed this database, although it bears the same id, or one of them was altered; restore both from one backup (%w)", err)
	}
	return err
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
	newest, ok, err := newestLease(ctx, k.db)
	if err != nil {
		return fmt.Errorf("read leases: %w", err)
	}
	if !ok {
		return k.Ready(ctx)
	}
	key, err := k.unwrapLease(ctx, newest)
	key.Wipe()
	return err
}

// Close wipes every resident key. The Keeper seals and opens nothing afterwards.
func (k *Keeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
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
