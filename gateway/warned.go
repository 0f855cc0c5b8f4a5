package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// warningKept is how long it is remembered that an owner was warned of something.
const warningKept = 400 * aDay

// warningRow says that an owner of a group was warned of something.
type warningRow struct {
	GroupID  string `gorm:"column:group_id;primaryKey"`
	Owner    string `gorm:"column:owner;primaryKey"`
	About    string `gorm:"column:about;primaryKey"`
	Subject  string `gorm:"column:subject;primaryKey"`
	Days     int    `gorm:"column:days;primaryKey;autoIncrement:false"`
	BreaksMS int64  `gorm:"column:breaks_ms;primaryKey;autoIncrement:false"`
	SentMS   int64  `gorm:"column:sent_ms"`
}

// TableName implements gorm's Tabler.
func (warningRow) TableName() string { return "health_warnings" }

// errWarned says that another server warned an owner at the same time.
var errWarned = errors.New("this warning was sent already")

func (w warning) row(groupID, owner string, at time.Time) warningRow {
	row := warningRow{GroupID: groupID, Owner: owner, About: w.about, Subject: w.subject, Days: w.days, SentMS: at.UnixMilli()}
	if !w.ends.IsZero() {
		row.BreaksMS = w.ends.UnixMilli()
	}
	return row
}

// unwarned leaves out what an owner of a group was warned of before.
func (g *Gateway) unwarned(ctx context.Context, groupID, owner string, due []warning) ([]warning, error) {
	var rows []warningRow
	if err := g.DB.WithContext(ctx).Where("group_id = ? AND owner = ?", groupID, owner).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("find warnings: %w", err)
	}
	sent := make(map[warningRow]bool, len(rows))
	for _, r := range rows {
		r.SentMS = 0
		sent[r] = true
	}
	var left []warning
	for _, w := range due {
		row := w.row(groupID, owner, time.Time{})
		row.SentMS = 0
		if !sent[row] {
			left = append(left, w)
		}
	}
	return left, nil
}

// keepWarned remembers in tx what an owner is warned of; errWarned when somebody else did so before.
func keepWarned(tx *gorm.DB, groupID, owner string, due []warning, at time.Time) error {
	for _, w := range due {
		row := w.row(groupID, owner, at)
		kept := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if kept.Error != nil {
			return fmt.Errorf("keep warning: %w", kept.Error)
		}
		if kept.RowsAffected == 0 {
			return errWarned
		}
	}
	return nil
}

// forgetWarnings removes what was warned of long ago.
func (g *Gateway) forgetWarnings(ctx context.Context) error {
	before := g.Now().Add(-warningKept).UnixMilli()
	return g.DB.WithContext(ctx).Where("sent_ms < ?", before).Delete(&warningRow{}).Error
}
