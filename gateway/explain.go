package gateway

import (
	"bytes"
	"context"
	"errors"
	"net/mail"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/submission"
)

// ExplainRequest names a message to plan without sending it: its bytes, or an article that left.
type ExplainRequest struct {
	GroupID    string   // "" to find it by the message's From; ignored for an article
	Message    []byte   // as a ticket system would submit it, with its toggles
	ArticleID  string   // instead of Message: as it was accepted, without the toggles that it came with
	Recipients []string // of the envelope; none means those of the header
}

// Explain plans a message by the rules and certificates of now, and sends nothing.
func (g *Gateway) Explain(ctx context.Context, a Actor, r ExplainRequest) (Plan, error) {
	if err := a.mayRead(); err != nil {
		return Plan{}, err
	}
	var err error
	if r.ArticleID != "" {
		if r, err = g.explainArticle(ctx, a, r); err != nil {
			return Plan{}, err
		}
	}
	l := letter{message: r.Message}
	if l.summary, err = pgpmime.Summarize(r.Message); err != nil || len(l.summary.From) != 1 {
		return Plan{}, &Problem{Sentence: "This is no message with one From address; give a whole message, its header first.", Cause: err}
	}
	l.group, err = g.groupFor(ctx, a, PlanRequest{GroupID: r.GroupID, From: l.summary.From[0]})
	if err != nil {
		return Plan{}, err
	}
	if err := l.readToggles(); err != nil {
		return Plan{}, &Problem{Sentence: sentenceOfRefusal(err), Cause: err}
	}
	if len(r.Recipients) == 0 {
		r.Recipients = l.summary.To
	}
	if l.envelope, err = envelopeOf(Draft{From: l.summary.From[0], To: r.Recipients}); err != nil {
		return Plan{}, err
	}
	return g.planFor(ctx, a, l.group, l.planRequest())
}

func (g *Gateway) explainArticle(ctx context.Context, a Actor, r ExplainRequest) (ExplainRequest, error) {
	article, err := g.articleFor(ctx, a, r.ArticleID)
	if err != nil {
		return r, err
	}
	if article.Direction != archive.Out {
		return r, &Problem{Sentence: "This article came in; only one that left was decided about."}
	}
	if r.Message, err = g.messageOf(ctx, article); err != nil {
		return r, err
	}
	r.GroupID = article.GroupID
	if record, ok := RecordOf(article); ok && len(r.Recipients) == 0 {
		for _, to := range record.Recipients {
			r.Recipients = append(r.Recipients, to.Address)
		}
	}
	return r, nil
}

func sentenceOfRefusal(err error) string {
	var refusal *submission.Refusal
	if !errors.As(err, &refusal) {
		return ""
	}
	return capital(refusal.Sentence) + "."
}

// content fills in what content rules look at, where the group has any.
func (l *letter) content(r *PlanRequest) {
	r.Subject = l.summary.Subject
	if l.subject != nil {
		r.Subject = *l.subject
	}
	rules := l.group.Content
	if len(rules.Files) > 0 {
		for _, file := range pgpmime.Look(l.message).Attachments {
			r.Files = append(r.Files, file.Name)
		}
	}
	if rules.Sensitivity {
		if parsed, err := mail.ReadMessage(bytes.NewReader(l.message)); err == nil {
			r.Sensitivity = parsed.Header.Get("Sensitivity")
		}
	}
}
