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
	m.Protection, m.Size = o.Protection(), o.Message().Size()
	tx = tx.WithContext(ctx)
	row := rowOf(m)
	if err := tx.Create(&row).Error; err != nil {
		return "", fmt.Errorf("queue message: %w", err)
	}
	if err := tx.CreateInBatches(q.newRecipients(ctx, m), 500).Error; err != nil {
		return "", fmt.Errorf("queue recipients: %w", err)
	}
	if _, err := q.Keeper.SealFrom(ctx, tx, payload(m.ID), o.Message().Reader()); err != nil {
		return "", fmt.Errorf("queue payload: %w", err)
	}
	return m.ID, nil
}

func (q *Queue) newRecipients(ctx context.Context, m Message) []recipientRow {
	var rows []recipientRow
	now := q.Now()
	for _, r := range m.Recipients {
		rows = append(rows, recipientRow{
			ID: newID(), QueueID: m.ID, Address: r.Address, Notify: r.Notify, ORcpt: r.ORcpt,
			State: string(Pending), NextAttemptMS: now.UnixMilli(), DeadlineMS: m.deadline(r).UnixMilli(),
			Destination: q.destinationOf(ctx, m, r.Address),
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
	Groups      []string
	Article     string // only the copies of this article; "" for all
	Destination string // only those with unfinished recipients there; "" for all
	Open        bool
	Limit       int // at most 500; 0 means 50
}

// List returns messages newest first with their recipients, in a few queries.
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
	if f.Open || f.Destination != "" {
		ids, err := openMessages(db, f)
		if err != nil || len(ids) == 0 {
			return nil, err
		}
		find = find.Where("id IN ?", ids)
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

// openMessages finds the newest messages with unfinished recipients: ids are sorted by time.
func openMessages(db *gorm.DB, f Filter) (ids []string, err error) {
	find := db.Table("queue_recipients AS r").Distinct("r.queue_id").Where("r.finished_ms = 0").Order("r.queue_id DESC").Limit(limit(f.Limit))
	if f.Destination != "" {
		find = find.Where("r.destination = ?", f.Destination)
	}
	if f.Groups != nil || f.Article != "" {
		find = find.Joins("JOIN queue_messages m ON m.id = r.queue_id")
	}
	if f.Groups != nil {
		find = find.Where("m.group_id IN ?", f.Groups)
	}
	if f.Article != "" {
		find = find.Where("m.article_id = ?", f.Article)
	}
	if err := find.Scan(&ids).Error; err != nil {
		return nil, fmt.Errorf("list queue: %w", err)
	}
	return ids, nil
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
		N     int64
		First *string
	}
	db := q.DB.WithContext(ctx)
	if err := db.Raw(sqlDepth).Scan(&found).Error; err != nil {
		return 0, 0, fmt.Errorf("measure queue: %w", err)
	}
	if found.First == nil {
		return 0, 0, nil
	}
	var created int64 // ids are sorted by time
	if err := db.Raw("SELECT created_ms FROM queue_messages WHERE id = ?", *found.First).Scan(&created).Error; err != nil {
		return 0, 0, fmt.Errorf("measure queue: %w", err)
	}
	return found.N, max(0, q.Now().Sub(time.UnixMilli(created))), nil
}

// Waiting counts the unfinished recipients of each destination.
func (q *Queue) Waiting(ctx context.Context) (map[string]int64, error) {
	var counts []struct {
		Destination string
		N           int64
	}
	if err := q.DB.WithContext(ctx).Raw(sqlWaitingAt).Scan(&counts).Error; err != nil {
		return nil, fmt.Errorf("measure queue: %w", err)
	}
	waiting := map[string]int64{}
	for _, c := range counts {
		waiting[c.Destination] = c.N
	}
	return waiting, nil
}

const (
	sqlDepth     = "SELECT COUNT(*) AS n, MIN(queue_id) AS first FROM queue_recipients WHERE finished_ms = 0"
	sqlWaitingAt = "SELECT destination, COUNT(*) AS n FROM queue_recipients WHERE finished_ms = 0 GROUP BY destination"
)
