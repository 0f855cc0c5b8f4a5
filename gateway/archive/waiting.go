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

// CountOpened returns how many articles of a group came encrypted and were opened.
func (a *Archive) CountOpened(ctx context.Context, groupID string) (int, error) {
	var n int64
	err := a.db.WithContext(ctx).Model(&articleRow{}).
		Where("group_id = ? AND direction = ? AND encryption IN ?", groupID, string(In), []string{"decrypted", "partial"}).Count(&n).Error
	if err != nil {
		return 0, fmt.Errorf("count opened articles: %w", err)
	}
	return int(n), nil
}
