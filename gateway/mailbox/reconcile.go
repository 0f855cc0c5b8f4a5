package mailbox

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"
)

// listing is what upstream has in a folder: the flags of every message by upstream UID.
type listing map[uint32]flagSet

// difference is what a listing means for the mirror.
type difference struct {
	arrived  []uint32     // upstream UIDs that are not here, in order
	vanished []messageRow // messages here whose upstream UID is not listed
}

// reconcile brings the flags of a folder to what upstream says and returns the rest of the difference. Changes that
// upstream has not heard of win over its listing; messages expunged here are not arrivals.
func (m *Mirror) reconcile(ctx context.Context, f folderRow, l listing) (difference, error) {
	var rows []messageRow
	err := m.db.WithContext(ctx).
		Where("folder_id = ? AND upstream_uidvalidity = ? AND upstream_uid <> 0", f.ID, f.UpstreamUIDValidity).
		Order("uid").Find(&rows).Error
	if err != nil {
		return difference{}, fmt.Errorf("read mirror: %w", err)
	}
	pending, err := pendingUIDs(m.db.WithContext(ctx), f)
	if err != nil {
		return difference{}, err
	}
	var d difference
	var stale []messageRow
	known := map[uint32]bool{}
	for _, row := range rows {
		known[row.UpstreamUID] = true
		flags, listed := l[row.UpstreamUID]
		switch {
		case !listed:
			d.vanished = append(d.vanished, row)
		case !flags.equal(flagSet(row.Flags)) && pending[row.UpstreamUID] == "":
			stale = append(stale, row)
		}
	}
	for uid := range l {
		if !known[uid] && pending[uid] != changeExpunge {
			d.arrived = append(d.arrived, uid)
		}
	}
	slices.Sort(d.arrived)
	return d, m.takeFlags(ctx, f, stale, l)
}

// takeFlags writes upstream's flags, unless a client changed them since the listing.
func (m *Mirror) takeFlags(ctx context.Context, f folderRow, stale []messageRow, l listing) error {
	if len(stale) == 0 {
		return nil
	}
	err := m.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		version, err := lockFolder(tx, f.ID)
		if err != nil {
			return err
		}
		pending, err := pendingUIDs(tx, f)
		if err != nil {
			return err
		}
		for _, row := range stale {
			if pending[row.UpstreamUID] != "" {
				continue
			}
			if err := setFlags(tx, row, l[row.UpstreamUID], version); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take flags from upstream: %w", err)
	}
	m.Wake(f.MailboxID)
	return nil
}

// pendingUIDs returns the last pending kind of change by upstream UID; an expunge is always the last.
func pendingUIDs(tx *gorm.DB, f folderRow) (map[uint32]string, error) {
	var changes []changeRow
	err := tx.Select("upstream_uid", "change").
		Where("folder_id = ? AND upstream_uidvalidity = ?", f.ID, f.UpstreamUIDValidity).Order("id").Find(&changes).Error
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	pending := map[uint32]string{}
	for _, c := range changes {
		pending[c.UpstreamUID] = c.Change
	}
	return pending, nil
}

// has tells whether a message with this upstream UID stands in the mirror.
func (m *Mirror) has(ctx context.Context, f folderRow, upstreamUID uint32) (bool, error) {
	var n int64
	err := m.db.WithContext(ctx).Model(&messageRow{}).
		Where("folder_id = ? AND upstream_uidvalidity = ? AND upstream_uid = ?", f.ID, f.UpstreamUIDValidity, upstreamUID).
		Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("look for message: %w", err)
	}
	return n > 0, nil
}
