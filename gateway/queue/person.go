package queue

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Hold stops unfinished recipients until Retry. An attempt that is under way goes on; what it leaves unfinished is held
// then. The lifetime goes on too, though nothing is told or given up meanwhile.
func (q *Queue) Hold(ctx context.Context, tx *gorm.DB, id string) error {
	tx = tx.WithContext(ctx)
	if err := lock(tx, id); err != nil {
		return fmt.Errorf("hold message: %w", err)
	}
	err := tx.Model(&recipientRow{}).Where("queue_id = ? AND state IN ?", id, unfinished()).
		Updates(map[string]any{"state": Held, "deadline_ms": 0}).Error
	if err != nil {
		return fmt.Errorf("hold message: %w", err)
	}
	return nil
}

// Retry makes unfinished and held recipients due now, even at a destination that rests. An attempt that is under way counts as the retry; if nobody makes
// it any more, the recipient is due when its lease ends. Call Wake after the commit.
func (q *Queue) Retry(ctx context.Context, tx *gorm.DB, id string) error {
	tx = tx.WithContext(ctx)
	if err := lock(tx, id); err != nil {
		return fmt.Errorf("retry message: %w", err)
	}
	// A held recipient with a lease goes back to that lease: it is settled or taken over like any other.
	state := gorm.Expr("CASE WHEN state <> ? THEN state WHEN lease_owner <> '' THEN ? ELSE ? END", Held, Sending, Pending)
	err := tx.Model(&recipientRow{}).Where("queue_id = ? AND state IN ?", id, unfinished()).
		Updates(map[string]any{"state": state, "next_attempt_ms": q.Now().UnixMilli(), "deadline_ms": 1}).Error
	if err != nil {
		return fmt.Errorf("retry message: %w", err)
	}
	return nil
}

// Reroute makes a message leave through another mailbox, and unfinished and held recipients due now. An attempt that is
// under way goes on where it is.
func (q *Queue) Reroute(ctx context.Context, tx *gorm.DB, id, mailboxID string) error {
	if err := q.Retry(ctx, tx, id); err != nil {
		return err
	}
	tx = tx.WithContext(ctx)
	if err := tx.Model(&messageRow{}).Where("id = ?", id).Update("mailbox_id", mailboxID).Error; err != nil {
		return fmt.Errorf("reroute message: %w", err)
	}
	if err := q.redirect(ctx, tx, id); err != nil {
		return fmt.Errorf("reroute message: %w", err)
	}
	return nil
}

// redirect names the destinations of a message's unfinished recipients anew.
func (q *Queue) redirect(ctx context.Context, tx *gorm.DB, id string) error {
	var row messageRow
	if err := tx.Where("id = ?", id).Take(&row).Error; err != nil {
		return err
	}
	var rows []recipientRow
	if err := tx.Where("queue_id = ? AND state IN ?", id, unfinished()).Find(&rows).Error; err != nil {
		return err
	}
	to := map[string][]string{}
	for _, r := range rows {
		d := q.destinationOf(ctx, row.message(), r.Address)
		to[d] = append(to[d], r.ID)
	}
	for destination, ids := range to {
		if err := tx.Model(&recipientRow{}).Where("id IN ?", ids).Update("destination", destination).Error; err != nil {
			return err
		}
	}
	return nil
}

// Delete removes a message and its payload; the caller logs the person's reason. An attempt that is under way may
// still reach the next hop, and is not recorded then.
func (q *Queue) Delete(ctx context.Context, tx *gorm.DB, id string) error {
	tx = tx.WithContext(ctx)
	if err := lock(tx, id); err != nil {
		return fmt.Errorf("delete message: %w", err)
	}
	if err := q.Keeper.Shred(ctx, tx, payload(id).Kind, id); err != nil {
		return fmt.Errorf("delete message: %w", err)
	}
	if err := tx.Where("queue_id = ?", id).Delete(&recipientRow{}).Error; err != nil {
		return fmt.Errorf("delete message: %w", err)
	}
	if err := tx.Where("id = ?", id).Delete(&messageRow{}).Error; err != nil {
		return fmt.Errorf("delete message: %w", err)
	}
	return nil
}

// lock makes tx the only one that changes a message's rows. Everybody locks the message before its recipients, so
// that nobody waits in a circle. SQLite has one writer anyway.
func lock(tx *gorm.DB, id string) error { return lockWith(tx, id, clause.Locking{Strength: "UPDATE"}) }

// lockNow is lock for a transaction that others share, and that may hold the end of the log already: it fails rather than
// wait for somebody who waits for that. SQLite has one writer anyway.
func lockNow(tx *gorm.DB, id string) error {
	if tx.Name() == "sqlite" {
		return nil
	}
	return lockWith(tx, id, clause.Locking{Strength: "UPDATE", Options: "NOWAIT"})
}

func lockWith(tx *gorm.DB, id string, how clause.Locking) error {
	var rows []messageRow
	if err := tx.Clauses(how).Where("id = ?", id).Find(&rows).Error; err != nil {
		return err
	}
	if len(rows) == 0 {
		return ErrNotFound
	}
	return nil
}
