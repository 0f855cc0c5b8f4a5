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
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
)

// Errors that callers branch on.
var (
	ErrForbidden = errors.New("you may not do this")
	ErrNotFound  = errors.New("not found")
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
	Domain   string // our name in Message-IDs, EHLO and Authentication-Results
	Now      func() time.Time
	Random   io.Reader
	Log      *slog.Logger
	// MailboxStatus tells how the sync of a mailbox does; nil when this process runs none.
	MailboxStatus func(mailboxID string) (mailbox.Status, bool)
}

// ImportRequest is the input of one certificate import.
type ImportRequest struct {
	Input      []byte // armored or binary, one or many; at most 1 MiB
	Passphrase []byte // for secret keys; wiped before ImportCertificates returns
}

// ImportReport says what became of each block of the input.
type ImportReport struct {
	Changes  []keyring.Change
	Reopened int // articles that waited for these keys and were opened again
}

// ImportCertificates parses, judges, unlocks, merges and seals, then reopens articles that waited. Admins only.
// The error is a *Problem when nothing in the input could be used.
func (g *Gateway) ImportCertificates(ctx context.Context, a Actor, r ImportRequest) (ImportReport, error) {
	panic("skeleton")
}

// Certificates lists the keyring. Everyone who is logged in may read it.
func (g *Gateway) Certificates(ctx context.Context, a Actor, f keyring.Filter) ([]*keyring.Certificate, int64, error) {
	panic("skeleton")
}

// Certificate returns one certificate.
func (g *Gateway) Certificate(ctx context.Context, a Actor, fingerprint string) (*keyring.Certificate, error) {
	panic("skeleton")
}

// Dependents says in words what would suffer if a certificate were deleted: groups that sign or receive with it.
func (g *Gateway) Dependents(ctx context.Context, a Actor, fingerprint string) ([]string, error) {
	panic("skeleton")
}

// SetCertificateState approves, proposes or blocks. Admins only.
func (g *Gateway) SetCertificateState(ctx context.Context, a Actor, fingerprint string, s keyring.State) error {
	panic("skeleton")
}

// DeleteCertificate deletes a certificate and its secret key. Admins only.
func (g *Gateway) DeleteCertificate(ctx context.Context, a Actor, fingerprint string) error {
	panic("skeleton")
}

// GenerateKey makes a key for one of our sender addresses. Admins only.
func (g *Gateway) GenerateKey(ctx context.Context, a Actor, name, address string) (*keyring.Certificate, error) {
	panic("skeleton")
}

// File is something to download.
type File struct {
	Name        string
	ContentType string
	Content     []byte
}

// ExportCertificate returns the public certificate, armored or binary.
func (g *Gateway) ExportCertificate(ctx context.Context, a Actor, fingerprint string, binary bool) (File, error) {
	panic("skeleton")
}

// ExportSecretKey returns the secret key under a new passphrase, which must not be empty. Admins only; the page asks
// for the admin's password again before it calls this.
func (g *Gateway) ExportSecretKey(ctx context.Context, a Actor, fingerprint string, passphrase []byte) (File, error) {
	panic("skeleton")
}

// SaveGroup creates or replaces a group. Admins only.
func (g *Gateway) SaveGroup(ctx context.Context, a Actor, group groups.Group) (groups.Group, error) {
	panic("skeleton")
}

// DeleteGroup deletes a group. Admins only.
func (g *Gateway) DeleteGroup(ctx context.Context, a Actor, id string) error { panic("skeleton") }

// ListGroups returns the groups an actor may see: all for admins and auditors, an agent's own otherwise.
func (g *Gateway) ListGroups(ctx context.Context, a Actor) ([]groups.Group, error) { panic("skeleton") }

// MailboxRequest is a mailbox to save. Nil secrets keep what is stored.
type MailboxRequest struct {
	Mailbox     groups.Mailbox
	Password    *string
	Credentials *groups.Credentials
}

// SaveMailbox creates or replaces a mailbox. Admins only.
func (g *Gateway) SaveMailbox(ctx context.Context, a Actor, r MailboxRequest) (groups.Mailbox, error) {
	panic("skeleton")
}

// DeleteMailbox deletes a mailbox. Admins only.
func (g *Gateway) DeleteMailbox(ctx context.Context, a Actor, id string) error { panic("skeleton") }

// MailboxInfo is a mailbox with the state of its sync.
type MailboxInfo struct {
	groups.Mailbox
	Status  mailbox.Status
	Running bool
}

// ListMailboxes returns all mailboxes. Admins only.
func (g *Gateway) ListMailboxes(ctx context.Context, a Actor) ([]MailboxInfo, error) {
	panic("skeleton")
}

// CheckMailbox connects to both upstream servers of a mailbox and returns one sentence for each that does not work.
func (g *Gateway) CheckMailbox(ctx context.Context, a Actor, id string) ([]string, error) {
	panic("skeleton")
}

// FirstRun tells whether no user exists yet.
func (g *Gateway) FirstRun(ctx context.Context) (bool, error) { panic("skeleton") }

// CreateFirstAdmin makes the first user, and fails when there is one already. The caller checked the set-up token.
func (g *Gateway) CreateFirstAdmin(ctx context.Context, name, password string) (groups.User, error) {
	panic("skeleton")
}

// Login checks a person's password and logs the attempt. The error is groups.ErrLogin when it is wrong.
func (g *Gateway) Login(ctx context.Context, name, password, remote string) (groups.User, error) {
	panic("skeleton")
}

// ActorOf returns the actor that a user is.
func ActorOf(u groups.User) Actor {
	return Actor{Name: "user:" + u.Name, Role: u.Role, Groups: u.Groups}
}

// SaveUser creates or replaces a person. Admins only.
func (g *Gateway) SaveUser(ctx context.Context, a Actor, u groups.User, password *string) (groups.User, error) {
	panic("skeleton")
}

// DeleteUser deletes a person. Admins only.
func (g *Gateway) DeleteUser(ctx context.Context, a Actor, id string) error { panic("skeleton") }

// ListUsers returns everybody. Admins only.
func (g *Gateway) ListUsers(ctx context.Context, a Actor) ([]groups.User, error) { panic("skeleton") }

// NewToken makes an API token for a person: for oneself, or by an admin for anybody. It is shown once.
func (g *Gateway) NewToken(ctx context.Context, a Actor, userID, label string) (string, error) {
	panic("skeleton")
}

// ListArticles returns articles of the actor's groups, newest first.
func (g *Gateway) ListArticles(ctx context.Context, a Actor, f archive.Filter) ([]archive.Article, error) {
	panic("skeleton")
}

// ArticleView is an article opened for reading.
type ArticleView struct {
	Article archive.Article
	Verdict pgpmime.Verdict
	View    pgpmime.View
}

// ReadArticle opens an article for a member of its group or an admin, and records the view.
func (g *Gateway) ReadArticle(ctx context.Context, a Actor, id string) (ArticleView, error) {
	panic("skeleton")
}

// RawArticle returns an article's message as the ticket system sees it, or (original) as it arrived, as .eml file.
func (g *Gateway) RawArticle(ctx context.Context, a Actor, id string, original bool) (File, error) {
	panic("skeleton")
}

// Reopen tries again to open an article that could not be opened; true when a new article appeared.
func (g *Gateway) Reopen(ctx context.Context, a Actor, id string) (bool, error) { panic("skeleton") }

// PlanRequest asks what would happen to a message. It is the question that the composer asks on each change, and
// that Submit asks for each real message.
type PlanRequest struct {
	GroupID       string   // "" to find it by From
	From          string   // one sender address
	Visible       []string // To and Cc
	Hidden        []string // Bcc: in the envelope only
	References    []string // Message-IDs of the thread
	Automatic     bool
	ToggleSign    groups.Toggle
	ToggleEncrypt groups.Toggle
}

// PlannedRecipient is what the plan says about one recipient.
type PlannedRecipient struct {
	Address     string
	Hidden      bool
	Fingerprint string // of the certificate that would be used
	Expires     time.Time
	Problem     string // why there is none, in words
}

// Plan is what would happen. Refusals empty means that it may leave.
type Plan struct {
	Group      groups.Group
	Decision   groups.Decision
	Recipients []PlannedRecipient
	Signer     string // fingerprint

	copies []plannedCopy
}

type plannedCopy struct {
	recipients []string
	readers    []*keyring.Certificate
	hidden     bool
}

// Plan decides what happens to a message, and changes nothing.
func (g *Gateway) Plan(ctx context.Context, a Actor, r PlanRequest) (Plan, error) { panic("skeleton") }

// Draft is a message written on the page.
type Draft struct {
	GroupID       string
	From          string // "" means the group's first address
	To, Cc, Bcc   []string
	Subject       string
	Text          string
	ReplyTo       string // id of the article answered, or ""
	ToggleSign    groups.Toggle
	ToggleEncrypt groups.Toggle
}

// Compose sends a draft through the same door as Submit and returns the article's id. A refusal is a
// *submission.Refusal.
func (g *Gateway) Compose(ctx context.Context, a Actor, d Draft) (string, error) { panic("skeleton") }

// ListQueue returns the copies in the queue that the actor may see.
func (g *Gateway) ListQueue(ctx context.Context, a Actor, f queue.Filter) ([]queue.Message, error) {
	panic("skeleton")
}

// HoldQueued stops a copy until RetryQueued. Admins only.
func (g *Gateway) HoldQueued(ctx context.Context, a Actor, id string) error { panic("skeleton") }

// RetryQueued makes a copy due now. Admins only.
func (g *Gateway) RetryQueued(ctx context.Context, a Actor, id string) error { panic("skeleton") }

// DeleteQueued removes a copy, with a reason for the log. Admins only.
func (g *Gateway) DeleteQueued(ctx context.Context, a Actor, id, reason string) error {
	panic("skeleton")
}

// ListActivity returns log entries of the actor's groups; admins and auditors see all.
func (g *Gateway) ListActivity(ctx context.Context, a Actor, f activity.Filter) ([]activity.Entry, error) {
	panic("skeleton")
}
