// Package activity is the append-only log of everything that happened: who did what to which article, message, key.
//
// Each entry holds the hash of the one before it, so a removed or altered row is found by Verify. Entries hold
// identifiers and reasons, never a subject, a body, a passphrase or a key. Append runs inside the caller's
// transaction: an act and its entry commit together or not at all.
//
// The chain shows what was altered by someone who does not rewrite all of it. Who can write the database can also make
// a whole new chain: to find that, note the newest entry's hash elsewhere from time to time.
package activity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Outcome is how an act ended.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused"
	Failed  Outcome = "failed"
)

// Entry is one line of the log. Seq and Hash are given by Append.
type Entry struct {
	Seq         int64             `json:"seq"`
	Time        time.Time         `json:"time"`
	Actor       string            `json:"actor"` // "user:NAME", "mailbox:LOGIN", "cli", "sealgate"
	Act         string            `json:"act"`   // "message.submitted", "message.received", "certificate.imported", …
	Outcome     Outcome           `json:"outcome"`
	GroupID     string            `json:"group_id,omitempty"`
	ArticleID   string            `json:"article_id,omitempty"`
	MessageID   string            `json:"message_id,omitempty"`
	Fingerprint string            `json:"fingerprint,omitempty"`
	Detail      map[string]string `json:"detail,omitempty"` // small, content-free: recipients, reason, decision
	Hash        []byte            `json:"hash"`

	// Attempts above 1 say that the same happened so often within a day, the last time at LastAttempt. Both stand beside
	// the chain, which only holds the first.
	Attempts    int       `json:"attempts,omitempty"`
	LastAttempt time.Time `json:"last_attempt,omitzero"`
}

// Log is the log in one database. It is safe for concurrent use, by several processes too.
type Log struct{ db *gorm.DB }

// New returns the log in db.
func New(db *gorm.DB) *Log { return &Log{db: db} }

// Append adds e at the end of the chain inside tx. Writers wait for each other from here until they commit, so it comes
// last in a transaction. Bytes that a database cannot hold as text (NUL, broken UTF-8) are replaced, and fields are cut
// at 998 bytes, details at 4096: names and Message-IDs come from strangers.
func (l *Log) Append(ctx context.Context, tx *gorm.DB, e Entry) error {
	if err := l.append(tx.WithContext(ctx), e); err != nil {
		return fmt.Errorf("append to the activity log: %w", err)
	}
	return nil
}

func (l *Log) append(tx *gorm.DB, e Entry) error {
	head, err := lockHead(tx)
	if err != nil {
		return err
	}
	row, err := rowOf(e)
	if err != nil {
		return err
	}
	row.Seq, row.PrevHash = head.Seq+1, head.Hash
	row.Hash = row.sum()
	if err := tx.Create(&row).Error; err != nil {
		return err
	}
	return tx.Model(&headRow{}).Where("id = 1").Updates(map[string]any{"seq": row.Seq, "hash": row.Hash}).Error
}

// genesis is the hash before the first entry.
func genesis() []byte { return make([]byte, sha256.Size) }

// lockHead returns the head, locked by writing to it, which works the same on each engine. The first writer makes its row.
func lockHead(tx *gorm.DB) (headRow, error) {
	head, err := touchHead(tx)
	if !errors.Is(err, gorm.ErrRecordNotFound) {
		return head, err
	}
	first := headRow{ID: 1, Hash: genesis()}
	if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&first).Error; err != nil {
		return headRow{}, err
	}
	return touchHead(tx)
}

func touchHead(tx *gorm.DB) (head headRow, err error) {
	found := tx.Raw("UPDATE activity_heads SET id = 1 WHERE id = 1 RETURNING id, seq, hash").Scan(&head)
	if found.Error == nil && found.RowsAffected == 0 {
		return head, gorm.ErrRecordNotFound
	}
	return head, found.Error
}

// Filter selects entries; zero fields select all. Groups nil means every group, an empty non-nil slice none.
type Filter struct {
	Groups    []string
	ArticleID string
	Act       string // exact, or a prefix ending in "."
	Outcome   Outcome
	Before    int64 // only entries with a smaller Seq; 0 means from the newest
	Limit     int   // at most 500; 0 means 50
}

// List returns entries newest first.
func (l *Log) List(ctx context.Context, f Filter) ([]Entry, error) {
	if f.Groups != nil && len(f.Groups) == 0 {
		return nil, nil
	}
	var rows []row
	if err := f.query(l.db.WithContext(ctx)).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list activity: %w", err)
	}
	entries := make([]Entry, 0, len(rows))
	for _, r := range rows {
		e, err := r.entry()
		if err != nil {
			return nil, fmt.Errorf("list activity: %w", err)
		}
		entries = append(entries, e)
	}
	if err := l.countAttempts(ctx, entries); err != nil {
		return nil, fmt.Errorf("list activity: %w", err)
	}
	return entries, nil
}

func (f Filter) query(db *gorm.DB) *gorm.DB {
	q := db.Order("seq DESC").Limit(bounded(f.Limit))
	if f.Groups != nil {
		q = q.Where("group_id IN ?", f.Groups)
	}
	if f.ArticleID != "" {
		q = q.Where("article_id = ?", f.ArticleID)
	}
	if prefix, ok := strings.CutSuffix(f.Act, "."); ok {
		// A range instead of LIKE: '/' follows '.', so the index serves and no wildcard can be smuggled in.
		q = q.Where("act >= ? AND act < ?", prefix+".", prefix+"/")
	} else if f.Act != "" {
		q = q.Where("act = ?", f.Act)
	}
	if f.Outcome != "" {
		q = q.Where("outcome = ?", string(f.Outcome))
	}
	if f.Before > 0 {
		q = q.Where("seq < ?", f.Before)
	}
	return q
}

// Bounds of one page.
const (
	pageDefault = 50
	pageMax     = 500
)

func bounded(limit int) int {
	if limit <= 0 {
		return pageDefault
	}
	return min(limit, pageMax)
}

// Verify walks the whole chain and returns the number of entries, or an error naming the first broken one. Entries that
// are appended meanwhile are walked too.
func (l *Log) Verify(ctx context.Context) (int64, error) {
	prev, seq := genesis(), int64(0)
	for {
		var rows []row
		err := l.db.WithContext(ctx).Where("seq > ?", seq).Order("seq").Limit(pageMax).Find(&rows).Error
		if err != nil {
			return 0, fmt.Errorf("verify activity: %w", err)
		}
		for _, r := range rows {
			if r.Seq != seq+1 {
				return 0, fmt.Errorf("the activity log is broken: entry %d is missing", seq+1)
			}
			if string(r.PrevHash) != string(prev) || string(r.Hash) != string(r.sum()) {
				return 0, fmt.Errorf("the activity log is broken: entry %d was altered", r.Seq)
			}
			prev, seq = r.Hash, r.Seq
		}
		if len(rows) < pageMax {
			return seq, l.verifyHead(ctx, seq, prev)
		}
	}
}

// verifyHead finds entries cut off at the end: the head remembers how far the chain went.
func (l *Log) verifyHead(ctx context.Context, seq int64, hash []byte) error {
	var heads []headRow
	if err := l.db.WithContext(ctx).Find(&heads).Error; err != nil {
		return fmt.Errorf("verify activity: %w", err)
	}
	if len(heads) == 0 && seq == 0 {
		return nil
	}
	if len(heads) == 0 || heads[0].Seq < seq || (heads[0].Seq == seq && string(heads[0].Hash) != string(hash)) {
		return fmt.Errorf("the activity log is broken: its head was altered")
	}
	if heads[0].Seq > seq {
		// More may have been appended since the walk: the entry after the last one walked must then exist.
		var n int64
		if err := l.db.WithContext(ctx).Model(&row{}).Where("seq = ?", seq+1).Count(&n).Error; err != nil {
			return fmt.Errorf("verify activity: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("the activity log is broken: entry %d is missing", seq+1)
		}
	}
	return nil
}
