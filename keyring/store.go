package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Store keeps certificates in one database. It is safe for concurrent use.
type Store struct {
	Limits Limits // of what comes in; set before use, zero for the defaults

	db     *gorm.DB
	keeper *kms.Keeper
	memo   memo // for what is looked up for each message
}

// NewStore returns the keyring in db whose secret keys k seals.
func NewStore(db *gorm.DB, k *kms.Keeper) *Store { return &Store{db: db, keeper: k} }

// Merge brings an item into the keyring inside tx: by fingerprint, revocations sticky. With approve a person vouches
// for it; without, a new certificate, or one that claims a new address, becomes Proposed. So does, even with approve, one
// without a secret key that claims an address for which another approved and usable certificate is held: the Change names
// those Conflicts, and SetState is how a person decides. A blocked one stays blocked.
// An item that cannot be taken is no error but a Change with Outcome Refused; a locked one is refused, so Unlock comes
// first. On all nodes together one transaction merges at a time. Get the Keeper ready before tx when items hold secret keys.
func (s *Store) Merge(ctx context.Context, tx *gorm.DB, item *Item, source Source, approve bool, at time.Time) (Change, error) {
	if err := alone(tx.WithContext(ctx)); err != nil {
		return Change{}, fmt.Errorf("keyring: merge: %w", err)
	}
	if item.bare != nil {
		completed, err := completeRevocation(tx.WithContext(ctx), item, at)
		if err != nil {
			return Change{}, fmt.Errorf("keyring: merge a revocation: %w", err)
		}
		item, approve = completed, false // a revocation vouches for nothing
	}
	if err := item.Unlock(nil); err != nil {
		return refusal(item, err), nil
	}
	change, err := s.merge(tx.WithContext(ctx), item, source, approve, at)
	if err != nil {
		return Change{}, fmt.Errorf("keyring: merge %s: %w", item.Certificate.Fingerprint, err)
	}
	return change, nil
}

// merging is the number of the advisory lock of merges, chosen at random.
const merging = 0x1d6f6b0c5ac2

// alone keeps other merges away until the transaction ends. Two first certificates of one address that come at the same
// time would not see each other, and both be approved. SQLite has one writer anyway.
func alone(tx *gorm.DB) error {
	if tx.Name() != "postgres" {
		return nil
	}
	return tx.Exec("SELECT pg_advisory_xact_lock(?)", int64(merging)).Error
}

func (s *Store) merge(tx *gorm.DB, item *Item, source Source, approve bool, at time.Time) (Change, error) {
	row, before, err := lockRow(tx, item.Certificate.Fingerprint, at)
	if err != nil {
		return Change{}, err
	}
	now := describe(item.material, item.Certificate.Entity, at)
	if before == nil && len(now.UserIDs) == 0 && now.Version == 4 {
		return refusal(item, problem("this certificate has no user ID and updates none that is known: "+
			"import the whole certificate first")), tx.Delete(&row).Error
	}
	if before != nil {
		if now, err = s.Limits.WithDefaults().combine(before, now, at); err != nil {
			return refusal(item, err), nil
		}
	} else {
		row.Source, row.ImportedMS = string(source), at.UnixMilli()
	}
	change := Change{Index: item.Index, Fingerprint: now.Fingerprint, UserIDs: texts(now)}
	added, err := s.sealSecret(tx, &row, item)
	if err != nil {
		return Change{}, err
	}
	if change.Conflicts, err = conflicts(tx, before, now, at); err != nil {
		return Change{}, err
	}
	approve = approve && (vouched(item, source) || len(change.Conflicts) == 0 && covers(item.Certificate, before, now))
	state := mergeState(before, now, approve)
	if state != Proposed {
		change.Conflicts = nil
	}
	change.describe(before, now, state, added, at)
	if change.Outcome == Unchanged {
		return change, nil
	}
	if item.sha1 > 0 {
		change.Details = append(change.Details, fmt.Sprintf("%d of its subkeys left out, as only SHA-1 binds them: ask its owner to renew it", item.sha1))
	}
	now.HasSecret = row.SecretVersion > 0
	now.secretKeys = strings.Fields(row.SecretKeys)
	row.describe(now, at)
	row.State, row.UpdatedMS = string(state), at.UnixMilli()
	return change, saveRow(tx, &row, now)
}

// describe fills in what the merge did.
func (c *Change) describe(before, now *Certificate, state State, secretDetails []string, at time.Time) {
	if before == nil {
		c.Outcome = Added
		if state == Proposed {
			c.Details = append(append(c.Details, "waits for approval"), conflictInWords(c.Conflicts)...)
		}
		c.Details = append(c.Details, uselessness(now, at)...)
	} else {
		c.Details = append(differences(before, now), stateDifference(before.State, state)...)
		if c.Outcome = Updated; len(c.Details) == 0 && len(secretDetails) == 0 {
			c.Outcome = Unchanged
		}
	}
	c.Details = append(c.Details, secretDetails...)
}

// lockRow reads the row of a certificate and keeps other transactions away from it. When there is none it returns an
// empty row, and the fingerprint is taken for this transaction.
func lockRow(tx *gorm.DB, fingerprint string, at time.Time) (row certificateRow, c *Certificate, err error) {
	fresh := certificateRow{Fingerprint: fingerprint, Packets: []byte{}}
	inserted := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&fresh)
	if inserted.Error != nil {
		return row, nil, inserted.Error
	}
	if inserted.RowsAffected == 1 {
		return fresh, nil, nil
	}
	err = tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where("fingerprint = ?", fingerprint).Take(&row).Error
	if err != nil {
		return row, nil, err
	}
	c, err = row.certificate(nil, at)
	return row, c, err
}

// saveRow writes a certificate's row, and anew the addresses and key ids under which it is found.
func saveRow(tx *gorm.DB, row *certificateRow, c *Certificate) error {
	if err := tx.Select("*").Updates(row).Error; err != nil {
		return err
	}
	if err := deleteIndex(tx, c.Fingerprint); err != nil {
		return err
	}
	if rows := addressRows(c); len(rows) > 0 {
		if err := tx.Create(&rows).Error; err != nil {
			return err
		}
	}
	rows := keyRows(c)
	return tx.Create(&rows).Error
}

func deleteIndex(tx *gorm.DB, fingerprint string) error {
	if err := tx.Where("fingerprint = ?", fingerprint).Delete(&addressRow{}).Error; err != nil {
		return err
	}
	return tx.Where("fingerprint = ?", fingerprint).Delete(&keyRow{}).Error
}

// sealSecret seals the item's secret keys as the next version of the certificate's secret when they bring something
// new, shreds the version before, and says so in words.
func (s *Store) sealSecret(tx *gorm.DB, row *certificateRow, item *Item) ([]string, error) {
	held := strings.Fields(row.SecretKeys)
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(held, item.Certificate.secretKeys))))
	details := secretDifferences(held, all, item.stub && len(held) == 0)
	if len(all) == len(held) {
		return details, nil
	}
	ctx := tx.Statement.Context
	m := item.material
	if row.SecretVersion > 0 {
		sealed, err := s.openSecret(ctx, tx, row)
		if err != nil {
			return nil, err
		}
		defer sealed.wipe()
		m = union(sealed, m)
		if err := s.keeper.Shred(ctx, tx, kms.SecretKey, row.Fingerprint); err != nil {
			return nil, err
		}
	}
	row.SecretVersion++
	row.SecretKeys = strings.Join(all, " ")
	plaintext := m.secretPackets()
	defer clear(plaintext)
	return details, s.keeper.Seal(ctx, tx, row.secretRef(), plaintext)
}

func (r *certificateRow) secretRef() kms.Ref {
	return kms.Ref{Kind: kms.SecretKey, ID: r.Fingerprint, Version: r.SecretVersion}
}

// openSecret returns the sealed secret keys as material without user IDs and signatures.
func (s *Store) openSecret(ctx context.Context, db *gorm.DB, row *certificateRow) (material, error) {
	plaintext, err := s.keeper.Open(ctx, db, row.secretRef())
	if err != nil {
		return material{}, err
	}
	packets, err := splitPackets(plaintext)
	if err != nil || len(packets) == 0 {
		return material{}, errors.New("the sealed secret key is not readable")
	}
	return new(Item).assemble(packets)
}

// SetState approves, proposes or blocks a certificate.
func (s *Store) SetState(ctx context.Context, tx *gorm.DB, fingerprint string, state State, at time.Time) error {
	if state != Approved && state != Proposed && state != Blocked {
		return fmt.Errorf("keyring: no such state %q", state)
	}
	result := tx.WithContext(ctx).Model(&certificateRow{}).Where("fingerprint = ?", normalFingerprint(fingerprint)).
		Updates(map[string]any{"state": string(state), "updated_ms": at.UnixMilli()})
	return affected(result, "set state")
}

// Delete removes a certificate and shreds its secret key.
func (s *Store) Delete(ctx context.Context, tx *gorm.DB, fingerprint string) error {
	tx, fingerprint = tx.WithContext(ctx), normalFingerprint(fingerprint)
	if err := deleteIndex(tx, fingerprint); err != nil {
		return fmt.Errorf("keyring: delete: %w", err)
	}
	if err := affected(tx.Where("fingerprint = ?", fingerprint).Delete(&certificateRow{}), "delete"); err != nil {
		return err
	}
	for _, kind := range []kms.Kind{kms.SecretKey, kms.Revocation} {
		if err := s.keeper.Shred(ctx, tx, kind, fingerprint); err != nil {
			return fmt.Errorf("keyring: delete: %w", err)
		}
	}
	return nil
}

func affected(result *gorm.DB, what string) error {
	switch {
	case result.Error != nil:
		return fmt.Errorf("keyring: %s: %w", what, result.Error)
	case result.RowsAffected == 0:
		return ErrNotFound
	}
	return nil
}

// normalFingerprint accepts a fingerprint as people write it: with spaces, 0x and in lower case.
func normalFingerprint(s string) string {
	s = strings.ToUpper(strings.Join(strings.Fields(s), ""))
	return strings.TrimPrefix(s, "0X")
}
