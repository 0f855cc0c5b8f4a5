package queue

import (
	"context"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
)

// Action is what a delivery status notification says of a recipient (RFC 3464, section 2.3.3).
type Action string

// The actions.
const (
	ActionFailed  Action = "failed"
	ActionDelayed Action = "delayed"
	ActionRelayed Action = "relayed" // to a server that confirms nothing (RFC 3461, section 5.2.2)
)

// Notice is what the sender of a copy is to be told of one recipient.
type Notice struct {
	Action    Action
	Recipient Recipient
	Result    Result
	Until     time.Time // for delayed: when the copy is given up
}

// Tell queues what the sender is told of some recipients of one copy inside tx, in one notification. It gets every
// failure, a delay that NOTIFY does not forbid once, and a relay to a server without DSN where NOTIFY asks for success;
// null reverse-paths and automatic mail are its to see to: sent is false where nobody is told. The payload is still there.
// After an error what it wrote to tx is undone, failed recipients stay in the queue, and the rest is told later.
type Tell func(ctx context.Context, tx *gorm.DB, m Message, notices []Notice) (sent bool, err error)

// Wants tells whether NOTIFY, as received, asks for a notification of an event: SUCCESS, FAILURE or DELAY. Without NOTIFY
// failures and delays are told (RFC 3461, section 4.1).
func Wants(notify, event string) bool {
	if strings.TrimSpace(notify) == "" {
		return event != "SUCCESS"
	}
	return slices.ContainsFunc(strings.Split(notify, ","), func(word string) bool {
		return strings.EqualFold(strings.TrimSpace(word), event)
	})
}

// deadline is when the queue must look at an unfinished recipient even if no attempt can be made: to tell of the delay,
// then to give up.
func (m Message) deadline(r Recipient) time.Time {
	if warns := m.warns(); !warns.IsZero() && r.DelayTold.IsZero() && !r.unwanted && m.ReversePath != "" && Wants(r.Notify, "DELAY") {
		return warns
	}
	return m.expires()
}

// notices are what the sender is to be told now.
func (s *settlement) notices() []Notice {
	var all []Notice
	for i, r := range s.recipients {
		n := Notice{Recipient: r, Result: s.results[i]}
		switch {
		case r.State == Failed:
			n.Action = ActionFailed
		case r.State == Relayed && s.owed[r.ID]:
			n.Action = ActionRelayed
		case (r.State == Pending || r.State == Uncertain) && s.late(r):
			n.Action, n.Until = ActionDelayed, s.message.expires()
		default:
			continue
		}
		all = append(all, n)
	}
	return all
}

// late tells whether the sender is to be told of a delay now.
func (s *settlement) late(r Recipient) bool {
	deadline := s.message.deadline(r)
	return deadline.Before(s.message.expires()) && !s.now.Before(deadline)
}

// told marks what a notification said, or that none is wanted, so that nobody asks again.
func (s *settlement) told(notices []Notice, sent bool) {
	for _, n := range notices {
		r := &s.recipients[slices.IndexFunc(s.recipients, func(r Recipient) bool { return r.ID == n.Recipient.ID })]
		delete(s.owed, r.ID)
		switch {
		case n.Action == ActionRelayed && sent:
			r.RelayTold = s.now
		case n.Action == ActionDelayed && sent:
			r.DelayTold = s.now
		case n.Action == ActionDelayed:
			r.unwanted = true
		}
	}
}
