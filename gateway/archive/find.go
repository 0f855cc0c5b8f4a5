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
	Groups   []string
	Before   time.Time // received before; zero means from the newest
	BeforeID string    // with Before: also those received at that very millisecond whose id is smaller (the next page)
	Limit    int       // at most 200; 0 means 50
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
	if before := f.Before.UnixMilli(); f.BeforeID != "" {
		q = q.Where("(received_ms < ? OR (received_ms = ? AND id < ?))", before, before, f.BeforeID)
	} else if !f.Before.IsZero() {
		q = q.Where("received_ms < ?", before)
	}
	var rows []articleRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list articles: %w", err)
	}
	return a.withSubjects(ctx, rows)
}

// alteredSubject stands in a list where a subject does not open, so that one row does not hide the others.
const alteredSubject = "[the sealed subject is missing or was altered]"

func (a *Archive) withSubjects(ctx context.Context, rows []articleRow) ([]Article, error) {
	ids := make([]string, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	subjects, err := a.keeper.OpenMany(ctx, a.db, kms.Subject, ids)
	if err != nil && !kms.Altered(err) {
		return nil, fmt.Errorf("open subjects: %w", err)
	}
	articles := make([]Article, 0, len(rows))
	for _, r := range rows {
		article, err := r.article()
		if err != nil {
			return nil, err
		}
		subject, ok := subjects[r.ID]
		if article.Subject = string(subject); !ok {
			article.Subject = alteredSubject
		}
		articles = append(articles, article)
	}
	return articles, nil
}

// CameEncrypted tells whether one of the given Message-IDs belongs to an inbound article of the group that arrived
// encrypted: a reply into that thread is raised to on.
func (a *Archive) CameEncrypted(ctx context.Context, groupID string, messageIDs []string) (bool, error) {
	named := slices.DeleteFunc(sortedOnce(cleanAll(messageIDs)), func(id string) bool { return id == "" })
	for some := range slices.Chunk(named, idsAtOnce) {
		var n int64
		err := a.db.WithContext(ctx).Model(&articleRow{}).
			Where("message_id IN ?", some).
			Where("group_id = ? AND direction = ? AND encryption <> ?", groupID, string(In), "none").
			Count(&n).Error
		if err != nil {
			return false, fmt.Errorf("look up thread: %w", err)
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, nil
}

// idsAtOnce is how many ids one query names: a reply may bring thousands of references, an import as many keys.
const idsAtOnce = 500

// WaitingFor returns the ids of articles that wait for one of these keys and were not reopened yet, oldest first.
func (a *Archive) WaitingFor(ctx context.Context, keyIDs []string) ([]string, error) {
	var all []string
	for some := range slices.Chunk(sortedOnce(keyIDs), idsAtOnce) {
		var ids []string
		err := a.db.WithContext(ctx).Model(&keyRow{}).Distinct("article_id").Where("key_id IN ?", some).Pluck("article_id", &ids).Error
		if err != nil {
			return nil, fmt.Errorf("look up waiting articles: %w", err)
		}
		all = append(all, ids...)
	}
	return sortedOnce(all), nil // ids are UUIDv7: their order is that of arrival
}

// ByOrigin returns the article with this origin, without its subject, or ErrNotFound.
func (a *Archive) ByOrigin(ctx context.Context, origin string) (Article, error) {
	var row articleRow
	err := a.db.WithContext(ctx).Where("origin = ?", origin).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Article{}, ErrNotFound
	}
	if err != nil {
		return Article{}, fmt.Errorf("look up origin: %w", err)
	}
	return row.article()
}
