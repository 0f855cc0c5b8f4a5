package smarthost

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/sealgate/sealgate/gateway/smarthost/mtasts"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
)

// Policy says what the servers of Exchanges must show. What is missing defers the mail; it never goes in clear instead,
// except with InClear, IfOffered and where Auto found nothing published.
type Policy string

// The policies.
const (
	InClear    Policy = "none"
	IfOffered  Policy = "opportunistic" // TLS with anybody who offers it, else in clear
	MXName     Policy = "verified"      // a certificate for the MX name; that name is only as safe as the DNS
	DomainName Policy = "domain"        // a certificate for the recipient's domain or a name directly below it
	Pinned     Policy = "pinned"
	DANE       Policy = "dane"    // RFC 7672, for domains and servers that publish it
	MTASTS     Policy = "mta-sts" // RFC 8461, for domains that publish mode enforce
	Auto       Policy = "auto"    // DANE where it is published, else MTA-STS where it is, else as opportunistic
)

// way is how one server is to be reached.
type way struct {
	addresses []netip.Addr
	tls       TLS
	guard     guard
}

// withPolicy adds the domain's MTA-STS policy where it counts, and drops the servers that it does not name.
func (x *Exchanges) withPolicy(ctx context.Context, p plan) (plan, error) {
	if x.STS == nil || x.Policy != MTASTS && x.Policy != Auto && x.Policy != "" {
		return p, x.needsPolicy(p)
	}
	policy, err := x.STS.Policy(ctx, p.domain)
	if err != nil {
		return p, &problem{dnsTrouble, "the MTA-STS policy of " + p.domain + " cannot be told now: " + words(err.Error()), err}
	}
	p.policy = policy
	if policy.Mode != mtasts.Enforce {
		return p, x.needsPolicy(p)
	}
	named := slices.DeleteFunc(slices.Clone(p.hosts), func(mx resolve.MX) bool { return !policy.Names(mx.Host) })
	if len(named) == 0 {
		return p, &problem{tlsTrouble, fmt.Sprintf("the MTA-STS policy of %s names %s, and its mail servers are others, such as %s", p.domain, words(policy.Patterns()), words(p.hosts[0].Host)), nil}
	}
	p.hosts = named
	return p, nil
}

// needsPolicy fails closed where MTA-STS is wanted and the domain enforces nothing.
func (x *Exchanges) needsPolicy(p plan) error {
	if x.Policy != MTASTS {
		return nil
	}
	return &problem{tlsTrouble, "MTA-STS is required, and " + p.domain + " publishes no policy of mode enforce", nil}
}

// wayTo finds the addresses of a server and what it must show.
func (x *Exchanges) wayTo(ctx context.Context, p plan, host string) (way, error) {
	addresses, err := x.addressesOf(ctx, host)
	if err != nil {
		return way{}, err
	}
	w := way{addresses: mixed(addresses.Records), tls: StartTLS}
	switch x.Policy {
	case InClear:
		w.tls = inClear
	case IfOffered:
		w.tls, w.guard = Opportunistic, guard{name: host}
	case MXName:
		w.guard = guard{name: host, accept: oneName(x.Roots, host), by: "the name of the exchanger", proven: p.secure}
	case DomainName:
		w.guard = guard{name: host, accept: oneName(x.Roots, p.domain, belowOf(p.domain, host)), by: "the name of the domain", proven: true}
	case Pinned:
		w.guard = guard{name: host, accept: onePin(x.Pins), by: "its pinned key", proven: true}
	case MTASTS:
		w.guard = x.stsGuard(host)
	case DANE:
		w.guard, err = x.daneGuard(ctx, p, host, addresses)
	case Auto, "":
		w, err = x.best(ctx, p, host, addresses, w)
	default:
		return way{}, &problem{misconfigured, fmt.Sprintf("unknown TLS policy %q", x.Policy), nil}
	}
	return w, err
}

// belowOf is the host where it stands directly below the domain, so that its certificate may be for it; else the domain.
func belowOf(domain, host string) string {
	if label := len(host) - len(domain) - 1; label > 0 && host[label:] == "."+domain && !slices.Contains([]byte(host[:label]), '.') {
		return host
	}
	return domain
}

func (x *Exchanges) stsGuard(host string) guard {
	return guard{name: host, accept: oneName(x.Roots, host), by: "MTA-STS", proven: true}
}

// associations looks DANE up where it can count: the list of servers must be authenticated too (RFC 7672, section 2.2.1).
func (x *Exchanges) associations(ctx context.Context, p plan, host string, addresses resolve.Reply[resolve.Address]) (associations, error) {
	if !p.secure {
		return associations{because: "the DNS answer about the mail servers of " + p.domain + " is not authenticated"}, nil
	}
	return findAssociations(ctx, x.Resolver, host, strconv.Itoa(int(x.port())), addresses)
}

func (x *Exchanges) daneGuard(ctx context.Context, p plan, host string, addresses resolve.Reply[resolve.Address]) (guard, error) {
	found, err := x.associations(ctx, p, host, addresses)
	if err != nil {
		return guard{}, err
	}
	return found.required(host, p.domain, host)
}

// best asks for the most that is published. Records that nobody can match still ask for TLS (RFC 7672, section 2.2).
// MTA-STS never stands in for DANE that failed (RFC 8461, section 2).
func (x *Exchanges) best(ctx context.Context, p plan, host string, addresses resolve.Reply[resolve.Address], w way) (way, error) {
	found, err := x.associations(ctx, p, host, addresses)
	switch {
	case err != nil:
		return way{}, err
	case len(found.usable) > 0:
		w.guard = found.guard(p.domain, host)
	case p.policy.Mode == mtasts.Enforce:
		w.guard = x.stsGuard(host)
	case found.exist:
		w.guard = guard{name: host}
	default:
		w.tls, w.guard = Opportunistic, guard{name: host}
	}
	return w, nil
}
