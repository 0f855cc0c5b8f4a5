package web

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
)

type queuePage struct {
	All         bool   // also copies that are done
	Destination string // only what waits for it
	Messages    []queueRow
	Resting     []gateway.Resting // for admins, those that most waits for
	MoreResting int               // that are not shown
}

type queueRow struct {
	queue.Message
	Group string
	Done  bool // every recipient is finished
	Held  bool
	Rests map[string]queue.Rest // of destinations that it waits for
}

// How many copies, and how many destinations that cannot be reached, the queue's page lists.
const (
	shownQueue   = 200
	shownResting = 50
)

func queueList(v *visit) error {
	asked := v.r.URL.Query()
	p := queuePage{All: asked.Get("all") != "", Destination: asked.Get("destination")}
	found, err := v.Gateway.ListQueue(v.r.Context(), v.actor(), queue.Filter{Open: !p.All, Destination: p.Destination, Limit: shownQueue})
	if err != nil {
		return err
	}
	rests, err := v.Gateway.RestsOf(v.r.Context(), found...)
	if err != nil {
		return err
	}
	if v.user.Role == groups.Admin {
		resting, err := v.Gateway.RestingDestinations(v.r.Context(), v.actor())
		if err != nil {
			return err
		}
		slices.SortStableFunc(resting, func(a, b gateway.Resting) int { return cmp.Compare(b.Waiting, a.Waiting) })
		p.Resting = resting[:min(len(resting), shownResting)]
		p.MoreResting = len(resting) - len(p.Resting)
	}
	all, err := v.Gateway.ListGroups(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	for _, m := range found {
		p.Messages = append(p.Messages, queueRowOf(m, all, rests))
	}
	return v.show("queue", "Queue", p)
}

func queueRowOf(m queue.Message, all []groups.Group, rests map[string]queue.Rest) queueRow {
	row := queueRow{Message: m, Done: true, Group: groupName(all, m.GroupID), Rests: rests}
	for _, r := range m.Recipients {
		row.Done = row.Done && r.State.Finished()
		row.Held = row.Held || r.State == queue.Held
	}
	return row
}

type queuedPage struct {
	queueRow
	gateway.QueuedCopy
	Refused string // why the last thing asked for was not done
}

// queuedCopy shows one copy and everything that happened to it.
func queuedCopy(v *visit) error { return v.showQueued(http.StatusOK, "") }

func (v *visit) showQueued(status int, words string) error {
	c, err := v.Gateway.QueuedCopy(v.r.Context(), v.actor(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	all, err := v.Gateway.ListGroups(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	rests, err := v.Gateway.RestsOf(v.r.Context(), c.Message)
	if err != nil {
		return err
	}
	return v.render(status, "queued", "Message in the queue", queuedPage{queueRowOf(c.Message, all, rests), c, words})
}

func rerouteQueued(v *visit) error {
	err := v.Gateway.RerouteQueued(v.r.Context(), v.actor(), v.r.PathValue("id"), v.field("mailbox"))
	if words := sentenceOf(err); words != "" {
		return v.showQueued(http.StatusUnprocessableEntity, words)
	}
	if err != nil {
		return err
	}
	return v.to("/queue/"+v.r.PathValue("id"), "The message leaves through mailbox "+v.field("mailbox")+" now.")
}

func groupName(all []groups.Group, id string) string {
	for _, g := range all {
		if g.ID == id {
			return g.Name
		}
	}
	return ""
}

func holdQueued(v *visit) error {
	if err := v.Gateway.HoldQueued(v.r.Context(), v.actor(), v.r.PathValue("id")); err != nil {
		return err
	}
	return v.to("/queue", "The message is held until you let it try again.")
}

func retryQueued(v *visit) error {
	if err := v.Gateway.RetryQueued(v.r.Context(), v.actor(), v.r.PathValue("id")); err != nil {
		return err
	}
	return v.to("/queue", "The message is tried again now.")
}

func deleteQueuedForm(v *visit) error { return v.confirmQueued(http.StatusOK, "") }

func (v *visit) confirmQueued(status int, words string) error {
	m, err := v.Gateway.QueuedCopy(v.r.Context(), v.actor(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p := confirmPage{
		Heading: "Delete this message from the queue?", Subject: "From " + m.ReversePath + ", " + instant(m.CreatedAt),
		Remedy: "Nobody is told that it was deleted. The article stays.", Reason: true, Sentence: words,
		Back: "/queue", Button: "Delete the message",
	}
	for _, r := range m.Recipients {
		if !r.State.Finished() {
			p.Effects = append(p.Effects, r.Address+" does not get it.")
		}
	}
	return v.render(status, "confirm", p.Heading, p)
}

func deleteQueued(v *visit) error {
	err := v.Gateway.DeleteQueued(v.r.Context(), v.actor(), v.r.PathValue("id"), v.field("reason"))
	if words := sentenceOf(err); words != "" {
		return v.confirmQueued(http.StatusUnprocessableEntity, words)
	}
	if err != nil {
		return err
	}
	return v.to("/queue", "The message is deleted from the queue.")
}
