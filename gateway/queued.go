package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// QueuedCopy is one copy in the queue with everything that happened to it, oldest first.
type QueuedCopy struct {
	queue.Message
	Timeline []Event
	Mailbox  string           // login of the mailbox whose mail server it leaves through; "" for one that was deleted
	Others   []groups.Mailbox // of the same group, through whose mail server it could leave instead; for admins
}

// Event is one thing that happened to a copy.
type Event struct {
	At    time.Time
	What  string // accepted, decided, protected, attempt, and what people did
	Words string
}

// maxEvents is how many log entries of an article a timeline is made of, the newest.
const maxEvents = 500

// QueuedCopy returns one copy with its timeline.
func (g *Gateway) QueuedCopy(ctx context.Context, a Actor, id string) (QueuedCopy, error) {
	if err := a.mayRead(); err != nil {
		return QueuedCopy{}, err
	}
	m, err := g.Queue.Get(ctx, id)
	if err == nil && !a.mayUse(m.GroupID) {
		err = queue.ErrNotFound
	}
	if err != nil {
		return QueuedCopy{}, notFound(err)
	}
	c := QueuedCopy{Message: m}
	if c.Timeline, err = g.timeline(ctx, m); err != nil {
		return QueuedCopy{}, fmt.Errorf("timeline of %s: %w", id, err)
	}
	mailboxes, err := g.Groups.Mailboxes(ctx)
	if err != nil {
		return QueuedCopy{}, fmt.Errorf("timeline of %s: %w", id, err)
	}
	for _, box := range mailboxes {
		switch {
		case box.ID == m.MailboxID:
			c.Mailbox = box.Login
		case box.GroupID == m.GroupID && box.Sends() && a.Role == groups.Admin:
			c.Others = append(c.Others, box)
		}
	}
	return c, nil
}

// timeline puts together what the queue, the article's record and the log know.
func (g *Gateway) timeline(ctx context.Context, m queue.Message) ([]Event, error) {
	events := []Event{{m.CreatedAt, "accepted", fmt.Sprintf("%d bytes from %s", m.Size, senderWord(m))}}
	article, err := g.Archive.Get(ctx, m.ArticleID)
	if err != nil && !errors.Is(err, archive.ErrNotFound) {
		return nil, err
	}
	if record, ok := RecordOf(article); ok && m.ReversePath == article.From { // a notification has no record of its own
		events = append(events, decidedEvents(record, m)...)
	}
	entries, err := g.Activity.List(ctx, activity.Filter{ArticleID: m.ArticleID, Limit: maxEvents})
	if err != nil {
		return nil, err
	}
	for _, e := range slices.Backward(entries) {
		if e.Detail["queue"] == m.ID {
			events = append(events, Event{e.Time, whatHappened(e), happenedWords(e)})
		}
	}
	return events, nil
}

func senderWord(m queue.Message) string {
	if m.ReversePath == "" {
		return "Sealgate itself, without a return path"
	}
	return m.ReversePath
}

// decidedEvents say why this copy is protected as it is, and to which keys.
func decidedEvents(r Record, m queue.Message) []Event {
	keys := []string{"protection: " + string(m.Protection)}
	for _, to := range r.Recipients {
		if contains(addressesIn(m), to.Address) {
			keys = append(keys, to.Address+": "+to.Outcome)
		}
	}
	if r.Sign.Do {
		keys = append(keys, "signed by "+r.Signer)
	}
	return []Event{
		{r.At, "decided", "encryption: " + r.Encrypt.Because + "; signature: " + r.Sign.Because},
		{r.At, "protected", strings.Join(keys, "; ")},
	}
}

func addressesIn(m queue.Message) (all []string) {
	for _, to := range m.Recipients {
		all = append(all, to.Address)
	}
	return all
}

// whatHappened is a log entry's act as a timeline names it.
func whatHappened(e activity.Entry) string {
	switch e.Act {
	case "message.relayed", "message.attempted":
		return "attempt"
	case "message.failed":
		return "given up"
	case "message.told":
		return "told"
	}
	return strings.TrimPrefix(e.Act, "queue.")
}

// happenedWords are the details of an entry about a copy: what the remote said to each recipient, and reasons.
func happenedWords(e activity.Entry) string {
	var words []string
	for name, value := range e.Detail {
		switch {
		case strings.HasPrefix(name, "to "):
			words = append(words, strings.TrimPrefix(name, "to ")+": "+value)
		case name == "reason" || name == "mailbox" || name == "notification":
			words = append(words, name+": "+value)
		}
	}
	slices.Sort(words)
	if !strings.HasPrefix(e.Act, "message.") {
		words = append([]string{"by " + e.Actor}, words...)
	}
	return strings.Join(words, "; ")
}

// wayWords say who answered, and how the connection was protected.
func wayWords(r queue.Result) string {
	switch {
	case r.Host == "":
		return ""
	case r.TLS == "":
		return " (" + r.Host + ")"
	}
	return " (" + r.Host + ", " + r.TLS + ")"
}

// RerouteQueued has a copy leave through the mail server of another mailbox of its group, now. Admins only.
func (g *Gateway) RerouteQueued(ctx context.Context, a Actor, id, login string) error {
	if err := a.allow(groups.Admin); err != nil {
		return err
	}
	c, err := g.QueuedCopy(ctx, a, id)
	if err != nil {
		return err
	}
	n := slices.IndexFunc(c.Others, func(box groups.Mailbox) bool { return box.Login == login })
	if n < 0 {
		return &Problem{Sentence: fmt.Sprintf("%q is no other mailbox of the same group with a mail server to send through; add one to the group first.", login)}
	}
	e := activity.Entry{
		Actor: a.Name, Act: "queue.rerouted", GroupID: c.GroupID, ArticleID: c.ArticleID, MessageID: c.MessageID,
		Detail: map[string]string{"queue": id, "mailbox": login},
	}
	err = g.change(ctx, e, func(tx *gorm.DB) error { return g.Queue.Reroute(ctx, tx, id, c.Others[n].ID) })
	if err == nil {
		g.Queue.Wake()
	}
	return notFound(err)
}
