// Package gateway is where things happen: one function per use case, each with at most one database transaction and
// exactly one activity entry.
//
// Protocol servers, pages, the API and the command line translate their input, call a use case here, and translate
// the answer back. Outbound mail passes Submit (Plan, Protect, seal, queue); inbound mail passes Receive (open, strip,
// stamp, seal, mirror). Everything that leaves, notices included, passes the same plan-and-protect step.
package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/batch"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/seal"
	"gorm.io/gorm"
)

// Policy is what no group goes below; "" leaves it to the groups.
type Policy struct {
	Sign    groups.Level
	Encrypt groups.Level
}

// Errors that callers branch on.
var (
	ErrForbidden = errors.New("you may not do this")
	ErrNotFound  = errors.New("there is nothing with this id; list what there is and try again")
)

// Problem is an error for people: one sentence that says what is wrong and what to do. Cause goes to the log only.
type Problem struct {
	Sentence string
	Cause    error
}

func (p *Problem) Error() string { return p.Sentence }
func (p *Problem) Unwrap() error { return p.Cause }

// Actor is who asks: a person, a mailbox, the command line, or Sealgate itself.
type Actor struct {
	Name   string // as in the activity log: "user:NAME", "mailbox:LOGIN", "cli", "sealgate"
	Role   groups.Role
	Groups []string // ids of the groups an agent belongs to; ignored for admins
}

// Gateway holds what the use cases need. Fill every field before the first call; it is safe for concurrent use.
type Gateway struct {
	DB       *gorm.DB
	Keeper   *kms.Keeper
	Keyring  *keyring.Store
	Groups   *groups.Store
	Archive  *archive.Archive
	Activity *activity.Log
	Queue    *queue.Queue
	Mirror   *mailbox.Mirror
	Spool    *seal.Spool    // of protected mail that is larger than memory should hold; nil keeps it in memory
	Writer   *batch.Writer  // of what is accepted: many senders share one commit
	Limits   pgpmime.Limits // of what is opened; zero values mean the defaults
	Policy   Policy         // of the whole instance
	Domain   string         // our name in Message-IDs, EHLO and Authentication-Results
	Now      func() time.Time
	Random   io.Reader
	Log      *slog.Logger
	// Discovery finds certificates that nobody imported; nil means that nothing is looked for.
	Discovery *Discovery
	// Resolver asks the DNS; nil: there is none.
	Resolver *resolve.Client
	// MX is for mailboxes whose mail goes to the servers of the recipients' domains.
	MX MX
	// HTTP asks OAuth token servers; nil means a client of its own.
	HTTP *http.Client
	// Publishing says what everybody may read of our own certificates.
	Publishing Publishing
	// Verification judges the DKIM signatures of what arrives; without it, or without a Resolver, nobody looks at them.
	Verification *DomainVerification
	// AuthenticationResults puts a field with all results (RFC 8601) on top of what arrives.
	AuthenticationResults bool
	// MailboxStatus tells how the sync of a mailbox does; nil when this process runs none.
	MailboxStatus func(mailboxID string) (mailbox.Status, bool)

	ways       ways
	accesses   accesses
	presenteds presenteds
	loop       loopKey
}

// ActorOf returns the actor that a user is.
func ActorOf(u groups.User) Actor {
	return Actor{Name: "user:" + u.Name, Role: u.Role, Groups: u.Groups}
}

// allow returns ErrForbidden unless the actor has one of the roles. The command line acts as an admin.
func (a Actor) allow(roles ...groups.Role) error {
	for _, r := range roles {
		if a.Role == r {
			return nil
		}
	}
	return ErrForbidden
}

// scope is the set of groups that an actor may see: nil means all of them.
func (a Actor) scope() []string {
	if a.Role == groups.Admin || a.Role == groups.Auditor {
		return nil
	}
	return append([]string{}, a.Groups...)
}

// mayUse tells whether an actor may read and write for a group.
func (a Actor) mayUse(groupID string) bool {
	return a.Role == groups.Admin || (a.Role != groups.Auditor && slices.Contains(a.Groups, groupID))
}

// change runs one use case's writes in one transaction together with its activity entry.
func (g *Gateway) change(ctx context.Context, e activity.Entry, write func(tx *gorm.DB) error) error {
	return g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if write != nil {
			if err := write(tx); err != nil {
				return err
			}
		}
		return g.record(ctx, tx, e)
	})
}

// record appends an entry at the gateway's own time.
func (g *Gateway) record(ctx context.Context, tx *gorm.DB, e activity.Entry) error {
	e.Time = g.Now()
	if e.Outcome == "" {
		e.Outcome = activity.Done
	}
	return g.Activity.Append(ctx, tx, e)
}
