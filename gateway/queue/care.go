package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// What care does at once.
const (
	careLots = 50 // lots of one round
	careLot  = 20 // copies in one transaction
)

// care takes over attempts whose lease ended, and looks after recipients that no attempt is made for.
func (q *Queue) care(ctx context.Context, own []string) {
	if err := q.takeOver(ctx, own); err != nil && ctx.Err() == nil {
		q.Log.ErrorContext(ctx, "queue", "error", err)
	}
	for range careLots {
		more, err := q.lookAfter(ctx)
		if err != nil && ctx.Err() == nil {
			q.Log.ErrorContext(ctx, "queue", "error", err)
		}
		if !more || err != nil {
			return
		}
	}
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
	find := db.Where("state = 'sending' AND lease_until_ms <= ?", now.UnixMilli())
	if len(own) > 0 {
		find = find.Where("lease_owner NOT IN ?", own)
	}
	return find
}

func (q *Queue) takeOverOne(ctx context.Context, tx *gorm.DB, id string, own []string, now time.Time) error {
	m, ok, err := lockFree(tx, id)
	if err != nil || !ok {
		return err
	}
	var rows []recipientRow
	if err := expired(tx, own, now).Where("queue_id = ?", id).Order("id").Find(&rows).Error; err != nil || len(rows) == 0 {
		return err
	}
	const reply = "the attempt was cut off before its answer was recorded; the message may have arrived and is sent again"
	s := settlement{message: m, now: now}
	for _, row := range rows {
		r := row.recipient()
		r.State, r.LastReply = Uncertain, reply
		begun := r.NextAttempt.Add(-q.lease()) // as claim recorded it; or a person wants it now
		if at, _ := m.Retry.Next(m.CreatedAt, r.Attempts, begun, rand.Float64()); at.After(r.NextAttempt) {
			r.NextAttempt = at
		}
		s.recipients = append(s.recipients, r)
		s.results = append(s.results, Result{RecipientID: r.ID, Outcome: OutcomeUncertain, Code: "4.4.2", Reply: reply})
	}
	if err := s.write(tx); err != nil {
		return err
	}
	return q.Report(ctx, tx, m, s.recipients, s.results)
}

// lockFree locks a message unless somebody else has it locked, or it is gone.
func lockFree(tx *gorm.DB, id string) (m Message, ok bool, err error) {
	var rows []messageRow
	locked := tx.Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"})
	if err := locked.Where("id = ?", id).Find(&rows).Error; err != nil || len(rows) == 0 {
		return Message{}, false, err
	}
	return rows[0].message(), true, nil
}

// lookAfter tells and gives up what passed a deadline and is not attempted because its destination rests, and tells again
// what could not be told. What passed its deadline while nothing ran, or waits for its turn, has its attempt first. more
// tells that there may be more of it.
func (q *Queue) lookAfter(ctx context.Context) (more bool, err error) {
	now := q.Now()
	var ids []string
	err = q.DB.WithContext(ctx).Raw(sqlOverdue, now.UnixMilli(), now.UnixMilli(), careLot).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return false, err
	}
	// A notification is sealed inside the transaction, where the KMS must not be called.
	if err := q.Keeper.Ready(ctx); err != nil {
		return false, fmt.Errorf("look after messages: %w", err)
	}
	cared, lasting := 0, context.WithoutCancel(ctx)
	err = q.Writer.Do(ctx, func(tx *gorm.DB) error {
		cared = 0
		for _, id := range ids {
			did, err := q.lookAfterOne(lasting, tx.WithContext(lasting), id, now)
			if err != nil {
				return fmt.Errorf("look after %s: %w", id, err)
			}
			if did {
				cared++
			}
		}
		return nil
	})
	if cared > 0 {
		q.Wake()
	}
	return cared > 0 && len(ids) == careLot, err
}

const sqlOverdue = `SELECT DISTINCT queue_id FROM (
	SELECT queue_id FROM queue_recipients WHERE deadline_ms > 0 AND deadline_ms > 1 AND deadline_ms <= ?
	AND (state = 'relayed' OR state IN ('pending', 'uncertain')
		AND destination IN (SELECT destination FROM queue_destinations WHERE rest_until_ms > ?))
	ORDER BY deadline_ms LIMIT ?) AS overdue`

// lookAfterOne settles the overdue recipients of a copy as if an attempt had been put off.
func (q *Queue) lookAfterOne(ctx context.Context, tx *gorm.DB, id string, now time.Time) (did bool, err error) {
	m, ok, err := lockFree(tx, id)
	if err != nil || !ok {
		return false, err
	}
	var rows []recipientRow
	if err := tx.Raw(sqlRecipients+" ORDER BY id", id).Scan(&rows).Error; err != nil {
		return false, err
	}
	s := settlement{message: m, now: now, owed: map[string]bool{}}
	for _, row := range rows {
		rest, _ := q.board().rest(row.Destination)
		if row.overdue(now) && (row.State == string(Relayed) || now.Before(rest.Until)) {
			s.waited(row.recipient(), rest.Reason)
		} else {
			s.others = s.others || row.needsPayload()
		}
	}
	if len(s.recipients) == 0 {
		return false, nil
	}
	if _, err := q.tell(ctx, tx, &s); err != nil {
		return false, err
	}
	if err := s.write(tx); err != nil {
		return false, err
	}
	return true, q.shredFinished(ctx, tx, &s)
}

// waited settles a recipient whose destination rests for this reason: its time is up, its sender is told of the delay, or is told
// at last that it was relayed.
func (s *settlement) waited(r Recipient, why string) {
	if r.State == Relayed {
		s.owed[r.ID] = true
		s.recipients, s.results = append(s.recipients, r), append(s.results, Result{RecipientID: r.ID, Outcome: OutcomeRelayed, Code: "2.0.0", Reply: r.LastReply})
		return
	}
	next, state := r.NextAttempt, r.State
	r, result := s.later(r, Result{RecipientID: r.ID, Outcome: OutcomeDeferred, Code: "4.4.1", Reply: why})
	if r.State != Failed {
		r.NextAttempt, r.State = next, state // it is due as it was
	}
	s.recipients, s.results = append(s.recipients, r), append(s.results, result)
}
