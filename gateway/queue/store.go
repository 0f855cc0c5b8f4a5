package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
)

// Put stores a copy inside tx and returns its id. Recipients are due at once. Protection and Size are those of o; the
// recipients' ids and states are given here. It refuses the zero Outgoing and a copy without recipients. Call Wake after
// the commit.
func (q *Queue) Put(ctx context.Context, tx *gorm.DB, m Message, o pgpmime.Outgoing) (string, error) {
	switch {
	case o.Protection() == "":
		return "", errors.New("queue message: it was not protected")
	case len(m.Recipients) == 0:
		return "", errors.New("queue message: it has no recipient")
	}
	if m.ID == "" {
		m.ID = newID()
	}
	if m.CreatedAt.IsZero() {
		m.CreatedAt = q.Now()
	}
	m.Protection, m.Size = o.Protection(), int64(len(o.Bytes()))
	tx = tx.WithContext(ctx)
	row := rowOf(m)
	if err := tx.Create(&row).Error; err != nil {
		return "", fmt.Errorf("queue message: %w", err)
	}
	if err := tx.CreateInBatches(newRecipients(m, q.Now()), 500).Error; err != nil {
		return "", fmt.Errorf("queue recipients: %w", err)
	}
	if err := q.Keeper.Seal(ctx, tx, payload(m.ID), o.Bytes()); err != nil {
		return "", fmt.Errorf("queue payload: %w", err)
	}
	return m.ID, nil
}

func newRecipients(m Message, now time.Time) []recipientRow {
	var rows []recipientRow
	for _, r := range m.Recipients {
		rows = append(rows, recipientRow{
			ID: newID(), QueueID: m.ID, Address: r.Address, Notify: r.Notify, ORcpt: r.ORcpt,
			State: string(Pending), NextAttemptMS: now.UnixMilli(),
		})
	}
	return rows
}

// newID returns a UUIDv7: unique, and sorted by time.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// payload names the sealed bytes of a copy. They are written once.
func payload(id string) kms.Ref { return kms.Ref{Kind: kms.Queue, ID: id, Version: 1} }

// Filter selects messages for a list. Groups nil means every group. Open selects those with unfinished recipients.
type Filter struct {
	Groups  []string
	Article string // only the copies of this article; "" for all
	Open    bool
	Limit   int // at most 500; 0 means 50
}

// List returns messages newest first with their recipients, in two queries.
func (q *Queue) List(ctx context.Context, f Filter) ([]Message, error) {
	if f.Groups != nil && len(f.Groups) == 0 {
		return nil, nil
	}
	db := q.DB.WithContext(ctx)
	find := db.Order("created_ms DESC, id DESC").Limit(limit(f.Limit))
	if f.Groups != nil {
		find = find.Where("group_id IN ?", f.Groups)
	}
	if f.Article != "" {
		find = find.Where("article_id = ?", f.Article)
	}
	if f.Open {
		find = find.Where("id IN (?)", db.Model(&recipientRow{}).Select("queue_id").Where("state IN ?", unfinished()))
	}
	var rows []messageRow
	if err := find.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list queue: %w", err)
	}
	messages, err := withRecipients(db, rows)
	if err != nil {
		return nil, fmt.Errorf("list queue: %w", err)
	}
	return messages, nil
}

func limit(n int) int {
	if n <= 0 {
		return 50
	}
	return min(n, 500)
}

// unfinished are the states in which a recipient still counts.
func unfinished() []State { return []State{Pending, Sending, Held, Uncertain} }

// withRecipients reads the recipients of all messages at once.
func withRecipients(db *gorm.DB, rows []messageRow) ([]Message, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	messages, place, ids := make([]Message, len(rows)), map[string]int{}, make([]string, len(rows))
	for i, row := range rows {
		messages[i], place[row.ID], ids[i] = row.message(), i, row.ID
	}
	var recipients []recipientRow
	if err := db.Where("queue_id IN ?", ids).Order("id").Find(&recipients).Error; err != nil {
		return nil, err
	}
	for _, r := range recipients {
		m := &messages[place[r.QueueID]]
		m.Recipients = append(m.Recipients, r.recipient())
	}
	return messages, nil
}

// Get returns one message, or ErrNotFound.
func (q *Queue) Get(ctx context.Context, id string) (Message, error) {
	db := q.DB.WithContext(ctx)
	var rows []messageRow
	if err := db.Where("id = ?", id).Find(&rows).Error; err != nil {
		return Message{}, fmt.Errorf("read queue: %w", err)
	}
	if len(rows) == 0 {
		return Message{}, ErrNotFound
	}
	messages, err := withRecipients(db, rows)
	if err != nil {
		return Message{}, fmt.Errorf("read queue: %w", err)
	}
	return messages[0], nil
}

// Depth counts unfinished recipients, held ones too, and returns the age of the oldest.
func (q *Queue) Depth(ctx context.Context) (n int64, oldest time.Duration, err error) {
	var found struct {
		N      int64
		Oldest int64
	}
	err = q.DB.WithContext(ctx).Raw(`SELECT COUNT(*) AS n, COALESCE(MIN(m.created_ms), 0) AS oldest
		FROM queue_recipients r JOIN queue_messages m ON m.id = r.queue_id WHERE r.state IN ?`, unfinished()).Scan(&found).Error
	if err != nil {
		return 0, 0, fmt.Errorf("measure queue: %w", err)
	}
	if found.N == 0 {
		return 0, 0, nil
	}
	return found.N, max(0, q.Now().Sub(time.UnixMilli(found.Oldest))), nil
}
