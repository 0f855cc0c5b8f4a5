package keyring

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// certificateRow is one row of certificates. SecretKeys are the fingerprints of the keys whose secret is sealed, in
// order, separated by spaces.
type certificateRow struct {
	Fingerprint   string `gorm:"column:fingerprint;primaryKey"`
	Packets       []byte `gorm:"column:packets"`
	State         string `gorm:"column:state"`
	Source        string `gorm:"column:source"`
	SecretVersion uint32 `gorm:"column:secret_version"`
	SecretKeys    string `gorm:"column:secret_keys"`
	CreatedMS     int64  `gorm:"column:created_ms"`
	ExpiresMS     int64  `gorm:"column:expires_ms"`
	Revoked       bool   `gorm:"column:revoked"`
	BreaksMS      int64  `gorm:"column:breaks_ms"`
	ImportedMS    int64  `gorm:"column:imported_ms"`
	UpdatedMS     int64  `gorm:"column:updated_ms"`
}

// TableName implements gorm's Tabler.
func (certificateRow) TableName() string { return "certificates" }

// addressRow is one folded address of a certificate, whether its user ID is valid or not.
type addressRow struct {
	Address     string `gorm:"column:address;primaryKey"`
	Fingerprint string `gorm:"column:fingerprint;primaryKey"`
}

// TableName implements gorm's Tabler.
func (addressRow) TableName() string { return "certificate_addresses" }

// keyRow is one key of a certificate, the primary key or a subkey.
type keyRow struct {
	KeyID          string `gorm:"column:key_id;primaryKey"`
	KeyFingerprint string `gorm:"column:key_fingerprint;primaryKey"`
	Fingerprint    string `gorm:"column:fingerprint;primaryKey"`
}

// TableName implements gorm's Tabler.
func (keyRow) TableName() string { return "certificate_keys" }

// describe writes into the row what c says at an instant.
func (r *certificateRow) describe(c *Certificate, at time.Time) {
	r.Fingerprint = c.Fingerprint
	r.Packets = c.material.bytes()
	r.CreatedMS = c.Created.UnixMilli()
	r.ExpiresMS = 0
	if !c.Expires.IsZero() {
		r.ExpiresMS = c.Expires.UnixMilli()
	}
	r.Revoked = c.Revoked
	r.BreaksMS = 0
	if breaks := c.settled(at).Breaks(at.Add(settling)); !breaks.IsZero() {
		r.BreaksMS = breaks.UnixMilli()
	}
}

// certificate reads a stored row, judged at an instant. Its packets are verified again, or known to verify (m may be nil): a database
// is no authority.
func (r *certificateRow) certificate(m *memo, at time.Time) (c *Certificate, err error) {
	err = guard(func() error {
		stored, err := r.material()
		if err != nil {
			return err
		}
		clean, entity, err := check(stored, trusted, m)
		if err != nil {
			return err
		}
		c = describe(clean, entity, at)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading stored certificate %s: %w", r.Fingerprint, err)
	}
	c.State, c.Source = State(r.State), Source(r.Source)
	c.ImportedAt, c.UpdatedAt = time.UnixMilli(r.ImportedMS).UTC(), time.UnixMilli(r.UpdatedMS).UTC()
	c.secretKeys = strings.Fields(r.SecretKeys)
	c.HasSecret = r.SecretVersion > 0
	return c, nil
}

func (r *certificateRow) material() (material, error) {
	packets, err := splitPackets(r.Packets)
	if err != nil {
		return material{}, err
	}
	if len(packets) == 0 {
		return material{}, errTruncated
	}
	return new(Item).assemble(packets)
}

// addressRows are the addresses under which c is found. User IDs that are not valid now count too: they may be so at
// another instant.
func addressRows(c *Certificate) []addressRow {
	var rows []addressRow
	for _, u := range c.UserIDs {
		row := addressRow{Fold(u.Address), c.Fingerprint}
		if u.Address != "" && !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
	}
	return rows
}

func keyRows(c *Certificate) []keyRow {
	rows := []keyRow{{c.KeyID, c.Fingerprint, c.Fingerprint}}
	for _, s := range c.Subkeys {
		row := keyRow{s.KeyID, s.Fingerprint, c.Fingerprint}
		if !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
	}
	return rows
}
