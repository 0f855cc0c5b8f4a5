package gateway

import (
	"context"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/smarthost"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// Deliver hands one copy to the next hop of its mailbox: the queue's Deliver function.
func (g *Gateway) Deliver(ctx context.Context, m queue.Message, recipients []queue.Recipient, o pgpmime.Outgoing) []queue.Result {
	mailbox, err := g.Groups.Mailbox(ctx, m.MailboxID)
	if err != nil {
		g.Log.WarnContext(ctx, "no next hop", "queue", m.ID, "mailbox", m.MailboxID, "error", err)
		return deferAll(recipients, "the mailbox that sent this message cannot be read, or is gone; send the message through another one")
	}
	g.ways.remember(mailbox)
	route, err := g.routeOf(ctx, mailbox)
	if err != nil {
		g.Log.WarnContext(ctx, "no next hop", "queue", m.ID, "mailbox", m.MailboxID, "error", err)
		return deferAll(recipients, "mailbox "+mailbox.Login+" cannot send: "+oneLine(err.Error()))
	}
	var results []queue.Result
	for i, r := range smarthost.Deliver(ctx, route, envelopeFor(m, recipients), o) {
		if r.TLS != "" { // there was a dialogue
			g.ways.learn(mailbox, r.Limit)
		}
		results = append(results, queue.Result{
			RecipientID: recipients[i].ID, Outcome: queue.Outcome(r.Outcome), Code: r.Code, Reply: r.Reply,
			Host: r.Host, TLS: r.TLS, DSN: r.DSN, Destination: movedTo(g.DestinationOf(ctx, m, recipients[i].Address), recipients[i]),
		})
	}
	return results
}

func envelopeFor(m queue.Message, recipients []queue.Recipient) smarthost.Envelope {
	e := smarthost.Envelope{
		ReversePath: m.ReversePath, SMTPUTF8: m.SMTPUTF8, RequireTLS: m.RequireTLS, EnvID: m.EnvID, Ret: m.Ret, Signatures: m.Signatures,
	}
	for _, r := range recipients {
		e.Recipients = append(e.Recipients, smarthost.Recipient{Address: r.Address, Notify: r.Notify, ORcpt: r.ORcpt})
	}
	return e
}

// movedTo is the destination of a recipient whose mailbox sends another way than when the message was queued; "" when not.
func movedTo(now string, r queue.Recipient) string {
	if now == r.Destination {
		return ""
	}
	return now
}

func deferAll(recipients []queue.Recipient, sentence string) []queue.Result {
	var results []queue.Result
	for _, r := range recipients {
		results = append(results, queue.Result{RecipientID: r.ID, Outcome: queue.OutcomeDeferred, Code: "4.3.5", Reply: sentence})
	}
	return results
}

// ReportDelivery logs one attempt: the queue's Report function.
func (g *Gateway) ReportDelivery(ctx context.Context, tx *gorm.DB, m queue.Message, recipients []queue.Recipient, results []queue.Result) error {
	e := activity.Entry{
		Actor: "sealgate", Act: "message.relayed", GroupID: m.GroupID, ArticleID: m.ArticleID, MessageID: m.MessageID,
		Detail: map[string]string{"queue": m.ID, "protection": string(m.Protection)},
	}
	address := map[string]string{}
	for _, r := range recipients {
		address[r.ID] = r.Address
	}
	for _, r := range results {
		e.Detail["to "+address[r.RecipientID]] = oneLine(string(r.Outcome) + ": " + r.Code + " " + r.Reply + wayWords(r))
		if r.Outcome != queue.OutcomeRelayed {
			e.Act, e.Outcome = "message.attempted", activity.Failed
		}
	}
	return g.record(ctx, tx, e)
}

// ListQueue returns the copies in the queue that the actor may see.
func (g *Gateway) ListQueue(ctx context.Context, a Actor, f queue.Filter) ([]queue.Message, error) {
	if err := a.mayRead(); err != nil {
		return nil, err
	}
	f.Groups = narrow(a.scope(), f.Groups)
	return g.Queue.List(ctx, f)
}

// HoldQueued stops a copy until RetryQueued. Admins only.
func (g *Gateway) HoldQueued(ctx context.Context, a Actor, id string) error {
	return g.changeQueued(ctx, a, id, "queue.held", "", g.Queue.Hold)
}

// RetryQueued makes a copy due now. Admins only.
func (g *Gateway) RetryQueued(ctx context.Context, a Actor, id string) error {
	err := g.changeQueued(ctx, a, id, "queue.retried", "", g.Queue.Retry)
	if err == nil {
		g.Queue.Wake()
	}
	return err
}

// DeleteQueued removes a copy, with a reason for the log. Admins only.
func (g *Gateway) DeleteQueued(ctx context.Context, a Actor, id, reason string) error {
	if oneLine(reason) == "" {
		return &Problem{Sentence: "Say why this message is deleted; the reason stays in the activity log."}
	}
	return g.changeQueued(ctx, a, id, "queue.deleted", oneLine(reason), g.Queue.Delete)
}

func (g *Gateway) changeQueued(ctx context.Context, a Actor, id, act, reason string, change func(context.Context, *gorm.DB, string) error) error {
	if err := a.allow(groups.Admin); err != nil {
		return err
	}
	m, err := g.Queue.Get(ctx, id)
	if err != nil {
		return notFound(err)
	}
	e := activity.Entry{Actor: a.Name, Act: act, GroupID: m.GroupID, ArticleID: m.ArticleID, MessageID: m.MessageID, Detail: map[string]string{"queue": id}}
	if reason != "" {
		e.Detail["reason"] = reason
	}
	return notFound(g.change(ctx, e, func(tx *gorm.DB) error { return change(ctx, tx, id) }))
}
