package gateway

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/queue"
)

func (g *Gateway) outArticle(l letter, p Plan, messageID string, message []byte) archive.Article {
	date := l.summary.Date
	if date.IsZero() {
		date = g.Now()
	}
	subject := l.summary.Subject
	if l.subject != nil {
		subject = *l.subject
	}
	record, err := json.Marshal(p.Record())
	if err != nil {
		record = []byte("{}")
	}
	return archive.Article{
		ID: l.articleID, GroupID: l.group.ID, MailboxID: l.mailbox.ID, Direction: archive.Out,
		From: l.summary.From[0], To: l.summary.To, MessageID: messageID, InReplyTo: l.summary.InReplyTo,
		Date: date, Received: g.Now(), Size: int64(len(message)),
		Encryption: string(protectionOf(p.Decision)), Signer: signerIf(p), Verdict: string(record), Subject: subject,
	}
}

func signerIf(p Plan) string {
	if p.Decision.Sign.Do {
		return p.Signer
	}
	return ""
}

func queued(l letter, messageID string, c outCopy, now time.Time) queue.Message {
	m := queue.Message{
		ArticleID: l.articleID, GroupID: l.group.ID, MailboxID: l.mailbox.ID,
		ReversePath: l.envelope.ReversePath, MessageID: messageID, SMTPUTF8: l.envelope.SMTPUTF8,
		RequireTLS: l.envelope.RequireTLS, EnvID: l.envelope.EnvID, Ret: l.envelope.Ret, Size: c.outgoing.Message().Size(),
		Protection: c.outgoing.Protection(), Signatures: c.signatures, CreatedAt: now,
		Retry: queue.Schedule(l.group.Retry),
	}
	seen := map[string]bool{} // a recipient named twice gets one copy
	for _, path := range l.envelope.ForwardPaths {
		address := strings.ToLower(canonical(path.Address))
		if contains(c.recipients, address) && !seen[address] {
			seen[address] = true
			m.Recipients = append(m.Recipients, queue.Recipient{Address: path.Address, Notify: path.Notify, ORcpt: path.ORcpt})
		}
	}
	return m
}

func submittedEntry(a Actor, l letter, p Plan, messageID string) activity.Entry {
	e := activity.Entry{
		Actor: a.Name, Act: "message.submitted", GroupID: l.group.ID, ArticleID: l.articleID, MessageID: messageID,
		Fingerprint: signerIf(p), Detail: map[string]string{"protection": string(protectionOf(p.Decision))},
	}
	describePlan(e.Detail, p)
	return e
}

// describePlan tells in the log which rules won, and for each recipient what happens and which certificates were left out.
func describePlan(detail map[string]string, p Plan) {
	r := p.Record()
	detail["sign"], detail["encrypt"] = string(r.Sign.Rule), string(r.Encrypt.Rule)
	for _, to := range r.Recipients {
		words := to.Outcome
		for _, c := range to.Rejected {
			words += "; not used: " + c.Fingerprint + " (" + c.Problem + ")"
		}
		detail["to "+to.Address] = words
	}
	if would := r.wouldLines(); len(would) > 0 {
		detail["shadow"] = strings.Join(would, "; ")
	}
}

func recipientWords(p Plan, r PlannedRecipient) string {
	switch {
	case !p.Decision.Encrypt.Do:
		return "not encrypted"
	case r.Fingerprint != "":
		return "encrypted to " + r.Fingerprint
	}
	return "content-free notice: " + r.Problem
}
