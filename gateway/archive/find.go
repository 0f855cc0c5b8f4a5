package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
)

// Get returns one article with its subject, or ErrNotFound.
func (a *Archive) Get(ctx context.Context, id string) (Article, error) {
	var row articleRow
	err := a.db.WithContext(ctx).Where("id = ?", id).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Article{}, ErrNotFound
	}
	if err != nil {
		return Article{}, fmt.Errorf("find article %s: %w", id, err)
	}
	articles, err := a.withSubjects(ctx, []articleRow{row})
	if err != nil {
		return Article{}, err
	}
	return articles[0], nil
}

// Filter selects articles. Groups nil means every group, an empty non-nil slice none.
type Filter struct {
	Groups []string
	Before time.Time // received before; zero means from the newest
	Limit  int       // at most 200; 0 means 50
}

// Bounds of one page.
const (
	pageDefault = 50
	pageMax     = 200
)

// List returns articles newest first, with subjects, in three queries.
func (a *Archive) List(ctx context.Context, f Filter) ([]Article, error) {
	if f.Groups != nil && len(f.Groups) == 0 {
		return nil, nil
	}
	limit := pageDefault
	if f.Limit > 0 {
		limit = min(f.Limit, pageMax)
	}
	q := a.db.WithContext(ctx).Order("received_ms DESC, id DESC").Limit(limit)
	if f.Groups != nil {
		q = q.Where("group_id IN ?", f.Groups)
	}
	if !f.Before.IsZero() {
		q = q.Where("received_ms < ?", f.Before.UnixMilli())
	}
	var rows []articleRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list articles: %w", err)
	}
	return a.withSubjects(ctx, rows)
}

func (a *Archive) withSubjects(ctx context.Context, rows []articleRow) ([]Article, error) {
	ids := make([]string, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	subjects, err := a.keeper.OpenMany(ctx, a.db, kms.Subject, ids)
	if err != nil {
		return nil, fmt.Errorf("open subjects: %w", err)
	}
	articles := make([]Article, 0, len(rows))
	for _, r := range rows {
		article, err := r.article()
		if err != nil {
			return nil, err
		}
		article.Subject = string(subjects[r.ID])
		articles = append(articles, article)
	}
	return articles, nil
}

// CameEncrypted tells whether one of the given Message-IDs belongs to an inbound article of the group that arrived
// encrypted: a reply into that thread is raised to on.
func (a *Archive) CameEncrypted(ctx context.Context, groupID string, messageIDs []string) (bool, error) {
	messageIDs = slices.DeleteFunc(slices.Clone(messageIDs), func(id string) bool { return id == "" })
	if len(messageIDs) == 0 {
		return false, nil
	}
	var n int64
	err := a.db.WithContext(ctx).Model(&articleRow{}).
		Where("message_id IN ? AND group_id = ? AND direction = ? AND encryption <> ?", messageIDs, groupID, string(In), "none").
		Limit(1).Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("look up thread: %w", err)
	}
	return n > 0, nil
}

// WaitingFor returns the ids of articles that wait for one of these keys and were not reopened yet, oldest first.
func (a *Archive) WaitingFor(ctx context.Context, keyIDs []string) ([]string, error) {
	if len(keyIDs) == 0 {
		return nil, nil
	}
	var ids []string
	// Ids are UUIDv7: their order is that of arrival.
	err := a.db.WithContext(ctx).Model(&keyRow{}).Distinct("article_id").Where("key_id IN ?", keyIDs).Order("article_id").Pluck("article_id", &ids).Error
	if err != nil {
		return nil, fmt.Errorf("look up waiting articles: %w", err)
	}
	return ids, nil
}

// HasOrigin tells whether an article with this origin is already here.
func (a *Archive) HasOrigin(ctx context.Context, origin string) (bool, error) {
	var n int64
	if err := a.db.WithContext(ctx).Model(&articleRow{}).Where("origin = ?", origin).Count(&n).Error; err != nil {
		return false, fmt.Errorf("look up origin: %w", err)
	}
	return n > 0, nil
}
