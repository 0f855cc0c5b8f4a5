// Package queue is the delivery queue: what was accepted and has not reached the next hop yet.
//
// A copy (pgpmime.Outgoing) with its recipients enters inside the transaction of the submission; attempts, results and
// at the end a delivered or bounced state leave. The payload is a sealed object and never changes: every attempt sends
// the same bytes. The attempt is recorded before it is made, so that a crash cannot hot-loop. Nothing is dropped: a
// recipient ends relayed, failed (its sender was told) or deleted by a person. What was delivered but may not have been
// answered is uncertain and sent again: at most a duplicate, never a loss. When the last recipient of a copy is finished
// its payload is shredded, while its rows stay and tell what became of it.
//
// Several processes may share one queue. An attempt holds its recipients by a lease with a token of its own, extended
// while it lasts; who finds a lease that ended takes over, and results under another token are not written. The
// processes' clocks must agree better than the length of a lease.
//
// A destination is where a copy goes next: a server, or the domain of a recipient. Each has a share of the attempts, so
// that one that hangs leaves room for others. One that cannot be reached rests as a whole, longer each time, and after that
// a single attempt finds out; what rests is in the database, so that neither a restart nor another process storms it.
// Meanwhile its messages wait without attempts of their own, and their senders are told all the same when they are late or
// given up.
//
// The package does not know SMTP: it is given a Deliver function, and a Tell function that queues delivery status
// notifications.
package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sealgate/sealgate/gateway/batch"
	room "github.com/sealgate/sealgate/gateway/memory"
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
	Held      State = "held"      // by a person, or because the stored bytes must not be sent; until Retry
	Uncertain State = "uncertain" // the reply to the final dot was lost; tried again, may arrive twice
)

// Finished tells whether nothing more will happen to a recipient of this state.
func (s State) Finished() bool { return s == Relayed || s == Failed }

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
	Destination string    // whom it goes to next: names what may rest, and what is limited
	DelayTold   time.Time // when the sender was told that it is delayed
	RelayTold   time.Time // when the sender was told that it went to a server that confirms nothing

	unwanted bool // nobody wants to be told of the delay
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
	RequireTLS  bool   // RFC 8689
	Signatures  string // DKIM-Signature fields, each ending in CRLF, that go in front of the payload when it is sent
	Retry       Schedule
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
	OutcomeHeld      Outcome = "held" // nothing was sent, and must not be until a person looked
)

// Result is the outcome for one recipient. Code is an enhanced status code such as "5.1.1".
type Result struct {
	RecipientID string
	Outcome     Outcome
	Code        string
	Reply       string
	Host        string // who said it; "" when there was no connection
	TLS         string // how that connection was protected, in words
	DSN         bool   // the next hop offers DSN (RFC 3461): it was asked for what NOTIFY asks for
	Destination string // that it was for, where that has changed since; "" when it has not
}

// Deliver tries to hand one copy to the next hop for the given recipients and returns one result for each. It obeys
// ctx. It never returns fewer results than recipients; one that is missing counts as uncertain. It keeps no bytes of o.
type Deliver func(ctx context.Context, m Message, recipients []Recipient, o pgpmime.Outgoing) []Result

// Report records one attempt inside tx (the activity log). An error undoes everything about the attempt's end: it is
// written again, and after some seconds given up, so that the recipients become uncertain when the lease ends.
type Report func(ctx context.Context, tx *gorm.DB, m Message, recipients []Recipient, results []Result) error

// Queue is the queue in one database. Fill the fields up to Log, then call Run once. Its other methods may be called at any time
// from any goroutine and any process.
type Queue struct {
	DB      *gorm.DB
	Writer  *batch.Writer // of DB: what begins and ends attempts shares commits
	Keeper  *kms.Keeper
	Deliver Deliver
	// Destination names where a copy for an address goes next (a server, or the domain of the address) without asking
	// anybody on the network. nil means that each mailbox is one destination.
	Destination func(ctx context.Context, m Message, address string) string

	Tell    Tell
	Report  Report
	Now     func() time.Time
	Log     *slog.Logger
	Workers int           // at most this many deliveries at once, half of them for one destination; 0 means 40
	Poll    time.Duration // how often to look for due work without a hint; 0 means 2 s
	Memory  *room.Budget  // of payloads under way; nil means no bound
	Lease   time.Duration // how long after a crash an attempt counts as under way; 0 means 1 min

	once sync.Once
	wake chan struct{} // made by hint
	desk *board        // made by board
}
