package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

type draftJSON struct {
	GroupID string   `json:"group_id"`
	From    string   `json:"from,omitempty" doc:"Missing: the group's first address."`
	To      []string `json:"to,omitempty"`
	Cc      []string `json:"cc,omitempty"`
	Bcc     []string `json:"bcc,omitempty"`
	Subject string   `json:"subject,omitempty"`
	Text    string   `json:"text,omitempty"`
	ReplyTo string   `json:"reply_to,omitempty" doc:"Id of the article that is answered."`
	Sign    string   `json:"sign,omitempty" enum:"on,off,auto" doc:"Missing or auto: as the group does."`
	Encrypt string   `json:"encrypt,omitempty" enum:"on,off,auto"`
}

func (j draftJSON) draft() gateway.Draft {
	return gateway.Draft{
		GroupID: j.GroupID, From: j.From, To: j.To, Cc: j.Cc, Bcc: j.Bcc, Subject: j.Subject, Text: j.Text, ReplyTo: j.ReplyTo,
		ToggleSign: toggle(j.Sign), ToggleEncrypt: toggle(j.Encrypt),
	}
}

type rulingJSON struct {
	Level    string `json:"level"`
	Do       bool   `json:"do"`
	Possible bool   `json:"possible"`
	Default  bool   `json:"default"`
	Locked   bool   `json:"locked"`
	Rule     string `json:"rule"`
	Because  string `json:"because"`
}

func rulingJSONOf(r groups.Ruling) rulingJSON {
	return rulingJSON{string(r.Level), r.Do, r.Possible, r.Default, r.Locked, string(r.Rule), r.Because}
}

type planJSON struct {
	Encrypt    rulingJSON             `json:"encrypt"`
	Sign       rulingJSON             `json:"sign"`
	Signer     string                 `json:"signer,omitempty"`
	Recipients []plannedRecipientJSON `json:"recipients"`
	Notices    []string               `json:"notices,omitempty"`
	Refusals   []refusalJSON          `json:"refusals" doc:"Empty: the message may leave."`
}

type plannedRecipientJSON struct {
	Address     string     `json:"address"`
	Hidden      bool       `json:"hidden,omitempty"`
	Fingerprint string     `json:"fingerprint,omitempty"`
	Expires     *time.Time `json:"expires,omitempty"`
	Problem     string     `json:"problem,omitempty"`
}

type refusalJSON struct {
	Recipient string `json:"recipient,omitempty"`
	Sentence  string `json:"sentence"`
}

func planJSONOf(p gateway.Plan) planJSON {
	d := p.Decision
	return planJSON{
		Encrypt: rulingJSONOf(d.Encrypt), Sign: rulingJSONOf(d.Sign), Signer: p.Signer, Notices: d.Notices,
		Recipients: listOf(p.Recipients, func(r gateway.PlannedRecipient) plannedRecipientJSON {
			return plannedRecipientJSON{r.Address, r.Hidden, r.Fingerprint, timeOrNil(r.Expires), r.Problem}
		}).Body.Items,
		Refusals: listOf(d.Refusals, func(r groups.Refusal) refusalJSON {
			return refusalJSON{r.Recipient, sentence(r.Sentence)}
		}).Body.Items,
	}
}

type explainQuestion struct {
	Body struct {
		GroupID    string   `json:"group_id,omitempty" doc:"Missing: found by the message's From."`
		Message    string   `json:"message,omitempty" doc:"A whole message, as a ticket system would submit it."`
		ArticleID  string   `json:"article_id,omitempty" doc:"Instead: an article that left."`
		Recipients []string `json:"recipients,omitempty" doc:"Of the envelope. Missing: those of the header, or those that the article went to."`
	}
}

type explainAnswer struct {
	Body struct {
		Plan  planJSON `json:"plan"`
		Lines []string `json:"lines" doc:"The same in words: rules, where they come from, certificates."`
	}
}

func (s *site) apiExplain(ctx context.Context, a gateway.Actor, in *explainQuestion) (*explainAnswer, error) {
	plan, err := s.Gateway.Explain(ctx, a, gateway.ExplainRequest{
		GroupID: in.Body.GroupID, Message: []byte(in.Body.Message), ArticleID: in.Body.ArticleID, Recipients: in.Body.Recipients,
	})
	if err != nil {
		return nil, err
	}
	var out explainAnswer
	out.Body.Plan, out.Body.Lines = planJSONOf(plan), plan.Record().Lines()
	return &out, nil
}

type composeAnswer struct {
	Body struct {
		ArticleID string `json:"article_id"`
	}
}

func (s *site) composeAPI(api huma.API) {
	operation(s, api, "Plan", http.MethodPost, "/plan", "Ask what would happen to a message", draftLimit,
		func(ctx context.Context, a gateway.Actor, in *body[draftJSON]) (*body[planJSON], error) {
			plan, err := s.Gateway.PlanDraft(ctx, a, in.Body.draft())
			return &body[planJSON]{planJSONOf(plan)}, err
		})
	operation(s, api, "Explain", http.MethodPost, "/explain", "Plan a message, or an article that left, and send nothing", draftLimit, s.apiExplain)
	operation(s, api, "Compose", http.MethodPost, "/compose", "Send a message", draftLimit,
		func(ctx context.Context, a gateway.Actor, in *body[draftJSON]) (*composeAnswer, error) {
			id, err := s.Gateway.Compose(ctx, a, in.Body.draft())
			var out composeAnswer
			out.Body.ArticleID = id
			return &out, err
		})
}
