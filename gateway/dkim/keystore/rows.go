package keystore

import "time"

// keyRow is a row of dkim_keys.
type keyRow struct {
	ID        string `gorm:"column:id;primaryKey"`
	Domain    string `gorm:"column:domain"`
	Selector  string `gorm:"column:selector"`
	Algorithm string `gorm:"column:algorithm"`
	Public    string `gorm:"column:public"`
	Origin    string `gorm:"column:origin"`
	Active    bool   `gorm:"column:active"`
	Finding   string `gorm:"column:finding"`
	CheckedMS int64  `gorm:"column:checked_ms"`
	CreatedMS int64  `gorm:"column:created_ms"`
}

func (keyRow) TableName() string { return "dkim_keys" }

func rowOf(k Key) keyRow {
	return keyRow{
		ID: k.ID, Domain: k.Domain, Selector: k.Selector, Algorithm: k.Algorithm, Public: k.Public, Origin: k.Origin,
		Active: k.Active, Finding: k.Finding, CheckedMS: millis(k.Checked), CreatedMS: millis(k.Created),
	}
}

func (r keyRow) key() Key {
	return Key{
		ID: r.ID, Domain: r.Domain, Selector: r.Selector, Algorithm: r.Algorithm, Public: r.Public, Origin: r.Origin,
		Active: r.Active, Finding: r.Finding, Checked: timeOf(r.CheckedMS), Created: timeOf(r.CreatedMS),
	}
}

// millis is a column in which 0 means "never".
func millis(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
