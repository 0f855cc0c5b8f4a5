package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// claim is the right to make one attempt: one copy, those of its recipients that are due together, and the token that
// their rows carry while the attempt lasts.
type claim struct {
	token      string
	message    Message
	recipients []Recipient
}

// claim takes at most n of the copies that have been due longest, and of no mailbox more than it has room for. When it
// returns, the attempts are recorded and committed together: if the process dies now, the recipients are next tried as if
// the attempts had failed.
func (q *Queue) claim(ctx context.Context, n int, room func(mailboxID string) int, full []string) ([]*claim, error) {
	db, now := q.DB.WithContext(ctx), q.Now()
	for range 10 { // another process may be quicker
		// A look without a lock first: an idle queue must not keep SQLite's only writer.
		if rows, err := findDue(db, now, full, 1); err != nil || len(rows) == 0 {
			return nil, err
		}
		var claims []*claim
		lasting := context.WithoutCancel(ctx)
		err := q.Writer.Do(ctx, func(tx *gorm.DB) (err error) {
			claims, err = q.takeSome(tx.WithContext(lasting), now, n, room, full)
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(claims) > 0 {
			return claims, nil
		}
	}
	return nil, nil
}

func (q *Queue) takeSome(tx *gorm.DB, now time.Time, n int, room func(string) int, full []string) ([]*claim, error) {
	locked := tx.Clauses(clause.Locking{Strength: "UPDATE", Table: clause.Table{Name: "queue_messages"}, Options: "SKIP LOCKED"})
	rows, err := findDue(locked, now, full, n)
	if err != nil {
		return nil, err
	}
	var claims []*claim
	seen, taken := map[string]bool{}, map[string]int{}
	for _, row := range rows {
		m := row.message()
		if seen[m.ID] || taken[m.MailboxID] >= room(m.MailboxID) { // a message stands once for each recipient
			continue
		}
		seen[m.ID] = true
		c, err := q.take(tx, m, now)
		if err != nil {
			return nil, fmt.Errorf("claim from queue: %w", err)
		}
		if c != nil {
			taken[m.MailboxID]++
			claims = append(claims, c)
		}
	}
	return claims, nil
}

// due is the condition for an attempt. Sending is not among the states: an expired lease becomes Uncertain first.
func due(db *gorm.DB, now time.Time) *gorm.DB {
	return db.Where("queue_recipients.state IN ? AND queue_recipients.next_attempt_ms <= ?",
		[]State{Pending, Uncertain}, now.UnixMilli())
}

func findDue(db *gorm.DB, now time.Time, full []string, n int) ([]messageRow, error) {
	find := due(db, now).Select("queue_messages.*").
		Joins("JOIN queue_recipients ON queue_recipients.queue_id = queue_messages.id").
		Order("queue_recipients.next_attempt_ms, queue_recipients.id").Limit(n)
	if len(full) > 0 {
		find = find.Where("queue_messages.mailbox_id NOT IN ?", full)
	}
	var rows []messageRow
	if err := find.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("look for due messages: %w", err)
	}
	return rows, nil
}

// take records the attempt. Under PostgreSQL another process may have taken the recipients between our look and our
// lock: then there is nothing left, and no claim.
func (q *Queue) take(tx *gorm.DB, m Message, now time.Time) (*claim, error) {
	var rows []recipientRow
	if err := due(tx, now).Where("queue_id = ?", m.ID).Order("id").Find(&rows).Error; err != nil || len(rows) == 0 {
		return nil, err
	}
	token, until := newID(), now.Add(q.lease())
	for i := range rows {
		r := &rows[i]
		r.State, r.Attempts, r.LeaseOwner, r.LeaseUntilMS = string(Sending), r.Attempts+1, token, until.UnixMilli()
		next, _ := Next(m.CreatedAt, r.Attempts, now, rand.Float64())
		r.NextAttemptMS = max(next.UnixMilli(), r.LeaseUntilMS)
		err := tx.Model(r).Select("state", "attempts", "lease_owner", "lease_until_ms", "next_attempt_ms").Updates(r).Error
		if err != nil {
			return nil, err
		}
	}
	return &claim{token: token, message: m, recipients: recipientsOf(rows)}, nil
}

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

// takeOver finds attempts whose lease ended: their process died or lost the database, and nobody knows what the next
// hop answered. Their recipients become Uncertain and are tried again when the schedule says. Our own attempts (their
// tokens) are known to be alive, even if the clock jumped while the machine slept.
func (q *Queue) takeOver(ctx context.Context, own []string) error {
	now := q.Now()
	var ids []string
	if err := expired(q.DB.WithContext(ctx), own, now).Model(&recipientRow{}).Distinct("queue_id").Limit(100).Find(&ids).Error; err != nil {
		return fmt.Errorf("look for ended leases: %w", err)
	}
	for _, id := range ids {
		err := q.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return q.takeOverOne(ctx, tx, id, own, now) })
		if err != nil {
			return fmt.Errorf("take over: %w", err)
		}
		q.Log.WarnContext(ctx, "an attempt ended without its answer being recorded", "queue", id)
	}
	return nil
}

// expired is the condition for a takeover.
func expired(db *gorm.DB, own []string, now time.Time) *gorm.DB {
	find := db.Where("state = ? AND lease_until_ms <= ?", Sending, now.UnixMilli())
	if len(own) > 0 {
		find = find.Where("lease_owner NOT IN ?", own)
	}
	return find
}

func (q *Queue) takeOverOne(ctx context.Context, tx *gorm.DB, id string, own []string, now time.Time) error {
	var messages []messageRow
	locked := tx.Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"})
	if err := locked.Where("id = ?", id).Find(&messages).Error; err != nil || len(messages) == 0 {
		return err
	}
	var rows []recipientRow
	if err := expired(tx, own, now).Where("queue_id = ?", id).Order("id").Find(&rows).Error; err != nil || len(rows) == 0 {
		return err
	}
	const reply = "the attempt was cut off before its answer was recorded; the message may have arrived and is sent again"
	var results []Result
	for i := range rows {
		r := &rows[i]
		r.State, r.LeaseOwner, r.LeaseUntilMS, r.LastReply = string(Uncertain), "", 0, reply
		if err := tx.Model(r).Select("state", "lease_owner", "lease_until_ms", "last_reply").Updates(r).Error; err != nil {
			return err
		}
		results = append(results, Result{RecipientID: r.ID, Outcome: OutcomeUncertain, Code: "4.4.2", Reply: reply})
	}
	return q.Report(ctx, tx, messages[0].message(), recipientsOf(rows), results)
}
