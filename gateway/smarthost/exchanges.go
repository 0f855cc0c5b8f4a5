package smarthost

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/sealgate/sealgate/gateway/smarthost/mtasts"
)

// Exchanges reaches the mail servers that the DNS names for a domain. It is safe for concurrent use once its fields are
// set.
type Exchanges struct {
	Resolver Resolver
	Policy   Policy // "" means Auto
	Roots    *x509.CertPool
	Pins     []Pin         // for Pinned
	STS      *mtasts.Store // for MTASTS and Auto; without one no domain has such a policy

	Hello     string        // our name in EHLO
	Ourselves []string      // our names: mail never goes to them, nor to servers behind them in order
	Timeout   time.Duration // as in Hop
	Hosts     int           // how many servers one attempt asks at most; 0 means 5
	Family    string        // "ip4" or "ip6" for one address family only; "" means both, ip6 first
	Port      uint16        // 0 means 25

	// Dial replaces the connecting; it is for tests and for networks that are unlike others. Nil connects directly, and
	// never to this machine's own addresses or to those that are no place for mail.
	Dial func(ctx context.Context, address netip.AddrPort) (net.Conn, error)
}

// Limits of one attempt.
const (
	defaultHosts = 5
	maxAddresses = 3 // of one server
	mailPort     = 25
)

func (x *Exchanges) port() uint16 {
	if x.Port == 0 {
		return mailPort
	}
	return x.Port
}

// deliver makes one attempt for recipients of one domain.
func (x *Exchanges) deliver(ctx context.Context, domain string, e Envelope, message []byte) []Result {
	p, err := x.plan(ctx, domain)
	if err != nil {
		return all(e, classify("looking for the mail server", err))
	}
	a := newAttempt(e)
	hosts := defaultHosts
	if x.Hosts > 0 {
		hosts = x.Hosts
	}
	for _, mx := range p.hosts[:min(hosts, len(p.hosts))] {
		if a.over() || ctx.Err() != nil {
			break
		}
		x.deliverTo(ctx, p, mx.Host, a, message)
	}
	return a.results
}

// deliverTo tries one server: its addresses until one answers, then whatever it says.
func (x *Exchanges) deliverTo(ctx context.Context, p plan, host string, a *attempt, message []byte) {
	w, err := x.wayTo(ctx, p, host)
	if err != nil {
		a.failed(host, err)
		return
	}
	for _, address := range w.addresses {
		c, err := x.lineTo(host, address, w).open(ctx)
		if err != nil {
			a.failed(host, err)
			continue
		}
		a.answered(c.send(a.rest(), message))
		c.close()
		return
	}
}

func (x *Exchanges) lineTo(host string, address netip.Addr, w way) line {
	hop := Hop{TLS: w.tls, Hello: x.Hello, Timeout: x.Timeout}
	return line{hop: hop.withDefaults(), host: host, guard: w.guard, call: func(ctx context.Context) (net.Conn, error) {
		conn, err := x.dial(ctx, netip.AddrPortFrom(address, x.port()))
		if err != nil {
			return nil, err
		}
		return conn, nil
	}}
}

// dial connects to an address that mail may go to.
func (x *Exchanges) dial(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	if x.Dial == nil {
		if err := placeForMail(address.Addr()); err != nil {
			return nil, err
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address.String())
		return conn, unreachable(address, err)
	}
	conn, err := x.Dial(ctx, address)
	return conn, unreachable(address, err)
}

func unreachable(address netip.AddrPort, err error) error {
	if err == nil {
		return nil
	}
	return &problem{noConnection, "cannot connect to " + net.JoinHostPort(address.Addr().String(), strconv.Itoa(int(address.Port()))) + "; it may be down, or the way to it", err}
}

// placeForMail refuses what a stranger's DNS must not make us talk to.
func placeForMail(a netip.Addr) error {
	a = a.Unmap()
	own, err := net.InterfaceAddrs()
	if err != nil {
		return &problem{noConnection, "this machine's own addresses cannot be told", err}
	}
	for _, o := range own {
		if n, ok := o.(*net.IPNet); ok {
			if mine, ok := netip.AddrFromSlice(n.IP); ok && mine.Unmap() == a {
				return &problem{loop, "the domain's mail server has the address " + a.String() + ", which is ours; name its real mail server as the next hop", nil}
			}
		}
	}
	if a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return &problem{noConnection, "the domain's mail server has the address " + a.String() + ", where no mail can go", nil}
	}
	return nil
}
