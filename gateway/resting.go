package gateway

import (
	"context"
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/smarthost"
	"github.com/sealgate/sealgate/groups"
)

// Resting is a destination that could not be reached, with the number of recipients that wait for it.
type Resting struct {
	queue.Rest
	Waiting int64
}

// anyDomain stands in a way for the domain of the recipient.
const anyDomain = "*"

// wayOf names where the mail of a mailbox goes: one server, or the servers of each domain. What can be wrong for one mailbox
// alone is part of the name, so that it stops nobody else: with a login the mailbox, with a policy of its own the policy.
func wayOf(m groups.Mailbox) string {
	switch {
	case m.Out.Route == groups.Exchanges && m.Out.Policy != "" && m.Out.Policy != string(smarthost.Auto):
		return anyDomain + " (" + m.Out.Policy + ")"
	case m.Out.Route == groups.Exchanges:
		return anyDomain
	case m.SMTP.Username != "" || m.Out.Login == groups.LoginOAuth || m.Out.Login == groups.LoginPresented:
		return m.SMTP.Address + " as " + m.Login
	}
	return m.SMTP.Address
}

// wayTo is the destination of an address on a way; "" when the address has no domain to send to.
func wayTo(way, address string) string {
	rest, byDomain := strings.CutPrefix(way, anyDomain)
	if !byDomain {
		return way
	}
	domain := smarthost.Route{Exchanges: &smarthost.Exchanges{}}.Key(address)
	if domain == "" {
		return ""
	}
	return domain + rest
}

// RestingDestinations returns the destinations that could not be reached and rest, or that something waits for, by name.
// Admins only.
func (g *Gateway) RestingDestinations(ctx context.Context, a Actor) ([]Resting, error) {
	if err := a.allow(groups.Admin); err != nil {
		return nil, err
	}
	rests, err := g.Queue.Rests(ctx)
	if err != nil {
		return nil, fmt.Errorf("destinations: %w", err)
	}
	if len(rests) == 0 {
		return nil, nil
	}
	waiting, err := g.Queue.Waiting(ctx)
	if err != nil {
		return nil, fmt.Errorf("destinations: %w", err)
	}
	var all []Resting
	for _, r := range rests {
		if n := waiting[r.Destination]; n > 0 || g.Now().Before(r.Until) {
			all = append(all, Resting{r, n})
		}
	}
	return all, nil
}

// RestsOf returns the rests that copies, which somebody is shown, wait for, by destination.
func (g *Gateway) RestsOf(ctx context.Context, copies ...queue.Message) (map[string]queue.Rest, error) {
	waited := map[string]bool{}
	for _, m := range copies {
		for _, r := range m.Recipients {
			waited[r.Destination] = waited[r.Destination] || r.State == queue.Pending || r.State == queue.Uncertain
		}
	}
	rests, err := g.Queue.Rests(ctx)
	if err != nil {
		return nil, fmt.Errorf("destinations: %w", err)
	}
	of := map[string]queue.Rest{}
	for _, r := range rests {
		if waited[r.Destination] && g.Now().Before(r.Until) {
			of[r.Destination] = r
		}
	}
	return of, nil
}
