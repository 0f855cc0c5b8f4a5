package mailbox

import (
	"context"
	"fmt"

	"github.com/emersion/go-imap/v2"
	"github.com/google/uuid"
	"gorm.io/gorm"
)

// batch is how many rows one statement names; SQLite allows 32766 arguments.
const batch = 500

// storeFlags changes the flags of some messages and records for each that has an upstream what upstream must hear, in
// one transaction. It returns the flags that the messages now have; a message that is gone is absent.
func (m *Mirror) storeFlags(ctx context.Context, f folderRow, uids []uint32, op imap.StoreFlagsOp, flags flagSet) (map[uint32]flagSet, error) {
	now := map[uint32]flagSet{}
	err := m.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		version, err := lockFolder(tx, f.ID)
		if err != nil {
			return err
		}
		return eachRow(tx, f.ID, uids, func(rows []messageRow) error {
			for _, row := range rows {
				wanted := applyFlags(flagSet(row.Flags), op, flags)
				now[row.UID] = wanted
				if err := m.changeFlags(tx, f, row, wanted, version); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("store flags: %w", err)
	}
	m.Wake(f.MailboxID)
	return now, nil
}

func applyFlags(have flagSet, op imap.StoreFlagsOp, flags flagSet) flagSet {
	switch op {
	case imap.StoreFlagsAdd:
		return have.with(flags)
	case imap.StoreFlagsDel:
		return have.without(flags)
	default:
		return flags
	}
}

// changeFlags writes one row and the changes for upstream: what is added and what is removed, never the whole set, so
// that what others do upstream meanwhile stays.
func (m *Mirror) changeFlags(tx *gorm.DB, f folderRow, row messageRow, wanted flagSet, version int64) error {
	have := flagSet(row.Flags)
	if wanted == have {
		return nil
	}
	if err := setFlags(tx, row, wanted, version); err != nil {
		return err
	}
	if added := wanted.without(have); added != "" {
		if err := m.record(tx, f, row, changeAdd, added); err != nil {
			return err
		}
	}
	if removed := have.without(wanted); removed != "" {
		return m.record(tx, f, row, changeRemove, removed)
	}
	return nil
}

func setFlags(tx *gorm.DB, row messageRow, flags flagSet, version int64) error {
	return tx.Model(&messageRow{}).Where("folder_id = ? AND uid = ?", row.FolderID, row.UID).
		Updates(map[string]any{"flags": string(flags), "version": version}).Error
}

// expunge removes those of the messages that are flagged \Deleted, for ever, here and in time upstream.
func (m *Mirror) expunge(ctx context.Context, f folderRow, uids []uint32) error {
	if len(uids) == 0 {
		return nil
	}
	err := m.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if _, err := lockFolder(tx, f.ID); err != nil {
			return err
		}
		return eachRow(tx, f.ID, uids, func(rows []messageRow) error {
			var gone []uint32
			for _, row := range rows {
				if !flagSet(row.Flags).has(imap.FlagDeleted) {
					continue
				}
				gone = append(gone, row.UID)
				if err := m.record(tx, f, row, changeExpunge, ""); err != nil {
					return err
				}
			}
			return deleteRows(tx, f.ID, gone)
		})
	})
	if err != nil {
		return fmt.Errorf("expunge: %w", err)
	}
	m.Wake(f.MailboxID)
	return nil
}

// removeVanished removes messages that are gone upstream. Nothing is recorded for upstream.
func (m *Mirror) removeVanished(ctx context.Context, f folderRow, uids []uint32) error {
	if len(uids) == 0 {
		return nil
	}
	err := m.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if _, err := lockFolder(tx, f.ID); err != nil {
			return err
		}
		return inBatches(uids, func(some []uint32) error { return deleteRows(tx, f.ID, some) })
	})
	if err != nil {
		return fmt.Errorf("remove what is gone upstream: %w", err)
	}
	m.Wake(f.MailboxID)
	return nil
}

// deleteRows deletes some messages of a locked folder and counts them off.
func deleteRows(tx *gorm.DB, folderID string, uids []uint32) error {
	if len(uids) == 0 {
		return nil
	}
	deleted := tx.Where("folder_id = ? AND uid IN ?", folderID, uids).Delete(&messageRow{})
	if deleted.Error != nil {
		return deleted.Error
	}
	return tx.Exec("UPDATE mirror_folders SET messages = messages - ? WHERE id = ?", deleted.RowsAffected, folderID).Error
}

// record writes what upstream must hear. A message that exists only here has nobody to tell.
func (m *Mirror) record(tx *gorm.DB, f folderRow, row messageRow, kind string, flags flagSet) error {
	if row.UpstreamUID == 0 {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	return tx.Create(&changeRow{
		ID: id.String(), MailboxID: f.MailboxID, FolderID: f.ID, ArticleID: row.ArticleID,
		UpstreamUIDValidity: row.UpstreamUIDValidity, UpstreamUID: row.UpstreamUID,
		Change: kind, Flags: string(flags), CreatedMS: m.now().UnixMilli(),
	}).Error
}

// pendingFolders returns the ids of folders with changes that upstream has not heard of.
func (m *Mirror) pendingFolders(ctx context.Context, mailboxID string) (map[string]bool, error) {
	var ids []string
	err := m.db.WithContext(ctx).Model(&changeRow{}).Where("mailbox_id = ?", mailboxID).Distinct().Pluck("folder_id", &ids).Error
	if err != nil {
		return nil, fmt.Errorf("look for changes: %w", err)
	}
	pending := map[string]bool{}
	for _, id := range ids {
		pending[id] = true
	}
	return pending, nil
}

// pendingIDs returns the ids of all changes of a mailbox.
func (m *Mirror) pendingIDs(ctx context.Context, mailboxID string) ([]string, error) {
	var ids []string
	err := m.db.WithContext(ctx).Model(&changeRow{}).Where("mailbox_id = ?", mailboxID).Pluck("id", &ids).Error
	if err != nil {
		return nil, fmt.Errorf("look for changes: %w", err)
	}
	return ids, nil
}

// pendingChanges returns the changes of one folder in their order.
func (m *Mirror) pendingChanges(ctx context.Context, folderID string) ([]changeRow, error) {
	var found []changeRow
	if err := m.db.WithContext(ctx).Where("folder_id = ?", folderID).Order("id").Find(&found).Error; err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	return found, nil
}

// forgetChanges removes changes that are done with.
func (m *Mirror) forgetChanges(ctx context.Context, ids []string) error {
	err := inBatches(ids, func(some []string) error {
		return m.db.WithContext(ctx).Where("id IN ?", some).Delete(&changeRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("forget changes: %w", err)
	}
	return nil
}

func eachRow(tx *gorm.DB, folderID string, uids []uint32, do func([]messageRow) error) error {
	return inBatches(uids, func(some []uint32) error {
		var rows []messageRow
		if err := tx.Where("folder_id = ? AND uid IN ?", folderID, some).Order("uid").Find(&rows).Error; err != nil {
			return err
		}
		return do(rows)
	})
}

func inBatches[T any](all []T, do func([]T) error) error {
	for len(all) > 0 {
		n := min(batch, len(all))
		if err := do(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}
