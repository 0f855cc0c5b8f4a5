package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/queue"
)

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
	Address     string     `json:"address"`
	State       string     `json:"state"`
	Attempts    int        `json:"attempts"`
	NextAttempt time.Time  `json:"next_attempt"`
	LastReply   string     `json:"last_reply,omitempty"`
	Destination string     `json:"destination" doc:"Where it goes next: a mail server, or the domain of the address."`
	DelayTold   *time.Time `json:"delay_told,omitempty" doc:"When the sender was told that it is late."`
	RelayTold   *time.Time `json:"relay_told,omitempty" doc:"When the sender was told that it went to a server that confirms nothing."`
}

func queuedJSONOf(m queue.Message) queuedJSON {
	return queuedJSON{
		m.ID, m.ArticleID, m.GroupID, m.ReversePath, m.MessageID, string(m.Protection), m.Size, m.CreatedAt,
		listOf(m.Recipients, func(r queue.Recipient) queuedRecipientJSON {
			return queuedRecipientJSON{
				r.Address, string(r.State), r.Attempts, r.NextAttempt, r.LastReply, r.Destination, timeOrNil(r.DelayTold), timeOrNil(r.RelayTold),
			}
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
	All         bool   `query:"all" doc:"Also what has left."`
	Destination string `query:"destination" doc:"Only what waits for this destination."`
	Limit       int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type restingJSON struct {
	Destination string    `json:"destination"`
	Waiting     int64     `json:"waiting" doc:"Recipients that wait for it."`
	Failures    int       `json:"failures" doc:"Attempts in a row that did not reach it."`
	Until       time.Time `json:"until" doc:"Nothing is sent there before."`
	Since       time.Time `json:"since"`
	Reason      string    `json:"reason"`
}

func restingJSONOf(r gateway.Resting) restingJSON {
	return restingJSON{r.Destination, r.Waiting, r.Failures, r.Until, r.Since, r.Reason}
}

type deleteQueuedQuestion struct {
	ID     string `path:"id"`
	Reason string `query:"reason" doc:"It stays in the activity log."`
}

func (s *site) queueAPI(api huma.API) {
	operation(s, api, "ListQueue", http.MethodGet, "/queue", "List what waits to leave", 0,
		func(ctx context.Context, a gateway.Actor, in *queueQuestion) (*list[queuedJSON], error) {
			all, err := s.Gateway.ListQueue(ctx, a, queue.Filter{Open: !in.All, Destination: in.Destination, Limit: in.Limit})
			return listOf(all, queuedJSONOf), err
		})
	operation(s, api, "RestingDestinations", http.MethodGet, "/queue/destinations", "List the destinations that cannot be reached", 0,
		func(ctx context.Context, a gateway.Actor, _ *nothing) (*list[restingJSON], error) {
			all, err := s.Gateway.RestingDestinations(ctx, a)
			return listOf(all, restingJSONOf), err
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
