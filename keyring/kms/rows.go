package kms

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// leaseRow is a row of leases.
type leaseRow struct {
	ID         string `gorm:"column:id;primaryKey"`
	Provider   string `gorm:"column:provider"`
	KeyRef     string `gorm:"column:key_ref"`
	KeyVersion string `gorm:"column:key_version"`
	Wrapped    []byte `gorm:"column:wrapped"`
	CreatedMS  int64  `gorm:"column:created_ms"`
}

func (leaseRow) TableName() string { return "leases" }

// objectRow is a row of sealed_objects: an object's wrapped data encryption key.
type objectRow struct {
	Kind       string `gorm:"column:kind;primaryKey"`
	ObjectID   string `gorm:"column:object_id;primaryKey"`
	Version    uint32 `gorm:"column:version;primaryKey"`
	LeaseID    string `gorm:"column:lease_id"`
	WrappedDEK []byte `gorm:"column:wrapped_dek"`
	Size       int64  `gorm:"column:size"`
	SealedMS   int64  `gorm:"column:sealed_ms"`
}

func (objectRow) TableName() string { return "sealed_objects" }

// segmentRow is a row of sealed_segments: a piece of an object's sealed stream.
type segmentRow struct {
	Kind     string `gorm:"column:kind;primaryKey"`
	ObjectID string `gorm:"column:object_id;primaryKey"`
	Version  uint32 `gorm:"column:version;primaryKey"`
	Seq      int    `gorm:"column:seq;primaryKey"`
	Data     []byte `gorm:"column:data"`
}

func (segmentRow) TableName() string { return "sealed_segments" }

// instanceRow is the one row of instances.
type instanceRow struct {
	ID        string `gorm:"column:id;primaryKey"`
	OnlyRow   int    `gorm:"column:only_row"`
	CreatedMS int64  `gorm:"column:created_ms"`
}

func (instanceRow) TableName() string { return "instances" }

// instanceOf returns the id of this installation, made at the first start. Of several processes that start at once one
// makes it.
func instanceOf(ctx context.Context, db *gorm.DB, now time.Time) (string, error) {
	read := func() ([]instanceRow, error) {
		var rows []instanceRow
		err := db.WithContext(ctx).Limit(1).Find(&rows).Error
		return rows, err
	}
	rows, err := read()
	if err != nil {
		return "", err
	}
	if len(rows) == 0 {
		row := instanceRow{ID: newID(), OnlyRow: 1, CreatedMS: now.UnixMilli()}
		if err := db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
			return "", err
		}
		if rows, err = read(); err != nil {
			return "", err
		}
	}
	return rows[0].ID, nil
}
