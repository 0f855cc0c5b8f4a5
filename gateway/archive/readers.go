package archive

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"
)

// anonymous is the key id of a reader who is not named (RFC 9580, section 5.1.8).
const anonymous = "0000000000000000"

// putReaders keeps to which keys an article came encrypted. What a later opening was encrypted to, the first one was.
func putReaders(ctx context.Context, tx *gorm.DB, article Article) error {
	if article.ReopenedFrom != "" {
		return nil
	}
	var rows []readerRow
	for _, keyID := range sortedOnce(article.EncryptedTo) {
		if keyID != anonymous {
			rows = append(rows, readerRow{KeyID: keyID, ArticleID: article.ID})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return tx.WithContext(ctx).CreateInBatches(&rows, idsAtOnce).Error
}

// CountEncryptedTo counts the articles that came encrypted to one of these keys: their originals can only be opened with
// it. Later openings do not count.
func (a *Archive) CountEncryptedTo(ctx context.Context, keyIDs []string) (int, error) {
	counted := map[string]bool{}
	for some := range slices.Chunk(sortedOnce(keyIDs), idsAtOnce) {
		var ids []string
		err := a.db.WithContext(ctx).Model(&readerRow{}).Distinct("article_id").Where("key_id IN ?", some).Pluck("article_id", &ids).Error
		if err != nil {
			return 0, fmt.Errorf("count articles encrypted to keys: %w", err)
		}
		for _, id := range ids {
			counted[id] = true
		}
	}
	return len(counted), nil
}
