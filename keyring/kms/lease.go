package kms

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/keyring/seal"
)

// The limits of sealing with one lease; afterwards it only opens. GCM with random nonces allows 2^32 wraps; these are
// far below, so that several processes may seal with the same lease, each keeping its own count.
const (
	leaseAge   = time.Hour
	leaseWraps = 1 << 20
	leaseBytes = 64 << 30
)

// patience is how long the provider may take for one answer.
const patience = 30 * time.Second

// lease is the key encryption key that seals now.
type lease struct {
	id      string
	key     seal.Key
	created time.Time
	wraps   int64
	bytes   int64
}

func (l *lease) spent(now time.Time) bool {
	return now.Sub(l.created) >= leaseAge || l.wraps >= leaseWraps || l.bytes >= leaseBytes
}

// Ready makes sure that a fresh lease is resident, so that Seal inside a transaction needs no network call. When the
// current one is spent it takes the newest of the database, or makes one. Call it before the transaction, never inside:
// it writes on a connection of its own. The error wraps one of package seal when the provider refused.
func (k *Keeper) Ready(ctx context.Context) error {
	if ready, err := k.ready(); ready || err != nil {
		return err
	}
	return k.once(ctx, "new", func(ctx context.Context) error {
		if ready, err := k.ready(); ready || err != nil { // another caller was quicker
			return err
		}
		if adopted, err := k.adopt(ctx); adopted || err != nil {
			return err
		}
		return k.renew(ctx)
	})
}

func (k *Keeper) ready() (bool, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.closed {
		return false, errClosed
	}
	return k.current != nil && !k.current.spent(k.now()), nil
}

// adopt goes on with the newest lease of the database when it is still fresh: commands that run for a second would
// otherwise leave a lease behind each.
func (k *Keeper) adopt(ctx context.Context) (bool, error) {
	row, ok, err := newestLease(ctx, k.db)
	if err != nil {
		return false, fmt.Errorf("read leases: %w", err)
	}
	if !ok || row.Provider != k.provider.Name() || row.KeyRef != k.provider.KeyRef() || k.isCurrent(row.ID) {
		return false, nil
	}
	l := &lease{id: row.ID, created: time.UnixMilli(row.CreatedMS)}
	if l.wraps, l.bytes, err = sealedUnder(ctx, k.db, row.ID); err != nil {
		return false, fmt.Errorf("read leases: %w", err)
	}
	if l.spent(k.now()) {
		return false, nil
	}
	if err := k.load(ctx, row); err != nil {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return false, errClosed
	}
	l.key = k.leases[row.ID]
	k.current = l
	return true, nil
}

func (k *Keeper) isCurrent(id string) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.current != nil && k.current.id == id
}

// renew makes a lease, has the provider wrap it, and stores it before it seals anything.
func (k *Keeper) renew(ctx context.Context) error {
	key, err := seal.NewKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make lease: %w", err)
	}
	row := leaseRow{ID: "lk_" + newID(), Provider: k.provider.Name(), KeyRef: k.provider.KeyRef(), CreatedMS: k.now().UnixMilli()}
	row.Wrapped, row.KeyVersion, err = k.provider.Wrap(ctx, key, k.leaseContext(row))
	if err != nil {
		return fmt.Errorf("wrap lease: %w", answered(ctx, err))
	}
	if err := k.db.WithContext(ctx).Create(&row).Error; err != nil {
		return fmt.Errorf("store lease: %w", err)
	}
	if err := k.keep(row.ID, key); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current = &lease{id: row.ID, key: key, created: time.UnixMilli(row.CreatedMS)}
	return nil
}

func (k *Keeper) leaseContext(row leaseRow) seal.EncryptionContext {
	return seal.EncryptionContext{Service: k.instance, Type: "lease", ID: row.ID, Version: 1, Time: time.UnixMilli(row.CreatedMS)}
}

// wrapDEK wraps an object's key under the lease that seals now. A lease that is spent in the middle of a transaction
// still serves; the next Ready replaces it.
func (k *Keeper) wrapDEK(dek seal.Key, ec seal.EncryptionContext) (*lease, []byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, nil, errClosed
	}
	if k.current == nil {
		return nil, nil, errors.New("no lease is resident: Ready was not called")
	}
	k.current.wraps++
	wrapped, err := k.current.key.Wrap(dek, ec, rand.Reader)
	return k.current, wrapped, err
}

func (k *Keeper) sealedBytes(l *lease, n int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l.bytes += n
}

// unwrapDEK opens an object's key with its lease, which load made resident.
func (k *Keeper) unwrapDEK(row objectRow, ec seal.EncryptionContext) (seal.Key, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	key, ok := k.leases[row.LeaseID]
	if !ok {
		return seal.Key{}, errClosed
	}
	return key.Unwrap(row.WrappedDEK, ec)
}

// resident tells whether a lease's key is in memory.
func (k *Keeper) resident(id string) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	_, ok := k.leases[id]
	return ok
}

// load makes a lease resident: after a restart one call to the provider per lease, not per object. Leases that other
// processes made come in the same way.
func (k *Keeper) load(ctx context.Context, row leaseRow) error {
	return k.once(ctx, row.ID, func(ctx context.Context) error {
		if k.resident(row.ID) {
			return nil
		}
		key, err := k.unwrapLease(ctx, row)
		if err != nil {
			return err
		}
		return k.keep(row.ID, key)
	})
}

// keep makes a key resident, unless the keeper was closed meanwhile.
func (k *Keeper) keep(id string, key seal.Key) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		key.Wipe()
		return errClosed
	}
	k.leases[id] = key
	return nil
}

func (k *Keeper) unwrapLease(ctx context.Context, row leaseRow) (seal.Key, error) {
	key, err := k.provider.Unwrap(ctx, row.Wrapped, row.KeyVersion, k.leaseContext(row))
	if err != nil {
		return seal.Key{}, fmt.Errorf("unwrap lease %s: %w", row.ID, answered(ctx, err))
	}
	return key, nil
}

// once runs do one time for all who ask for the same name meanwhile. A caller who gives up does not fail the others, so
// do has its own deadline.
func (k *Keeper) once(ctx context.Context, name string, do func(context.Context) error) error {
	result := k.opening.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return nil, do(ctx)
	})
	select {
	case r := <-result:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answered makes a provider's silence an error of package seal.
func answered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", seal.ErrUnreachable, err)
	}
	return err
}
