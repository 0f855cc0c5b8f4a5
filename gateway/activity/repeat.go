package activity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// foldWithin is how long an entry stands for further attempts of the same.
const foldWithin = 24 * time.Hour

// repeatRow counts how often an entry happened. It is no part of the chain.
type repeatRow struct {
	Seq      int64  `gorm:"column:seq;primaryKey;autoIncrement:false"`
	What     string `gorm:"column:what"`
	Attempts int    `gorm:"column:attempts"`
	LastMS   int64  `gorm:"column:last_ms"`
}

// TableName implements gorm's Tabler.
func (repeatRow) TableName() string { return "activity_repeats" }

// AppendOrCount adds e as Append does, unless the same but for its time happened within a day: then that entry counts one
// attempt more. It is for what a program tries again and again, such as a message that is refused.
func (l *Log) AppendOrCount(ctx context.Context, tx *gorm.DB, e Entry) error {
	if err := l.appendOrCount(tx.WithContext(ctx), e); err != nil {
		return fmt.Errorf("append to the activity log: %w", err)
	}
	return nil
}

func (l *Log) appendOrCount(tx *gorm.DB, e Entry) error {
	what, err := whatHappened(e)
	if err != nil {
		return err
	}
	if _, err := lockHead(tx); err != nil { // two of the same at once are counted one after the other
		return err
	}
	counted := tx.Model(&repeatRow{}).Where("what = ? AND last_ms > ?", what, e.Time.Add(-foldWithin).UnixMilli()).
		Updates(map[string]any{"attempts": gorm.Expr("attempts + 1"), "last_ms": e.Time.UnixMilli()})
	if counted.Error != nil || counted.RowsAffected > 0 {
		return counted.Error
	}
	if err := l.append(tx, e); err != nil {
		return err
	}
	var head headRow
	if err := tx.Where("id = 1").Take(&head).Error; err != nil {
		return err
	}
	row := repeatRow{What: what, Seq: head.Seq, Attempts: 1, LastMS: e.Time.UnixMilli()}
	return tx.Create(&row).Error
}

// whatHappened is a hash of everything in an entry but its time.
func whatHappened(e Entry) (string, error) {
	e.Time = time.UnixMilli(0)
	r, err := rowOf(e)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(r.sum())
	return hex.EncodeToString(sum[:]), nil
}

// countAttempts fills in how often entries happened. One query.
func (l *Log) countAttempts(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	at := make(map[int64]int, len(entries))
	seqs := make([]int64, 0, len(entries))
	for i, e := range entries {
		at[e.Seq] = i
		seqs = append(seqs, e.Seq)
	}
	var rows []repeatRow
	if err := l.db.WithContext(ctx).Where("seq IN ? AND attempts > 1", seqs).Find(&rows).Error; err != nil {
		return errors.Join(errors.New("count attempts"), err)
	}
	for _, r := range rows {
		e := &entries[at[r.Seq]]
		e.Attempts, e.LastAttempt = r.Attempts, time.UnixMilli(r.LastMS)
	}
	return nil
}
