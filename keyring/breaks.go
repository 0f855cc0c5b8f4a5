package keyring

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Breaks returns when a certificate that is usable at an instant stops being so, by what is known then: when it ends, or
// the last of the subkeys that serve. One that is not usable at that instant but was before returns when it stopped. Zero
// means never, or that it was never of use. For a key of ours signing counts too.
func (c *Certificate) Breaks(at time.Time) time.Time {
	ends := c.ends()
	if c.serves(at) {
		for _, end := range ends {
			if end.After(at) && !c.serves(end.Add(time.Second)) {
				return end
			}
		}
		return time.Time{}
	}
	for _, end := range slices.Backward(ends) {
		if !end.After(at) && c.serves(end.Add(-time.Second)) {
			return end
		}
	}
	return time.Time{}
}

// settling is time enough for a change of our own to count: it may be a second younger than it was made.
const settling = time.Minute

// settled is the certificate as it will be judged when all changes count.
func (c *Certificate) settled(at time.Time) *Certificate {
	later := describe(c.material, c.Entity, at.Add(settling))
	later.HasSecret, later.secretKeys = c.HasSecret, c.secretKeys
	return later
}

// ends are all instants at which something of the certificate ends, in order.
func (c *Certificate) ends() []time.Time {
	var ends []time.Time
	for _, end := range append([]time.Time{c.Expires}, subkeyEnds(c)...) {
		if !end.IsZero() {
			ends = append(ends, end)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	return ends
}

func subkeyEnds(c *Certificate) []time.Time {
	var ends []time.Time
	for _, s := range c.Subkeys {
		ends = append(ends, s.Expires)
	}
	return ends
}

// serves tells whether the certificate can do its work at an instant, whatever people decided about it.
func (c *Certificate) serves(at time.Time) bool {
	plain := *c
	plain.State = Approved
	return plain.ForEncryption(at) == Usable && (!c.HasSecret || plain.ForSigning(at) == Usable)
}

// maxEnding bounds one answer of Ending.
const maxEnding = 1000

// Ending returns the approved certificates that stop being usable between two instants, the first to stop first, at most
// 1000. One query.
func (s *Store) Ending(ctx context.Context, from, to, at time.Time) ([]*Certificate, error) {
	var rows []certificateRow
	err := s.db.WithContext(ctx).Where("state = ? AND breaks_ms BETWEEN ? AND ?", string(Approved), max(from.UnixMilli(), 1), to.UnixMilli()).
		Order("breaks_ms, fingerprint").Limit(maxEnding).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("keyring: ending: %w", err)
	}
	return certificates(nil, rows, at)
}
