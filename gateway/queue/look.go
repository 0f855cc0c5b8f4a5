package queue

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// picture is what waits in the database, as one process saw it last: which destinations have something pending, and
// what persons want now. Attempts are looked for by destination, so that the rows of one that rests, or that has as many
// attempts as it may, are never read, however many they are. It belongs to the goroutine of Run.
type picture struct {
	waiting []waiting // the longest due first
	urgent  []urgent
	taken   time.Time
	cost    time.Duration
	fresh   bool // taken after the last hint
}

// waiting is a destination with pending recipients; due is when the first of them is.
type waiting struct {
	Destination string
	DueMS       int64
}

// urgent is what a person wants now.
type urgent struct {
	QueueID     string
	Destination string
}

// share is the part of the time that may be spent on looking: one of this many.
const share = 20

// look takes a new picture, unless the last one is too young for what it costs.
func (q *Queue) look(ctx context.Context, p *picture) error {
	if p.fresh = time.Since(p.taken) >= share*p.cost; !p.fresh {
		return nil
	}
	begun := time.Now()
	seen, err := q.waiting(ctx)
	if err != nil {
		return fmt.Errorf("look for due messages: %w", err)
	}
	wanted, err := q.urgent(ctx)
	if err != nil {
		return fmt.Errorf("look for due messages: %w", err)
	}
	p.waiting, p.urgent = seen, wanted
	p.taken, p.cost = time.Now(), time.Since(begun)
	return nil
}

// waiting finds the destinations with pending recipients. It leaps from one to the next through the index.
func (q *Queue) waiting(ctx context.Context) ([]waiting, error) {
	var seen []waiting
	err := q.DB.WithContext(ctx).Raw(sqlWaiting).Scan(&seen).Error
	slices.SortStableFunc(seen, func(a, b waiting) int { return int(min(max(a.DueMS-b.DueMS, -1), 1)) })
	return seen, err
}

const sqlWaiting = `WITH RECURSIVE found (destination) AS (
	SELECT (SELECT destination FROM queue_recipients WHERE state IN ('pending', 'uncertain') ORDER BY destination LIMIT 1)
	UNION ALL
	SELECT (SELECT r.destination FROM queue_recipients r
		WHERE r.state IN ('pending', 'uncertain') AND r.destination > found.destination ORDER BY r.destination LIMIT 1)
	FROM found WHERE found.destination IS NOT NULL)
SELECT destination, (SELECT r.next_attempt_ms FROM queue_recipients r
	WHERE r.state IN ('pending', 'uncertain') AND r.destination = found.destination ORDER BY r.next_attempt_ms LIMIT 1) AS due_ms
FROM found WHERE destination IS NOT NULL`

func (q *Queue) urgent(ctx context.Context) ([]urgent, error) {
	var wanted []urgent
	err := q.DB.WithContext(ctx).Raw(sqlUrgent).Scan(&wanted).Error
	return wanted, err
}

const sqlUrgent = `SELECT DISTINCT queue_id, destination FROM queue_recipients
	WHERE deadline_ms > 0 AND deadline_ms = 1 AND state IN ('pending', 'uncertain') LIMIT 100`

// done drops a destination from the picture: nothing of it is due any more.
func (p *picture) done(destination string) {
	p.waiting = slices.DeleteFunc(p.waiting, func(w waiting) bool { return w.Destination == destination })
}

// patience is how long to wait for the next look when there is nothing to do.
func (p *picture) patience(poll time.Duration) time.Duration {
	if p.fresh {
		return poll
	}
	return min(poll, max(share*p.cost-time.Since(p.taken), time.Millisecond))
}
