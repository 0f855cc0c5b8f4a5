// Package queue is the delivery queue: what was accepted and has not reached the next hop yet.
//
// A copy (pgpmime.Outgoing) with its recipients enters inside the transaction of the submission; attempts, results and
// at the end a delivered or bounced state leave. The payload is a sealed object and never changes: every attempt sends
// the same bytes. The attempt is recorded before it is made, so that a crash cannot hot-loop. Nothing is dropped: a
// recipient ends relayed, failed (its sender was told) or deleted by a person. The package does not know SMTP: it is
// given a Deliver function, and a Bounce function that queues the delivery status notification.
package queue

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
)

// ErrNotFound says that there is no such queue entry.
var ErrNotFound = errors.New("no such message in the queue")

// State is the state of one recipient of one copy.
type State string

// The states.
const (
	Pending   State = "pending"   // due now or later
	Sending   State = "sending"   // an attempt is recorded and may be under way
	Relayed   State = "relayed"   // the next hop answered 250
	Failed    State = "failed"    // permanent, or given up; the sender was told
	Held      State = "held"      // by a person
	Uncertain State = "uncertain" // the reply to the final dot was lost; tried again, may arrive twice
)

// Recipient is one forward-path of a copy.
type Recipient struct {
	ID          string
	Address     string
	Notify      string // RFC 3461 NOTIFY, as received
	ORcpt       string // RFC 3461 ORCPT, as received
	State       State
	Attempts    int
	NextAttempt time.Time
	LastReply   string // the next hop's words, or ours
	Finished    time.Time
}

// Message is one copy in the queue.
type Message struct {
	ID          string // given by Put when empty
	ArticleID   string
	GroupID     string
	MailboxID   string
	ReversePath string // "" is the null reverse-path
	MessageID   string
	SMTPUTF8    bool
	EnvID       string // RFC 3461
	Ret         string // RFC 3461
	Size        int64
	Protection  pgpmime.Protection
	CreatedAt   time.Time
	Recipients  []Recipient
}

// Outcome is how one attempt ended for one recipient.
type Outcome string

// The outcomes of an attempt.
const (
	OutcomeRelayed   Outcome = "relayed"
	OutcomeDeferred  Outcome = "deferred"
	OutcomeFailed    Outcome = "failed"
	OutcomeUncertain Outcome = "uncertain"
)

// Result is the outcome for one recipient. Code is an enhanced status code such as "5.1.1".
type Result struct {
	RecipientID string
	Outcome     Outcome
	Code        string
	Reply       string
}

// Deliver tries to hand one copy to the next hop for the given recipients and returns one result for each. It obeys
// ctx. It never returns fewer results than recipients.
type Deliver func(ctx context.Context, m Message, recipients []Recipient, o pgpmime.Outgoing) []Result

// Bounce tells the sender inside tx that recipients failed for good. An error keeps the recipients in the queue.
type Bounce func(ctx context.Context, tx *gorm.DB, m Message, failed []Recipient, results []Result) error

// Report records one attempt inside tx (the activity log).
type Report func(ctx context.Context, tx *gorm.DB, m Message, recipients []Recipient, results []Result) error

// Next is the retry schedule, pure: when to try again after attempt number n (from 1) of a message that entered at
// created, or give up. jitter is in [0,1).
func Next(created time.Time, attempt int, now time.Time, jitter float64) (at time.Time, giveUp bool) {
	panic("skeleton")
}

// Queue is the queue in one database. Fill the fields, then call Run once. Its other methods may be called at any time
// from any goroutine and any process.
type Queue struct {
	DB      *gorm.DB
	Keeper  *kms.Keeper
	Deliver Deliver
	Bounce  Bounce
	Report  Report
	Now     func() time.Time
	Log     *slog.Logger
	Workers int           // at most this many deliveries at once; 0 means 8
	Poll    time.Duration // how often to look for due work without a hint; 0 means 2 s
}

// Put stores a copy inside tx and returns its id. Recipients are due at once. Call Wake after the commit.
func (q *Queue) Put(ctx context.Context, tx *gorm.DB, m Message, o pgpmime.Outgoing) (string, error) {
	panic("skeleton")
}

// Wake hints that something is due. It never blocks.
func (q *Queue) Wake() { panic("skeleton") }

// Run delivers until ctx ends, then waits for attempts under way (bounded by their own timeouts) and returns nil.
func (q *Queue) Run(ctx context.Context) error { panic("skeleton") }

// Filter selects messages for a list. Groups nil means every group. Open selects those with unfinished recipients.
type Filter struct {
	Groups []string
	Open   bool
	Limit  int // at most 500; 0 means 50
}

// List returns messages newest first with their recipients, in two queries.
func (q *Queue) List(ctx context.Context, f Filter) ([]Message, error) { panic("skeleton") }

// Get returns one message.
func (q *Queue) Get(ctx context.Context, id string) (Message, error) { panic("skeleton") }

// Hold stops unfinished recipients until Retry.
func (q *Queue) Hold(ctx context.Context, tx *gorm.DB, id string) error { panic("skeleton") }

// Retry makes unfinished and held recipients due now.
func (q *Queue) Retry(ctx context.Context, tx *gorm.DB, id string) error { panic("skeleton") }

// Delete removes a message and its payload; the caller logs the person's reason.
func (q *Queue) Delete(ctx context.Context, tx *gorm.DB, id string) error { panic("skeleton") }

// Depth counts unfinished recipients and returns the age of the oldest.
func (q *Queue) Depth(ctx context.Context) (n int64, oldest time.Duration, err error) {
	panic("skeleton")
}
