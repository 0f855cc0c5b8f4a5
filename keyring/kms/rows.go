package kms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/keyring/seal"
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

// beginningRow is an object with its first segment.
type beginningRow struct {
	Object objectRow `gorm:"embedded"`
	Data   []byte    `gorm:"column:data"`
}

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

// sealedUnder counts the objects that a lease sealed, and their bytes.
func sealedUnder(ctx context.Context, db *gorm.DB, id string) (objects, bytes int64, err error) {
	var sum struct{ Objects, Bytes int64 }
	err = db.WithContext(ctx).Model(&objectRow{}).Select("COUNT(*) AS objects, COALESCE(SUM(size), 0) AS bytes").
		Where("lease_id = ?", id).Scan(&sum).Error
	return sum.Objects, sum.Bytes, err
}
