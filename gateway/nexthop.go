package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/smarthost"
	"github.com/sealgate/sealgate/gateway/smarthost/mtasts"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
)

// MX is how mail goes to the servers of the recipients' domains.
type MX struct {
	STS       *mtasts.Store // policies of the domains; nil: nobody asks for them
	Exchanges smarthost.Exchanges
}

// routeOf is the way on which a mailbox's mail leaves, with its secrets opened.
func (g *Gateway) routeOf(ctx context.Context, m groups.Mailbox) (smarthost.Route, error) {
	if m.Out.Route == groups.Exchanges {
		return g.exchangesOf(m)
	}
	if m.SMTP.Address == "" {
		return smarthost.Route{}, errors.New("this mailbox has no mail server to send through; add one")
	}
	hop, err := g.hopOf(ctx, m)
	return smarthost.Route{Hop: hop}, err
}

func (g *Gateway) exchangesOf(m groups.Mailbox) (smarthost.Route, error) {
	pins, err := pinsOf(m.Out.Pins)
	if err != nil {
		return smarthost.Route{}, err
	}
	policy := smarthost.Policy(m.Out.Policy)
	switch {
	case g.Resolver == nil:
		return smarthost.Route{}, errors.New("the mail servers of domains are found in the DNS, and there is no name server; set dns.servers in the configuration")
	case policy == smarthost.DANE && !g.Resolver.Validating:
		return smarthost.Route{}, errors.New("the policy dane needs a name server that validates DNSSEC; set dns.validating in the configuration, or choose another policy")
	}
	x := g.MX.Exchanges // its limits, and how it connects
	x.Resolver, x.Policy, x.Pins, x.STS = g.Resolver, policy, pins, g.MX.STS
	x.Hello, x.Ourselves = g.Domain, []string{g.Domain}
	return smarthost.Route{Exchanges: &x}, nil
}

func pinsOf(texts []string) ([]smarthost.Pin, error) {
	var pins []smarthost.Pin
	for _, text := range texts {
		pin, err := smarthost.ParsePin(text)
		if err != nil {
			return nil, err
		}
		pins = append(pins, pin)
	}
	return pins, nil
}

// canonicalPins writes the pins of a mailbox that is to be saved in one form.
func canonicalPins(m groups.Mailbox) (groups.Mailbox, error) {
	pins, err := pinsOf(m.Out.Pins)
	if err != nil {
		return m, &groups.Invalid{Field: "pins", Sentence: err.Error() + "; separate several by blanks"}
	}
	m.Out.Pins = nil
	for _, pin := range pins {
		m.Out.Pins = append(m.Out.Pins, pin.String())
	}
	return m, nil
}

// ways remembers how mailboxes send: a hint, which every submission and every delivery renews.
type ways struct {
	mu     sync.Mutex
	of     map[string]string // wayOf by mailbox id
	limits map[string]int64  // the largest message that the mailbox's server takes, in bytes
}

func (w *ways) remember(m groups.Mailbox) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = map[string]string{}
	}
	if w.of[m.ID] != wayOf(m) {
		delete(w.limits, m.ID)
	}
	w.of[m.ID] = wayOf(m)
}

// learn notes what a mailbox's server said of itself. The servers of domains are many, and each says its own.
func (w *ways) learn(m groups.Mailbox, limit int64) {
	if m.SMTP.Address == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limits == nil {
		w.limits = map[string]int64{}
	}
	w.limits[m.ID] = limit
}

func (w *ways) limit(mailboxID string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limits[mailboxID]
}

// fits checks that the mail server takes a message as large as protection made it: its sender hears it at once, and not hours
// later in a notification. What the server takes is known since something was last sent there.
func (g *Gateway) fits(m groups.Mailbox, copies []outCopy) error {
	limit := g.ways.limit(m.ID)
	for _, c := range copies {
		if size := c.outgoing.Message().Size() + int64(len(c.signatures)); limit > 0 && size > limit {
			return tooLarge(size, limit)
		}
	}
	return nil
}

func tooLarge(size, limit int64) *submission.Refusal {
	return &submission.Refusal{
		Code: 552, Enhanced: [3]int{5, 3, 4},
		Sentence: fmt.Sprintf("as it would leave, the message has %.2f MB, and the mail server takes at most %.2f MB; send less at once", float64(size)/1e6, float64(limit)/1e6),
	}
}

// DestinationOf names where a copy for an address goes: the queue's Destination function. It asks nobody, not the database
// either, because it is called inside transactions: who submits or delivers has just read the mailbox. Before that, the mailbox
// is one destination.
func (g *Gateway) DestinationOf(_ context.Context, m queue.Message, address string) string {
	g.ways.mu.Lock()
	way, known := g.ways.of[m.MailboxID]
	g.ways.mu.Unlock()
	if !known {
		return ""
	}
	return wayTo(way, address)
}

// checkNextHop connects to the server that a mailbox sends through, and says in one sentence what does not work. Where mail
// goes to the servers of domains there is none to connect to: then only what the policy needs is looked at.
func (g *Gateway) checkNextHop(ctx context.Context, m groups.Mailbox) error {
	route, err := g.routeOf(ctx, m)
	if err != nil || route.Exchanges != nil {
		return err
	}
	if err := smarthost.Check(ctx, route.Hop); err != nil {
		return fmt.Errorf("SMTP %s: %w", m.SMTP.Address, err)
	}
	return nil
}
