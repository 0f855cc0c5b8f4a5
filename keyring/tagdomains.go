package keyring

import (
	"context"
	"fmt"
)

// TagDomains lists the domains whose +tags are ignored, in order; "*" stands for all.
func (s *Store) TagDomains(ctx context.Context) ([]string, error) {
	var domains []string
	if err := s.db.WithContext(ctx).Model(&plusRow{}).Order("domain").Pluck("domain", &domains).Error; err != nil {
		return nil, fmt.Errorf("keyring: tag domains: %w", err)
	}
	return domains, nil
}
