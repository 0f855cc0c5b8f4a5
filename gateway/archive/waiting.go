package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
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

// WaitingKey is a key that articles of one group wait for.
type WaitingKey struct {
	GroupID  string
	KeyID    string    // 16 upper-case hex digits; all zero for a reader who is not named
	Articles int       // how many wait for it
	Closed   int       // how many of them came encrypted to it; the others wait to be verified
	Since    time.Time // when the oldest of them came
}

// maxWaitingKeys bounds one answer of WaitingKeys.
const maxWaitingKeys = 500

// WaitingKeys returns the keys that articles of these groups, or of every group for nil, wait for: those that most wait
// for first, at most 500. One query.
func (a *Archive) WaitingKeys(ctx context.Context, groups []string) ([]WaitingKey, error) {
	find := a.db.WithContext(ctx).Table("article_keys").
		Select("articles.group_id AS group_id, article_keys.key_id AS key_id, COUNT(*) AS articles, " +
			"COUNT(article_readers.article_id) AS closed, MIN(articles.received_ms) AS since_ms").
		Joins("JOIN articles ON articles.id = article_keys.article_id").
		Joins("LEFT JOIN article_readers ON article_readers.article_id = article_keys.article_id AND article_readers.key_id = article_keys.key_id")
	if groups != nil {
		find = find.Where("articles.group_id IN ?", groups)
	}
	var rows []struct {
		GroupID  string
		KeyID    string
		Articles int
		Closed   int
		SinceMs  int64
	}
	err := find.Group("articles.group_id, article_keys.key_id").
		Order("COUNT(*) DESC, article_keys.key_id, articles.group_id").Limit(maxWaitingKeys).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("list keys that articles wait for: %w", err)
	}
	var keys []WaitingKey
	for _, r := range rows {
		keys = append(keys, WaitingKey{r.GroupID, r.KeyID, r.Articles, r.Closed, time.UnixMilli(r.SinceMs).UTC()})
	}
	return keys, nil
}

// Correspondent is an address that a group wrote to.
type Correspondent struct {
	GroupID string
	Address string // as it stands in the article
	Last    time.Time
	Times   int
}

// maxCorrespondence bounds the articles that Correspondents reads.
const maxCorrespondence = 20_000

// Correspondents returns the addresses that these groups, or all for nil, wrote to since an instant, the last first. It
// reads the newest 20,000 articles at most, in one query.
func (a *Archive) Correspondents(ctx context.Context, groups []string, since time.Time) ([]Correspondent, error) {
	find := a.db.WithContext(ctx).Model(&articleRow{}).Select("group_id, to_addresses, received_ms").
		Where("direction = ? AND received_ms >= ?", string(Out), since.UnixMilli())
	if groups != nil {
		find = find.Where("group_id IN ?", groups)
	}
	var rows []struct {
		GroupID     string
		ToAddresses string
		ReceivedMs  int64
	}
	if err := find.Order("received_ms DESC").Limit(maxCorrespondence).Scan(&rows).Error; err != nil {
		return nil, fmt.Errorf("list correspondents: %w", err)
	}
	at := map[[2]string]int{}
	var all []Correspondent
	for _, r := range rows {
		var to []string
		if err := json.Unmarshal([]byte(r.ToAddresses), &to); err != nil {
			return nil, fmt.Errorf("list correspondents: %w", err)
		}
		for _, address := range to {
			key := [2]string{r.GroupID, address}
			i, seen := at[key]
			if !seen {
				i = len(all)
				at[key] = i
				all = append(all, Correspondent{GroupID: r.GroupID, Address: address, Last: time.UnixMilli(r.ReceivedMs).UTC()})
			}
			all[i].Times++
		}
	}
	return all, nil
}
