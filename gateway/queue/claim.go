package queue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"
)

// claim is the right to make one attempt: one copy, those of its recipients that are due together at one destination,
// and the token that their rows carry while the attempt lasts.
type claim struct {
	token       string
	destination string
	message     Message
	recipients  []Recipient
}

// claim takes at most n attempts: what persons want now, and what has been due longest at destinations that have room.
// When it returns, the attempts are recorded and committed together: if the process dies now, the recipients are next
// tried as if the attempts had failed.
func (q *Queue) claim(ctx context.Context, p *picture, n int) ([]*claim, error) {
	for range 10 { // another process may be quicker
		orders := q.orders(p, n)
		if len(orders) == 0 { // seen without a lock: an idle queue must not keep SQLite's only writer
			return nil, nil
		}
		var claims []*claim
		raced := false
		err := q.Writer.Do(ctx, func(tx *gorm.DB) (err error) {
			claims, raced, err = q.takeAll(tx, p, orders, n)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("claim from queue: %w", err)
		}
		if len(claims) > 0 || !raced {
			return claims, nil
		}
	}
	return nil, nil
}

// order is what to take: most copies of one destination, or one that a person wants now.
type order struct {
	destination string
	queueID     string // of what a person wants
	most        int
}

// orders chooses from a picture. What persons want comes first, even to a destination that rests.
func (q *Queue) orders(p *picture, n int) []order {
	var chosen []order
	rooms, now := q.board().rooms(q.Now()), q.Now().UnixMilli()
	for _, u := range p.urgent {
		chosen = append(chosen, order{u.Destination, u.QueueID, 1})
		n--
	}
	p.urgent = nil
	for _, w := range p.waiting {
		if n <= 0 || w.DueMS > now {
			break
		}
		if room := min(rooms.room(w.Destination), n); room > 0 {
			chosen = append(chosen, order{w.Destination, "", room})
			n--
		}
	}
	return chosen
}

// takeAll carries out orders, n attempts at most. raced tells that another process took what we saw.
func (q *Queue) takeAll(tx *gorm.DB, p *picture, orders []order, n int) (claims []*claim, raced bool, err error) {
	rooms := q.board().rooms(q.Now())
	round := newID()
	for i, o := range orders {
		if o.most = min(o.most, n-len(claims)); o.queueID == "" {
			o.most = min(o.most, rooms.room(o.destination))
		}
		if o.most <= 0 {
			continue
		}
		taken, seen, err := q.take(tx, o, round+"/"+strconv.Itoa(i))
		if err != nil {
			return nil, false, err
		}
		for _, c := range taken {
			rooms.begin(c.destination)
			claims = append(claims, c)
		}
		switch {
		case seen == 0 && o.queueID == "":
			p.done(o.destination)
		case len(taken) == 0:
			raced = true
		}
	}
	return claims, raced, nil
}

// take records the attempts of one order under one token. Under PostgreSQL another process may have taken the recipients
// between our look and our lock: then there is less left than was seen.
func (q *Queue) take(tx *gorm.DB, o order, token string) (claims []*claim, seen int, err error) {
	now := q.Now()
	messages, err := q.dueMessages(tx, o, now)
	if err != nil || len(messages) == 0 {
		return nil, 0, err
	}
	ids := make([]string, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	until := now.Add(q.lease()).UnixMilli()
	var rows []recipientRow
	if err := tx.Raw(sqlTake, token, until, until, ids, o.destination, now.UnixMilli()).Scan(&rows).Error; err != nil {
		return nil, 0, err
	}
	slices.SortFunc(rows, func(a, b recipientRow) int { return strings.Compare(a.ID, b.ID) })
	for _, m := range messages {
		c := &claim{token: token, destination: o.destination, message: m.message()}
		for _, r := range rows {
			if r.QueueID == m.ID {
				c.recipients = append(c.recipients, r.recipient())
			}
		}
		if len(c.recipients) > 0 {
			claims = append(claims, c)
		}
	}
	return claims, len(messages), nil
}

// sqlTake records attempts of what is pending or uncertain: an expired lease becomes Uncertain first. It is said in the
// words of the index of open recipients, because that of due ones would read everything that is due at a destination.
const sqlTake = `UPDATE queue_recipients SET state = 'sending', attempts = attempts + 1, lease_owner = ?, lease_until_ms = ?, next_attempt_ms = ?
	WHERE queue_id IN ? AND destination = ? AND finished_ms = 0 AND state NOT IN ('sending', 'held') AND next_attempt_ms <= ?
	RETURNING *`

// dueMessages locks the copies of an order, those that have been due longest first, each once.
func (q *Queue) dueMessages(tx *gorm.DB, o order, now time.Time) ([]messageRow, error) {
	query, values := sqlDue, []any{o.destination, now.UnixMilli(), o.most}
	if o.queueID != "" {
		query, values = sqlNamed, []any{o.queueID}
	}
	if tx.Name() == "postgres" {
		query += " FOR UPDATE OF m SKIP LOCKED"
	}
	var rows []messageRow
	if err := tx.Raw(query, values...).Scan(&rows).Error; err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(rows, func(row messageRow) bool { // a message stands once for each recipient
		again := seen[row.ID]
		seen[row.ID] = true
		return again
	}), nil
}

const (
	sqlDue = `SELECT m.* FROM queue_recipients r JOIN queue_messages m ON m.id = r.queue_id
	WHERE r.destination = ? AND r.state IN ('pending', 'uncertain') AND r.next_attempt_ms <= ?
	ORDER BY r.next_attempt_ms LIMIT ?`
	sqlNamed = `SELECT m.* FROM queue_messages m WHERE m.id = ?`
)

func (q *Queue) lease() time.Duration {
	if q.Lease > 0 {
		return q.Lease
	}
	return time.Minute
}

// extend prolongs the lease and returns false when it is no longer ours, or the recipients are gone.
func (q *Queue) extend(ctx context.Context, c *claim) (ours bool, err error) {
	done := q.DB.WithContext(ctx).Model(&recipientRow{}).Where("queue_id = ? AND lease_owner = ?", c.message.ID, c.token).
		Update("lease_until_ms", q.Now().Add(q.lease()).UnixMilli())
	if done.Error != nil {
		return false, fmt.Errorf("extend lease: %w", done.Error)
	}
	return done.RowsAffected > 0, nil
}
