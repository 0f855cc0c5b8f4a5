package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/smarthost/mtasts"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// STSPolicies keeps the MTA-STS policies of domains in the database: a mtasts.Cache.
type STSPolicies struct{ DB *gorm.DB }

type stsRow struct {
	Domain    string `gorm:"column:domain;primaryKey"`
	PolicyID  string `gorm:"column:policy_id"`
	Mode      string `gorm:"column:mode"`
	MX        string `gorm:"column:mx"`
	MaxAgeMS  int64  `gorm:"column:max_age_ms"`
	FetchedMS int64  `gorm:"column:fetched_ms"`
}

func (stsRow) TableName() string { return "mta_sts_policies" }

// LoadPolicy implements mtasts.Cache.
func (c STSPolicies) LoadPolicy(ctx context.Context, domain string) (mtasts.Policy, error) {
	var row stsRow
	err := c.DB.WithContext(ctx).Where("domain = ?", domain).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return mtasts.Policy{}, nil
	}
	if err != nil {
		return mtasts.Policy{}, fmt.Errorf("read MTA-STS policy: %w", err)
	}
	return mtasts.Policy{
		ID: row.PolicyID, Mode: mtasts.Mode(row.Mode), MX: strings.Fields(row.MX),
		MaxAge: time.Duration(row.MaxAgeMS) * time.Millisecond, Fetched: time.UnixMilli(row.FetchedMS),
	}, nil
}

// SavePolicy implements mtasts.Cache.
func (c STSPolicies) SavePolicy(ctx context.Context, domain string, p mtasts.Policy) error {
	row := stsRow{
		Domain: domain, PolicyID: p.ID, Mode: string(p.Mode), MX: strings.Join(p.MX, " "),
		MaxAgeMS: p.MaxAge.Milliseconds(), FetchedMS: p.Fetched.UnixMilli(),
	}
	err := c.DB.WithContext(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "domain"}}, UpdateAll: true}).Create(&row).Error
	if err != nil {
		return fmt.Errorf("save MTA-STS policy: %w", err)
	}
	return nil
}
