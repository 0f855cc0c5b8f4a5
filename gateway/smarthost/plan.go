package smarthost

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/smarthost/mtasts"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
)

// Enhanced status codes of what the DNS says (RFC 3463, RFC 7505).
const (
	noDomain = "5.1.2"
	nullMX   = "5.1.10"
	loop     = "5.4.6"
)

// plan is what one attempt for one domain knows before the first connection.
type plan struct {
	domain string
	hosts  []resolve.MX
	secure bool // the list is authenticated
	policy mtasts.Policy
}

// plan finds the servers of a domain in the order in which they are to be tried, and its MTA-STS policy.
func (x *Exchanges) plan(ctx context.Context, domain string) (plan, error) {
	if domain == "" || strings.HasPrefix(domain, "[") {
		return plan{}, &problem{noDomain, "the address names no domain that mail could be sent to; correct it", nil}
	}
	p, err := x.exchangers(ctx, domain)
	if err != nil {
		return plan{}, err
	}
	if p.hosts, err = withoutLoops(domain, sorted(p.hosts), x.Ourselves); err != nil {
		return plan{}, err
	}
	return x.withPolicy(ctx, p)
}

// exchangers is RFC 5321, section 5.1: a domain without MX records is its own server, one with a null MX takes no mail.
func (x *Exchanges) exchangers(ctx context.Context, domain string) (plan, error) {
	reply, err := x.Resolver.MX(ctx, domain)
	switch {
	case errors.Is(err, resolve.ErrNoName):
		return plan{}, &problem{noDomain, "the domain " + domain + " does not exist; correct the address", err}
	case err != nil:
		return plan{}, &problem{dnsTrouble, "the mail servers of " + domain + " cannot be found now: " + words(err.Error()), err}
	}
	p := plan{domain: domain, secure: reply.Authenticated}
	for _, mx := range reply.Records {
		if mx.Host != "" {
			p.hosts = append(p.hosts, mx)
		}
	}
	switch {
	case len(reply.Records) == 0:
		return x.itself(ctx, p)
	case len(p.hosts) == 0:
		return plan{}, &problem{nullMX, "the domain " + domain + " says that it takes no mail (null MX); correct the address", nil}
	}
	return p, nil
}

// itself makes a domain without MX records its own server, where it has an address.
func (x *Exchanges) itself(ctx context.Context, p plan) (plan, error) {
	p.hosts = []resolve.MX{{Host: p.domain}}
	addresses, err := x.Resolver.Addresses(ctx, p.domain)
	if err == nil && len(addresses.Records) == 0 || errors.Is(err, resolve.ErrNoName) {
		return plan{}, &problem{noDomain, "the domain " + p.domain + " has neither mail servers nor an address; correct the address", err}
	}
	return p, nil
}

// sorted orders servers by preference, and equal ones by chance.
func sorted(hosts []resolve.MX) []resolve.MX {
	rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	slices.SortStableFunc(hosts, func(a, b resolve.MX) int { return int(a.Preference) - int(b.Preference) })
	return hosts
}

// withoutLoops drops ourselves and whoever comes at the same place or behind: they would send the mail back to us.
func withoutLoops(domain string, hosts []resolve.MX, ourselves []string) ([]resolve.MX, error) {
	ours := slices.IndexFunc(hosts, func(mx resolve.MX) bool {
		return slices.ContainsFunc(ourselves, func(name string) bool { return strings.EqualFold(strings.TrimSuffix(name, "."), mx.Host) })
	})
	if ours < 0 {
		return hosts, nil
	}
	before := slices.DeleteFunc(slices.Clone(hosts), func(mx resolve.MX) bool { return mx.Preference >= hosts[ours].Preference })
	if len(before) == 0 {
		return nil, &problem{loop, "the best mail server of " + domain + " is " + hosts[ours].Host + ", which is ourselves; name its real mail server as the next hop", nil}
	}
	return before, nil
}

// addressesOf returns the addresses to try, of the families that are wanted.
func (x *Exchanges) addressesOf(ctx context.Context, host string) (resolve.Reply[resolve.Address], error) {
	reply, err := x.Resolver.Addresses(ctx, host)
	switch {
	case errors.Is(err, resolve.ErrNoName):
		return reply, &problem{noConnection, "the mail server " + words(host) + " has no address in the DNS", err}
	case err != nil:
		return reply, &problem{dnsTrouble, "the address of " + words(host) + " cannot be found now: " + words(err.Error()), err}
	}
	reply.Records = slices.DeleteFunc(reply.Records, func(a netip.Addr) bool {
		return x.Family == "ip4" && !a.Unmap().Is4() || x.Family == "ip6" && a.Unmap().Is4()
	})
	if len(reply.Records) == 0 {
		return reply, &problem{noConnection, "the mail server " + words(host) + " has no address that we can use", nil}
	}
	return reply, nil
}

// mixed takes a few addresses, of both families where there are both, so that a dead one cannot use up all the tries.
func mixed(addresses []netip.Addr) []netip.Addr {
	var six, four, chosen []netip.Addr
	for _, a := range addresses {
		if a.Unmap().Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	for i := range max(len(six), len(four)) {
		chosen = append(chosen, six[min(i, len(six)):min(i+1, len(six))]...)
		chosen = append(chosen, four[min(i, len(four)):min(i+1, len(four))]...)
	}
	return chosen[:min(len(chosen), maxAddresses)]
}
