package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/queue"
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

type queuedJSON struct {
	ID          string                `json:"id"`
	ArticleID   string                `json:"article_id"`
	GroupID     string                `json:"group_id"`
	ReversePath string                `json:"reverse_path"`
	MessageID   string                `json:"message_id"`
	Protection  string                `json:"protection"`
	Size        int64                 `json:"size"`
	CreatedAt   time.Time             `json:"created_at"`
	Recipients  []queuedRecipientJSON `json:"recipients"`
}

type queuedRecipientJSON struct {
	Address     string    `json:"address"`
	State       string    `json:"state"`
	Attempts    int       `json:"attempts"`
	NextAttempt time.Time `json:"next_attempt"`
	LastReply   string    `json:"last_reply,omitempty"`
}

func queuedJSONOf(m queue.Message) queuedJSON {
	return queuedJSON{
		m.ID, m.ArticleID, m.GroupID, m.ReversePath, m.MessageID, string(m.Protection), m.Size, m.CreatedAt,
		listOf(m.Recipients, func(r queue.Recipient) queuedRecipientJSON {
			return queuedRecipientJSON{r.Address, string(r.State), r.Attempts, r.NextAttempt, r.LastReply}
		}).Body.Items,
	}
}

type queuedCopyJSON struct {
	queuedJSON
	Mailbox  string      `json:"mailbox,omitempty" doc:"Login of the mailbox whose mail server it leaves through."`
	Timeline []eventJSON `json:"timeline"`
}

type eventJSON struct {
	At    time.Time `json:"at"`
	What  string    `json:"what"`
	Words string    `json:"words,omitempty"`
}

func queuedCopyJSONOf(c gateway.QueuedCopy) queuedCopyJSON {
	return queuedCopyJSON{queuedJSONOf(c.Message), c.Mailbox, listOf(c.Timeline, func(e gateway.Event) eventJSON {
		return eventJSON{e.At, e.What, e.Words}
	}).Body.Items}
}

type rerouteQuestion struct {
	ID   string `path:"id"`
	Body struct {
		Mailbox string `json:"mailbox" doc:"Login of another mailbox of the same group."`
	}
}

type queueQuestion struct {
	All   bool `query:"all" doc:"Also what has left."`
	Limit int  `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type deleteQueuedQuestion struct {
	ID     string `path:"id"`
	Reason string `query:"reason" doc:"It stays in the activity log."`
}

func (s *site) queueAPI(api huma.API) {
	operation(s, api, "ListQueue", http.MethodGet, "/queue", "List what waits to leave", 0,
		func(ctx context.Context, a gateway.Actor, in *queueQuestion) (*list[queuedJSON], error) {
			all, err := s.Gateway.ListQueue(ctx, a, queue.Filter{Open: !in.All, Limit: in.Limit})
			return listOf(all, queuedJSONOf), err
		})
	operation(s, api, "QueuedCopy", http.MethodGet, "/queue/{id}", "Show a message in the queue and everything that happened to it", 0,
		func(ctx context.Context, a gateway.Actor, in *byID) (*body[queuedCopyJSON], error) {
			c, err := s.Gateway.QueuedCopy(ctx, a, in.ID)
			return &body[queuedCopyJSON]{queuedCopyJSONOf(c)}, err
		})
	operation(s, api, "RerouteQueued", http.MethodPost, "/queue/{id}/reroute", "Send a message through another mailbox of its group", 0,
		func(ctx context.Context, a gateway.Actor, in *rerouteQuestion) (*nothing, error) {
			return &nothing{}, s.Gateway.RerouteQueued(ctx, a, in.ID, in.Body.Mailbox)
		})
	operation(s, api, "HoldQueued", http.MethodPost, "/queue/{id}/hold", "Hold a message", 0,
		func(ctx context.Context, a gateway.Actor, in *byID) (*nothing, error) {
			return &nothing{}, s.Gateway.HoldQueued(ctx, a, in.ID)
		})
	operation(s, api, "RetryQueued", http.MethodPost, "/queue/{id}/retry", "Try a message again now", 0,
		func(ctx context.Context, a gateway.Actor, in *byID) (*nothing, error) {
			return &nothing{}, s.Gateway.RetryQueued(ctx, a, in.ID)
		})
	operation(s, api, "DeleteQueued", http.MethodDelete, "/queue/{id}", "Delete a message from the queue", 0,
		func(ctx context.Context, a gateway.Actor, in *deleteQueuedQuestion) (*nothing, error) {
			return &nothing{}, s.Gateway.DeleteQueued(ctx, a, in.ID, in.Reason)
		})
}
