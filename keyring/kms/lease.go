package kms

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/keyring/seal"
	"gorm.io/gorm"
)

// The limits of sealing with one lease; afterwards it only opens. GCM with random nonces allows 2^32 wraps; these are
// far below.
const (
	leaseAge   = time.Hour
	leaseWraps = 1 << 20
	leaseBytes = 64 << 30
)

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

// Ready makes sure that a lease is resident, so that Seal inside a transaction needs no network call. It makes a new
// one when the current one is spent. Call it before the transaction, never inside.
func (k *Keeper) Ready(ctx context.Context) error {
	k.mu.Lock()
	ready := k.current != nil && !k.current.spent(k.now())
	k.mu.Unlock()
	if ready {
		return nil
	}
	_, err, _ := k.opening.Do("new", func() (any, error) { return nil, k.renew(ctx) })
	return err
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
		return fmt.Errorf("wrap lease: %w", err)
	}
	if err := k.db.WithContext(ctx).Create(&row).Error; err != nil {
		return fmt.Errorf("store lease: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leases[row.ID] = key
	k.current = &lease{id: row.ID, key: key, created: time.UnixMilli(row.CreatedMS)}
	return nil
}

func (k *Keeper) leaseContext(row leaseRow) seal.EncryptionContext {
	return seal.EncryptionContext{Service: k.instance, Type: "lease", ID: row.ID, Version: 1, Time: time.UnixMilli(row.CreatedMS)}
}

// sealing returns the lease that seals now and counts one wrap. A lease that is spent in the middle of a transaction
// still serves; the next Ready replaces it.
func (k *Keeper) sealing() (*lease, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current == nil {
		return nil, errors.New("no lease is resident: Ready was not called")
	}
	k.current.wraps++
	return k.current, nil
}

func (k *Keeper) sealedBytes(l *lease, n int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l.bytes += n
}

// leaseKey returns a lease's key, unwrapped by the provider if it is not resident: after a restart one call per lease,
// not per object. Leases of other processes are found the same way.
func (k *Keeper) leaseKey(ctx context.Context, id string) (seal.Key, error) {
	if key, ok := k.resident(id); ok {
		return key, nil
	}
	key, err, _ := k.opening.Do(id, func() (any, error) {
		if key, ok := k.resident(id); ok {
			return key, nil
		}
		row, err := leaseByID(ctx, k.db, id)
		if err != nil {
			return nil, err
		}
		key, err := k.unwrapLease(ctx, row)
		if err != nil {
			return nil, err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.leases[id] = key
		return key, nil
	})
	if err != nil {
		return seal.Key{}, err
	}
	return key.(seal.Key), nil
}

func (k *Keeper) resident(id string) (seal.Key, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.leases[id]
	return key, ok
}

func (k *Keeper) unwrapLease(ctx context.Context, row leaseRow) (seal.Key, error) {
	key, err := k.provider.Unwrap(ctx, row.Wrapped, row.KeyVersion, k.leaseContext(row))
	if err != nil {
		return seal.Key{}, fmt.Errorf("unwrap lease %s: %w", row.ID, err)
	}
	return key, nil
}

// newestLease returns the lease made last, and whether there is one.
func newestLease(ctx context.Context, db *gorm.DB) (leaseRow, bool, error) {
	var rows []leaseRow
	err := db.WithContext(ctx).Order("created_ms DESC, id DESC").Limit(1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return leaseRow{}, false, err
	}
	return rows[0], true, nil
}

func leaseByID(ctx context.Context, db *gorm.DB, id string) (leaseRow, error) {
	var row leaseRow
	err := db.WithContext(ctx).Where("id = ?", id).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return row, fmt.Errorf("lease %s: %w", id, seal.ErrGone)
	}
	return row, err
}
