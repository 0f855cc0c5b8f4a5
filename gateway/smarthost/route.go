package smarthost

import (
	"context"
	"strings"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"golang.org/x/net/idna"
)

// Route says where mail goes next: to a fixed hop, or with Exchanges to the mail servers of each recipient's domain.
type Route struct {
	Hop       Hop
	Exchanges *Exchanges
}

// Destination is a group of recipients that one attempt serves, and that share a limit of parallel attempts.
type Destination struct {
	Key        string // the hop's address, or the recipients' domain in lower case, as A-labels
	Recipients []int  // indexes
}

// Key names the destination of one address. It asks nobody: a queue can count by it.
func (r Route) Key(address string) string {
	if r.Exchanges == nil {
		return r.Hop.Address
	}
	return domainOf(address)
}

// Destinations groups recipients, in the order in which each destination comes first.
func (r Route) Destinations(recipients []Recipient) []Destination {
	var all []Destination
	place := map[string]int{}
	for i, to := range recipients {
		key := r.Key(to.Address)
		n, known := place[key]
		if !known {
			n = len(all)
			place[key] = n
			all = append(all, Destination{Key: key})
		}
		all[n].Recipients = append(all[n].Recipients, i)
	}
	return all
}

// Deliver makes one attempt for each destination of the envelope, one after another, and returns one result per recipient
// in the envelope's order. A queue that wants destinations side by side calls it once for each. It is safe for concurrent
// use; ctx ends it at any step.
func Deliver(ctx context.Context, r Route, e Envelope, o pgpmime.Outgoing) []Result {
	if r.Exchanges == nil {
		return Send(ctx, r.Hop, e, o)
	}
	if reason := unsendable(e, o); reason != "" {
		return all(e, Result{Outcome: Failed, Code: "5.6.0", Reply: reason})
	}
	results := make([]Result, len(e.Recipients))
	for _, d := range r.Destinations(e.Recipients) {
		part := e
		part.Recipients = pick(e.Recipients, d.Recipients)
		for i, result := range r.Exchanges.deliver(ctx, d.Key, part, o.Bytes()) {
			results[d.Recipients[i]] = result
		}
	}
	return results
}

func pick(recipients []Recipient, indexes []int) []Recipient {
	picked := make([]Recipient, 0, len(indexes))
	for _, i := range indexes {
		picked = append(picked, recipients[i])
	}
	return picked
}

// domainOf is what stands behind the last @, as the DNS knows it; "" where that is no domain.
func domainOf(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	domain, err := idna.Lookup.ToASCII(strings.TrimSuffix(address[at+1:], "."))
	if err != nil {
		return ""
	}
	return strings.ToLower(domain)
}
