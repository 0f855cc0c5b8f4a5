package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
)

// settleSurely writes an attempt's end, and tries again while the database fails, or somebody else holds the message's
// rows: what it cannot write is uncertain, and would be sent twice.
func (q *Queue) settleSurely(ctx context.Context, c *claim, results []Result) {
	pause := 10 * time.Millisecond
	for range 16 {
		err := q.settle(ctx, c, results)
		if err == nil {
			return
		}
		q.Log.WarnContext(ctx, "the end of an attempt could not be written yet", "queue", c.message.ID, "error", err)
		again := time.NewTimer(pause)
		<-again.C
		pause = min(2*pause, q.poll())
	}
	q.Log.ErrorContext(ctx, "the end of an attempt could not be written; the message is sent again", "queue", c.message.ID)
}

// settle writes an attempt's end in one transaction: states, replies, the report, and the sender's notification.
func (q *Queue) settle(ctx context.Context, c *claim, results []Result) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	// A notification is sealed inside the transaction, where the KMS must not be called.
	if err := q.Keeper.Ready(ctx); err != nil {
		q.Log.WarnContext(ctx, "queue", "queue", c.message.ID, "error", err)
	}
	told := false
	lasting := context.WithoutCancel(ctx)
	err := q.Writer.Do(ctx, func(tx *gorm.DB) error {
		ctx, tx := lasting, tx.WithContext(lasting)
		mine, others, err := q.stillMine(tx, c)
		if err != nil || len(mine) == 0 {
			return err
		}
		s := settlement{message: c.message, now: q.Now(), jitter: rand.Float64(), others: others, held: map[string]bool{}, owed: map[string]bool{}}
		s.judge(mine, results)
		if told, err = q.tell(ctx, tx, &s); err != nil {
			return err
		}
		if err := s.write(tx); err != nil {
			return err
		}
		if err := q.Report(ctx, tx, c.message, s.recipients, s.results); err != nil {
			return err
		}
		return q.shredFinished(ctx, tx, &s)
	})
	if err == nil && told {
		q.Wake()
	}
	return err
}

// stillMine locks the message and returns the recipients that carry the attempt's token, by id. The others belong to
// somebody else by now, or were deleted; others tells that some of them need the payload.
func (q *Queue) stillMine(tx *gorm.DB, c *claim) (mine map[string]recipientRow, others bool, err error) {
	if err := lockNow(tx, c.message.ID); err != nil && !errors.Is(err, ErrNotFound) {
		return nil, false, err
	}
	var rows []recipientRow
	if err := tx.Raw(sqlRecipients, c.message.ID).Scan(&rows).Error; err != nil {
		return nil, false, err
	}
	mine = map[string]recipientRow{}
	for _, r := range rows {
		if r.LeaseOwner == c.token {
			mine[r.ID] = r
		} else {
			others = others || r.needsPayload()
		}
	}
	if len(mine) < len(c.recipients) {
		q.Log.Warn("an attempt ended after its lease was lost", "queue", c.message.ID, "recipients", len(c.recipients)-len(mine))
	}
	return mine, others, nil
}

const sqlRecipients = "SELECT * FROM queue_recipients WHERE queue_id = ?"

// settlement is what becomes of some recipients of one copy. results are in the order of recipients.
type settlement struct {
	message    Message
	now        time.Time
	jitter     float64 // the same for all, so that they stay together
	recipients []Recipient
	results    []Result
	others     bool            // of the copy's recipients need the payload
	held       map[string]bool // by a person, while the attempt was under way
	owed       map[string]bool // relayed to a server that confirms nothing, and the sender wants to know
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
			if !result.DSN && s.message.ReversePath != "" && Wants(r.Notify, "SUCCESS") {
				s.owed[r.ID] = true
			}
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
	at, giveUp := s.message.Retry.Next(s.message.CreatedAt, r.Attempts, s.now, s.jitter)
	if result.Destination != "" {
		r.Destination = result.Destination
	}
	switch {
	case s.held[r.ID]: // and stays so
	case giveUp:
		lifetime := s.message.Retry.withDefaults().Lifetime
		result.Outcome, result.Reply = OutcomeFailed, "given up after "+inWords(lifetime)+"; the last answer was: "+result.Reply
		r.State, r.Finished, r.LastReply = Failed, s.now, result.Reply
	case result.Outcome == OutcomeUncertain:
		r.State, r.NextAttempt = Uncertain, at
	default:
		r.State, r.NextAttempt = Pending, at
	}
	return r, result
}

// inWords says a duration in days, hours or minutes, the largest that it is a multiple of.
func inWords(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := d / unit.length; n > 0 && d%unit.length == 0 {
			if n > 1 {
				unit.name += "s"
			}
			return fmt.Sprintf("%d %s", n, unit.name)
		}
	}
	return d.String()
}

// tell has the sender told what is to be told, inside a savepoint. If that is impossible, failed recipients stay in the
// queue and the rest is told later.
func (q *Queue) tell(ctx context.Context, tx *gorm.DB, s *settlement) (told bool, err error) {
	notices := s.notices()
	if len(notices) == 0 {
		return false, nil
	}
	err = tx.Transaction(func(inner *gorm.DB) (err error) {
		told, err = q.Tell(ctx, inner, s.message, notices)
		return err
	})
	if err == nil {
		s.told(notices, told)
		return told, nil
	}
	if ctx.Err() != nil {
		return false, err
	}
	q.Log.ErrorContext(ctx, "the sender could not be told; the message stays in the queue", "queue", s.message.ID, "error", err)
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
		r.NextAttempt, _ = s.message.Retry.Next(s.message.CreatedAt, r.Attempts, s.now, s.jitter)
		if s.held[r.ID] {
			r.State = Held
		}
	}
}

// outcome are the columns that an end changes.
type outcome struct {
	state                    State
	reply, destination       string
	next, finished, deadline int64
	delayTold, relayTold     int64
}

// write stores the recipients and ends the lease, in one statement for all that ended alike.
func (s *settlement) write(tx *gorm.DB) error {
	var kinds []outcome
	alike := map[outcome][]string{}
	for _, r := range s.recipients {
		o := s.outcome(r)
		if alike[o] == nil {
			kinds = append(kinds, o)
		}
		alike[o] = append(alike[o], r.ID)
	}
	for _, o := range kinds {
		err := tx.Exec(`UPDATE queue_recipients SET state = ?, last_reply = ?, destination = ?, next_attempt_ms = ?, finished_ms = ?,
			deadline_ms = ?, delay_told_ms = ?, relay_told_ms = ?, lease_owner = '', lease_until_ms = 0 WHERE id IN ?`,
			o.state, o.reply, o.destination, o.next, o.finished, o.deadline, o.delayTold, o.relayTold, alike[o]).Error
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *settlement) outcome(r Recipient) outcome {
	o := outcome{
		state: r.State, reply: r.LastReply, destination: r.Destination, next: r.NextAttempt.UnixMilli(), finished: milliOf(r.Finished),
		delayTold: milliOf(r.DelayTold), relayTold: milliOf(r.RelayTold),
	}
	if r.unwanted {
		o.delayTold = unwantedMS
	}
	switch {
	case s.owed[r.ID]: // and could not be told
		o.deadline = s.now.Add(time.Minute).UnixMilli()
	case r.State == Pending || r.State == Uncertain:
		o.deadline = max(s.message.deadline(r).UnixMilli(), s.now.Add(time.Minute).UnixMilli())
	}
	return o
}

// shredFinished removes the payload when nobody needs it any more.
func (q *Queue) shredFinished(ctx context.Context, tx *gorm.DB, s *settlement) error {
	needed := s.others
	for _, r := range s.recipients {
		needed = needed || !r.State.Finished() || s.owed[r.ID]
	}
	if needed {
		return nil
	}
	return q.Keeper.Shred(ctx, tx, payload(s.message.ID).Kind, s.message.ID)
}
