package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/gateway/queue"
)

// queueCommand holds the queue's use cases.
type queueCommand struct {
	List         queueList         `cmd:"" help:"List copies in the queue."`
	Destinations queueDestinations `cmd:"" help:"List destinations that cannot be reached, and until when they rest."`
	Show         queueShow         `cmd:"" help:"Show a copy and everything that happened to it."`
	Reroute      queueReroute      `cmd:"" help:"Send a copy through another mailbox of its group, now."`
	Hold         queueHold         `cmd:"" help:"Stop a copy until it is tried again."`
	Retry        queueRetry        `cmd:"" help:"Try copies again now."`
	Delete       queueDelete       `cmd:"" help:"Delete a copy."`
}

type queueList struct {
	All         bool   `help:"Finished ones too."`
	Destination string `help:"Only what waits for this destination."`
	Limit       int    `default:"50" help:"At most this many."`
}

// Run lists one line a recipient.
func (c *queueList) Run(s *session) error {
	return s.with(func(p *parts) error {
		all, err := p.gateway.ListQueue(s.ctx, cli, queue.Filter{Open: !c.All, Destination: c.Destination, Limit: c.Limit})
		if err != nil {
			return err
		}
		var rows [][]string
		for _, m := range all {
			for _, r := range m.Recipients {
				rows = append(rows, []string{m.ID, string(m.Protection), r.Address, string(r.State), r.Destination, r.LastReply})
			}
		}
		return s.table("ID | PROTECTION | TO | STATE | BY WAY OF | LAST REPLY", rows)
	})
}

type queueDestinations struct{}

// Run lists one line a destination.
func (queueDestinations) Run(s *session) error {
	return s.with(func(p *parts) error {
		all, err := p.gateway.RestingDestinations(s.ctx, cli)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, r := range all {
			rows = append(rows, []string{r.Destination, fmt.Sprint(r.Waiting), r.Since.UTC().Format(time.RFC3339), r.Until.UTC().Format(time.RFC3339), r.Reason})
		}
		return s.table("BY WAY OF | WAITING | SINCE | TRIED AGAIN | BECAUSE", rows)
	})
}

type queueShow struct {
	ID string `arg:"" help:"Id of the copy."`
}

// Run shows.
func (c *queueShow) Run(s *session) error {
	return s.with(func(p *parts) error {
		copied, err := p.gateway.QueuedCopy(s.ctx, cli, c.ID)
		if err != nil {
			return err
		}
		for _, r := range copied.Recipients {
			fmt.Fprintf(s.out, "to %s: %s, %d attempts, by way of %s\n", r.Address, r.State, r.Attempts, r.Destination)
		}
		fmt.Fprintf(s.out, "through mailbox %s\n\n", copied.Mailbox)
		for _, e := range copied.Timeline {
			fmt.Fprintf(s.out, "%s  %-10s %s\n", e.At.UTC().Format(time.RFC3339), e.What, e.Words)
		}
		return nil
	})
}

type queueReroute struct {
	ID      string `arg:"" help:"Id of the copy."`
	Mailbox string `required:"" help:"Login of another mailbox of the same group."`
}

// Run reroutes.
func (c *queueReroute) Run(s *session) error {
	return s.with(func(p *parts) error { return p.gateway.RerouteQueued(s.ctx, cli, c.ID, c.Mailbox) })
}

type queueHold struct {
	ID string `arg:"" help:"Id of the copy."`
}

// Run holds.
func (c *queueHold) Run(s *session) error {
	return s.with(func(p *parts) error { return p.gateway.HoldQueued(s.ctx, cli, c.ID) })
}

type queueRetry struct {
	ID []string `arg:"" help:"Id of a copy; several may be given."`
}

// Run makes due. One that is gone keeps none of the others from it.
func (c *queueRetry) Run(s *session) error {
	return s.with(func(p *parts) error {
		var failed error
		for _, id := range c.ID {
			if err := p.gateway.RetryQueued(s.ctx, cli, id); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", id, err))
			}
		}
		return failed
	})
}

type queueDelete struct {
	ID     string `arg:"" help:"Id of the copy."`
	Reason string `required:"" help:"Why; it stays in the activity log."`
}

// Run deletes.
func (c *queueDelete) Run(s *session) error {
	return s.with(func(p *parts) error { return p.gateway.DeleteQueued(s.ctx, cli, c.ID, c.Reason) })
}

// checkQueue names what cannot be reached while mail waits for it.
func (d *doctor) checkQueue(ctx context.Context, p *parts) {
	resting, err := p.gateway.RestingDestinations(ctx, cli)
	if err != nil {
		d.wrong("queue", err.Error())
		return
	}
	unreached := 0
	for _, r := range resting {
		if r.Waiting > 0 {
			unreached++
			d.wrong("queue", fmt.Sprintf("%s cannot be reached since %s, and mail waits for it (recipients: %d): %s",
				r.Destination, r.Since.UTC().Format(time.RFC3339), r.Waiting, r.Reason))
		}
	}
	if unreached == 0 {
		d.well("queue", "nothing waits for a mail server that cannot be reached")
	}
}
