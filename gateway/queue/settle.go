package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
)

// settleSurely writes an attempt's end, and tries again while the database fails: what it cannot write is uncertain,
// and would be sent twice.
func (q *Queue) settleSurely(ctx context.Context, c *claim, results []Result) {
	for range 10 {
		err := q.settle(ctx, c, results)
		if err == nil {
			return
		}
		q.Log.ErrorContext(ctx, "the end of an attempt could not be written", "queue", c.message.ID, "error", err)
		again := time.NewTimer(q.poll())
		<-again.C
	}
}

// settle writes an attempt's end in one transaction: states, replies, the report, and the sender's notification.
func (q *Queue) settle(ctx context.Context, c *claim, results []Result) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	// A notification is sealed inside the transaction, where the KMS must not be called.
	if err := q.Keeper.Ready(ctx); err != nil {
		q.Log.WarnContext(ctx, "queue", "queue", c.message.ID, "error", err)
	}
	bounced := false
	lasting := context.WithoutCancel(ctx)
	err := q.Writer.Do(ctx, func(tx *gorm.DB) error {
		ctx, tx := lasting, tx.WithContext(lasting)
		mine, err := q.stillMine(tx, c)
		if err != nil || len(mine) == 0 {
			return err
		}
		s := settlement{message: c.message, now: q.Now(), held: map[string]bool{}}
		s.judge(mine, results)
		if bounced, err = q.tell(ctx, tx, &s); err != nil {
			return err
		}
		if err := write(tx, c, s.recipients); err != nil {
			return err
		}
		if err := q.Report(ctx, tx, c.message, s.recipients, s.results); err != nil {
			return err
		}
		return q.shredFinished(ctx, tx, c.message.ID)
	})
	if err == nil && bounced {
		q.Wake()
	}
	return err
}

// stillMine locks the message and returns the recipients that carry the attempt's token, by id. The others belong to
// somebody else by now, or were deleted.
func (q *Queue) stillMine(tx *gorm.DB, c *claim) (map[string]recipientRow, error) {
	if err := lockNow(tx, c.message.ID); err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	var rows []recipientRow
	if err := tx.Where("queue_id = ? AND lease_owner = ?", c.message.ID, c.token).Find(&rows).Error; err != nil {
		return nil, err
	}
	if len(rows) < len(c.recipients) {
		q.Log.Warn("an attempt ended after its lease was lost", "queue", c.message.ID, "recipients", len(c.recipients)-len(rows))
	}
	mine := map[string]recipientRow{}
	for _, r := range rows {
		mine[r.ID] = r
	}
	return mine, nil
}

// settlement is what becomes of an attempt's recipients. results are in the order of recipients.
type settlement struct {
	message    Message
	now        time.Time
	recipients []Recipient
	results    []Result
	held       map[string]bool // by a person, while the attempt was under way
}

// judge works out the new state of each recipient that is still ours.
func (s *settlement) judge(mine map[string]recipientRow, results []Result) {
	for _, result := range results {
		row, ok := mine[result.RecipientID]
		if !ok {
			continue
		}
		r := row.recipient()
		s.held[r.ID] = r.State == Held
		r.LastReply = result.Reply
		switch result.Outcome {
		case OutcomeRelayed:
			r.State, r.Finished = Relayed, s.now
		case OutcomeFailed:
			r.State, r.Finished = Failed, s.now
		case OutcomeHeld:
			r.State = Held
		default:
			r, result = s.later(r, result)
		}
		s.recipients, s.results = append(s.recipients, r), append(s.results, result)
	}
}

// later is the fate of a recipient that was not reached: by the schedule, at a person's word, or given up.
func (s *settlement) later(r Recipient, result Result) (Recipient, Result) {
	at, giveUp := Next(s.message.CreatedAt, r.Attempts, s.now, rand.Float64())
	switch {
	case s.held[r.ID]: // and stays so
	case giveUp:
		result.Outcome, result.Reply = OutcomeFailed, "given up after five days; the last answer was: "+result.Reply
		r.State, r.Finished, r.LastReply = Failed, s.now, result.Reply
	case result.Outcome == OutcomeUncertain:
		r.State, r.NextAttempt = Uncertain, at
	default:
		r.State, r.NextAttempt = Pending, at
	}
	return r, result
}

// failed returns the recipients that failed for good, with their results.
func (s *settlement) failed() (recipients []Recipient, results []Result) {
	for i, r := range s.recipients {
		if r.State == Failed {
			recipients, results = append(recipients, r), append(results, s.results[i])
		}
	}
	return recipients, results
}

// tell has the sender told of failed recipients, inside a savepoint. If that is impossible they stay in the queue.
func (q *Queue) tell(ctx context.Context, tx *gorm.DB, s *settlement) (bounced bool, err error) {
	failed, results := s.failed()
	if len(failed) == 0 {
		return false, nil
	}
	err = tx.Transaction(func(inner *gorm.DB) error { return q.Bounce(ctx, inner, s.message, failed, results) })
	if err == nil {
		return true, nil
	}
	if ctx.Err() != nil {
		return false, err
	}
	q.Log.ErrorContext(ctx, "the sender could not be told of a failure; the message stays in the queue", "queue", s.message.ID, "error", err)
	s.keep()
	return false, nil
}

// keep turns failures back into deferrals, or leaves them held.
func (s *settlement) keep() {
	for i := range s.recipients {
		r, result := &s.recipients[i], &s.results[i]
		if r.State != Failed {
			continue
		}
		result.Outcome, result.Reply = OutcomeDeferred, "the sender could not be told yet: "+result.Reply
		r.State, r.Finished, r.LastReply = Pending, time.Time{}, result.Reply
		r.NextAttempt, _ = Next(s.message.CreatedAt, r.Attempts, s.now, rand.Float64())
		if s.held[r.ID] {
			r.State = Held
		}
	}
}

// write stores the recipients and ends the lease.
func write(tx *gorm.DB, c *claim, recipients []Recipient) error {
	for _, r := range recipients {
		row := recipientRow{
			State: string(r.State), NextAttemptMS: r.NextAttempt.UnixMilli(), LastReply: r.LastReply, FinishedMS: milliOf(r.Finished),
		}
		err := tx.Model(&recipientRow{}).Where("id = ? AND lease_owner = ?", r.ID, c.token).
			Select("state", "next_attempt_ms", "last_reply", "finished_ms", "lease_owner", "lease_until_ms").Updates(row).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// shredFinished removes the payload when nobody needs it any more.
func (q *Queue) shredFinished(ctx context.Context, tx *gorm.DB, id string) error {
	var n int64
	if err := tx.Model(&recipientRow{}).Where("queue_id = ? AND state IN ?", id, unfinished()).Count(&n).Error; err != nil || n > 0 {
		return err
	}
	return q.Keeper.Shred(ctx, tx, payload(id).Kind, id)
}
