package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/seal"
	"github.com/sealgate/sealgate/migrations"
	"gorm.io/gorm"
)

// maxHops is the number of Received fields at which a message is taken for a loop (RFC 5321, section 6.3).
const maxHops = 50

// AuthenticateMailbox checks a ticket system's login. Failed attempts are logged; the error is groups.ErrLogin.
func (g *Gateway) AuthenticateMailbox(ctx context.Context, c submission.Presented, remote string) (groups.Mailbox, error) {
	m, err := g.authenticate(ctx, c)
	if err == nil {
		return m, nil
	}
	return groups.Mailbox{}, g.recordLogin(ctx, "mailbox:"+c.Login, "mailbox.login", "", remote, err)
}

func (g *Gateway) authenticate(ctx context.Context, c submission.Presented) (groups.Mailbox, error) {
	m, err := g.Groups.MailboxByLogin(ctx, c.Login)
	if err == nil && m.Out.Login == groups.LoginPresented {
		return m, g.authenticatePresented(ctx, m, c)
	}
	if err != nil && !errors.Is(err, groups.ErrNotFound) {
		return groups.Mailbox{}, err
	}
	if c.Bearer {
		return groups.Mailbox{}, groups.ErrLogin
	}
	return g.Groups.AuthenticateMailbox(ctx, c.Login, c.Secret)
}

// MaySend checks that a mailbox may use a reverse-path: the null one, or an address of its group; and that its mail server
// takes a message of that size in any form.
func (g *Gateway) MaySend(ctx context.Context, id submission.Identity, reversePath string, size int64) error {
	if limit := g.ways.limit(id.MailboxID); limit > 0 && size > limit {
		return tooLarge(size, limit)
	}
	if reversePath == "" {
		return nil
	}
	group, err := g.Groups.Group(ctx, id.GroupID)
	if err != nil {
		return fmt.Errorf("find group: %w", err)
	}
	if !writesAs(group, reversePath) {
		return senderRefused(group, reversePath)
	}
	return nil
}

func tooManyHops() *submission.Refusal {
	return &submission.Refusal{Code: 554, Enhanced: [3]int{5, 4, 6}, Sentence: "this message passed more than 50 servers; look for a mail loop"}
}

func senderRefused(group groups.Group, address string) *submission.Refusal {
	return refuse(550, 1, fmt.Sprintf("group %s may not send as %s; add the address to the group or send as %s",
		group.Name, address, strings.Join(group.Addresses, ", ")))
}

// refuse makes a refusal with an enhanced code of the 5.7 (or 4.7) family: security or policy.
func refuse(code, detail int, sentence string) *submission.Refusal {
	return &submission.Refusal{Code: code, Enhanced: [3]int{code / 100, 7, detail}, Sentence: sentence}
}

// Submit takes a message from a ticket system: decide, protect, seal, queue. nil error means that the message is
// durably ours and will leave protected as decided. A *submission.Refusal is for the agent; any other error means
// that the client should try again later.
func (g *Gateway) Submit(ctx context.Context, s submission.Submission) (submission.Receipt, error) {
	mailbox, err := g.Groups.Mailbox(ctx, s.Identity.MailboxID)
	if err != nil {
		return submission.Receipt{}, fmt.Errorf("find mailbox: %w", err)
	}
	g.ways.remember(mailbox)
	actor := Actor{Name: "mailbox:" + s.Identity.Login, Groups: []string{mailbox.GroupID}}
	letter, err := g.readLetter(ctx, mailbox, s)
	if err == nil {
		err = g.send(ctx, actor, letter)
	}
	return submission.Receipt{ArticleID: letter.articleID}, marked(g.recordRefusal(ctx, actor, mailbox.GroupID, letter, temporary(err)))
}

// Marker stands in every permanent refusal of a submission, for programs: FreeScout tries a refused message again every
// hour unless its setting APP_NO_RETRY_MAIL_ERRORS fits the answer.
const Marker = "not sent by Sealgate"

func marked(err error) error {
	var refusal *submission.Refusal
	if !errors.As(err, &refusal) || refusal.Temporary() {
		return err
	}
	said := *refusal
	said.Sentence, said.Cause = Marker+": "+said.Sentence, err
	return &said
}

// temporary gives causes that may pass their own words: nothing was sent, and trying again later helps.
func temporary(err error) error {
	later := func(code, class, detail int, what string) error {
		return &submission.Refusal{
			Code: code, Enhanced: [3]int{4, class, detail}, Cause: err,
			Sentence: what + "; nothing was lost and nothing was sent, try again later",
		}
	}
	switch {
	case errors.Is(err, migrations.ErrDiskFull):
		return later(452, 3, 1, "the disk of the mail gateway is full")
	case errors.Is(err, migrations.ErrReadOnly):
		return later(451, 3, 0, "the database of the mail gateway cannot be written")
	case errors.Is(err, seal.ErrUnreachable), errors.Is(err, seal.ErrThrottled):
		return later(451, 7, 0, "the key management service cannot be reached")
	case errors.Is(err, seal.ErrDenied), errors.Is(err, seal.ErrDisabled):
		return later(451, 7, 0, "the key management service refuses the key of this gateway")
	}
	return err
}

// letter is one message on its way out.
type letter struct {
	articleID string
	group     groups.Group
	mailbox   groups.Mailbox
	envelope  submission.Envelope
	message   []byte
	summary   pgpmime.Summary
	subject   *string // replaces the message's, nil keeps it
	sign      groups.Toggle
	encrypt   groups.Toggle
	rounds    int                     // how often it has left already
	also      func(tx *gorm.DB) error // what is written together with it, or nil
}

// readLetter checks what a ticket system submitted and reads its toggles.
func (g *Gateway) readLetter(ctx context.Context, m groups.Mailbox, s submission.Submission) (letter, error) {
	l := letter{articleID: newID(), mailbox: m, envelope: s.Envelope, message: s.Message}
	var err error
	if l.summary, err = pgpmime.Summarize(s.Message); err != nil {
		return l, malformed(err)
	}
	if l.summary.Received > maxHops {
		return l, tooManyHops()
	}
	if l.rounds, err = g.roundsOf(ctx, s.Message, l.summary.MessageID); err != nil {
		return l, err
	}
	if l.group, err = g.Groups.Group(ctx, m.GroupID); err != nil {
		return l, fmt.Errorf("find group: %w", err)
	}
	if len(l.summary.From) != 1 {
		return l, refuse(550, 1, "the message must have exactly one From address; send it with one sender")
	}
	if !writesAs(l.group, l.summary.From[0]) {
		return l, senderRefused(l.group, l.summary.From[0])
	}
	return l, l.readToggles()
}

func malformed(err error) *submission.Refusal {
	return &submission.Refusal{
		Code: 550, Enhanced: [3]int{5, 6, 0}, Cause: err,
		Sentence: "the message is malformed and cannot be protected: " + oneLine(err.Error()),
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// readToggles reads the control header and, where the group allows them, the subject tags. The header wins.
func (l *letter) readToggles() error {
	if l.group.SubjectTags {
		rest, sign, encrypt, err := groups.SubjectTags(l.summary.Subject)
		if err != nil {
			return unreadableToggle(err)
		}
		if sign != groups.Unset || encrypt != groups.Unset {
			l.sign, l.encrypt, l.subject = sign, encrypt, &rest
		}
	}
	if l.summary.Policy == "" {
		return nil
	}
	sign, encrypt, err := groups.ParsePolicy(l.summary.Policy)
	if err != nil {
		return unreadableToggle(err)
	}
	if sign != groups.Unset {
		l.sign = sign
	}
	if encrypt != groups.Unset {
		l.encrypt = encrypt
	}
	return nil
}

func unreadableToggle(err error) *submission.Refusal {
	r := refuse(550, 0, oneLine(err.Error()))
	r.Cause = err
	return r
}

// send is the one door: every message that leaves passes plan and protect here, then is sealed and queued in one
// transaction with its article and its activity entry.
func (g *Gateway) send(ctx context.Context, a Actor, l letter) error {
	if l.summary.Verify {
		return g.sendVerification(ctx, a, l)
	}
	plan, err := g.planFor(ctx, a, l.group, l.planRequest())
	if err != nil {
		return err
	}
	g.lookForMissing(plan)
	if len(plan.Decision.Refusals) > 0 {
		return &planRefused{plan, refusalOf(plan.Decision)}
	}
	messageID := l.summary.MessageID
	if messageID == "" {
		messageID = newID() + "@" + g.Domain
	}
	message, err := pgpmime.Prepare(l.message, messageID, g.Now(), l.subject)
	if err != nil {
		return malformed(err)
	}
	copies, err := g.protect(ctx, plan, message)
	if err != nil {
		return err
	}
	defer closeAll(copies)
	return g.commit(ctx, a, l, plan, messageID, message, copies)
}

func (l *letter) planRequest() PlanRequest {
	r := PlanRequest{
		GroupID: l.group.ID, From: l.summary.From[0], Automatic: l.summary.Automatic,
		References: append([]string{l.summary.InReplyTo}, l.summary.References...),
		ToggleSign: l.sign, ToggleEncrypt: l.encrypt,
	}
	// The envelope decides who receives, the header who is visible (RFC 5321, section 3.6.3 on Bcc).
	for _, path := range l.envelope.ForwardPaths {
		if contains(l.summary.To, canonical(path.Address)) {
			r.Visible = append(r.Visible, canonical(path.Address))
		} else {
			r.Hidden = append(r.Hidden, canonical(path.Address))
		}
	}
	l.content(&r)
	return r
}

// canonical is the form in which addresses are compared; what cannot be parsed stays as it is and has no certificate.
func canonical(address string) string {
	if c, err := keyring.CanonicalAddress(address); err == nil {
		return c
	}
	return address
}

// planRefused is a refusal with the plan that it comes from, for the log.
type planRefused struct {
	plan    Plan
	refusal *submission.Refusal
}

func (p *planRefused) Error() string { return p.refusal.Error() }
func (p *planRefused) Unwrap() error { return p.refusal }

// refusalOf turns a decision against sending into the sentence that the agent reads in the ticket.
func refusalOf(d groups.Decision) *submission.Refusal {
	var sentences []string
	for _, r := range d.Refusals {
		sentences = append(sentences, r.Sentence)
	}
	return refuse(550, 1, strings.Join(sentences, "; "))
}

// commit stores the article, the queue rows and the activity entry in one transaction, which others may share, then wakes
// the queue. A client that goes away meanwhile changes nothing for the others.
func (g *Gateway) commit(ctx context.Context, a Actor, l letter, p Plan, messageID string, message []byte, copies []outCopy) error {
	if err := everyoneHasACopy(l.envelope, copies); err != nil {
		return err
	}
	if err := g.Keeper.Ready(ctx); err != nil {
		return fmt.Errorf("make a sealing key ready: %w", err)
	}
	if err := g.signForDomain(ctx, l.summary.From[0], copies); err != nil {
		return err
	}
	if err := g.mark(ctx, l, messageID, copies); err != nil {
		return err
	}
	if err := g.fits(l.mailbox, copies); err != nil {
		return err
	}
	article, entry := g.outArticle(l, p, messageID, message), submittedEntry(a, l, p, messageID)
	lasting := context.WithoutCancel(ctx)
	err := g.Writer.Do(ctx, func(tx *gorm.DB) error {
		if err := g.store(lasting, tx, l, article, message, copies); err != nil {
			return err
		}
		return g.record(lasting, tx, entry)
	})
	if err != nil {
		return fmt.Errorf("commit submission: %w", err)
	}
	g.Queue.Wake()
	return nil
}

// store writes one accepted message inside tx.
func (g *Gateway) store(ctx context.Context, tx *gorm.DB, l letter, article archive.Article, message []byte, copies []outCopy) error {
	if err := g.Archive.Put(ctx, tx, article, archive.Content{Message: message}, nil); err != nil {
		return err
	}
	for _, c := range copies {
		if _, err := g.Queue.Put(ctx, tx, queued(l, article.MessageID, c, g.Now()), c.outgoing); err != nil {
			return err
		}
	}
	if l.also != nil {
		return l.also(tx)
	}
	return nil
}

// recordRefusal logs a permanent refusal, and one message that a program tries again and again once, with a count. It passes
// every error on. A temporary one may come from a log that cannot be
// written.
func (g *Gateway) recordRefusal(ctx context.Context, a Actor, groupID string, l letter, err error) error {
	var refusal *submission.Refusal
	if !errors.As(err, &refusal) || refusal.Temporary() {
		return err
	}
	e := activity.Entry{
		Actor: a.Name, Act: "message.submitted", Outcome: activity.Refused, GroupID: groupID,
		MessageID: l.summary.MessageID, Detail: map[string]string{"reason": refusal.Sentence},
	}
	var planned *planRefused
	if errors.As(err, &planned) {
		describePlan(e.Detail, planned.plan)
	}
	return errors.Join(err, g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if e.MessageID == "" { // nothing tells two of them apart
			return g.record(ctx, tx, e)
		}
		e.Time = g.Now()
		return g.Activity.AppendOrCount(ctx, tx, e)
	}))
}

// newID returns a UUIDv7: unique, and sorted by time.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
