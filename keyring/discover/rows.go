package discover

import "time"

// lookupRow is one row of discover_lookups.
type lookupRow struct {
	Kind     string `gorm:"column:kind;primaryKey"`
	Subject  string `gorm:"column:subject;primaryKey"`
	GroupID  string `gorm:"column:group_id"`
	State    string `gorm:"column:state"`
	Attempts int    `gorm:"column:attempts"`
	DueMS    int64  `gorm:"column:due_ms"`
	AskedMS  int64  `gorm:"column:asked_ms"`
	Report   string `gorm:"column:report"`
}

// TableName implements gorm's Tabler.
func (lookupRow) TableName() string { return "discover_lookups" }

// peerRow is one row of discover_peers.
type peerRow struct {
	Address     string `gorm:"column:address;primaryKey"`
	SeenMS      int64  `gorm:"column:seen_ms"`
	ShownMS     int64  `gorm:"column:shown_ms"`
	Fingerprint string `gorm:"column:fingerprint"`
	Mutual      bool   `gorm:"column:mutual"`
	GossipMS    int64  `gorm:"column:gossip_ms"`
	Gossiped    string `gorm:"column:gossiped"`
}

// TableName implements gorm's Tabler.
func (peerRow) TableName() string { return "discover_peers" }

func (r peerRow) peer() Peer {
	return Peer{
		Address: r.Address, LastSeen: instant(r.SeenMS), Shown: instant(r.ShownMS), Fingerprint: r.Fingerprint,
		Mutual: r.Mutual, GossipShown: instant(r.GossipMS), Gossiped: r.Gossiped,
	}
}

func rowOf(p Peer) peerRow {
	return peerRow{
		Address: p.Address, SeenMS: millis(p.LastSeen), ShownMS: millis(p.Shown), Fingerprint: p.Fingerprint,
		Mutual: p.Mutual, GossipMS: millis(p.GossipShown), Gossiped: p.Gossiped,
	}
}

// approvalRow is one row of discover_approvals.
type approvalRow struct {
	GroupID string `gorm:"column:group_id;primaryKey"`
	Source  string `gorm:"column:source;primaryKey"`
}

// TableName implements gorm's Tabler.
func (approvalRow) TableName() string { return "discover_approvals" }

// instant is the time of Unix milliseconds; 0 is never.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
