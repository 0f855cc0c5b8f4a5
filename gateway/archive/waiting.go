package archive

import (
	"context"
	"fmt"
)

// Waiting returns the ids of all articles of these groups, or of every group for nil, that wait for a key, oldest first.
func (a *Archive) Waiting(ctx context.Context, groups []string) ([]string, error) {
	find := a.db.WithContext(ctx).Model(&keyRow{}).Distinct("article_id").Order("article_id") // UUIDv7: in order of arrival
	if groups != nil {
		find = find.Where("article_id IN (?)", a.db.Model(&articleRow{}).Select("id").Where("group_id IN ?", groups))
	}
	var ids []string
	if err := find.Pluck("article_id", &ids).Error; err != nil {
		return nil, fmt.Errorf("list waiting articles: %w", err)
	}
	return ids, nil
}
