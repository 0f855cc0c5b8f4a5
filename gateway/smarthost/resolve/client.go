package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Limits of one question.
const (
	defaultTimeout = 5 * time.Second // per server and transport
	rounds         = 2               // how often each server is asked
	udpSize        = 1232            // bytes; larger answers come by TCP
	maxRecords     = 100             // of one answer; more is an error
	maxAliases     = 8
)

// Client asks recursive resolvers. It is safe for concurrent use once its fields are set.
type Client struct {
	Servers []netip.AddrPort // asked in this order until one answers

	// Validating says that all Servers validate DNSSEC and that the way to them is safe: on loopback, or through a network
	// where nobody else can speak. Only then is their AD bit believed.
	Validating bool

	Timeout time.Duration // per question to one server; 0 means 5 s
}

// FromFile reads the servers from a file in the form of resolv.conf. Its answers are never authenticated; a caller that
// knows better sets Validating.
func FromFile(path string) (*Client, error) {
	config, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the list of name servers: %w", err)
	}
	c := &Client{}
	for _, server := range config.Servers {
		address, err := netip.ParseAddr(server)
		if err != nil {
			return nil, fmt.Errorf("read the list of name servers: %q is not an address", server)
		}
		c.Servers = append(c.Servers, netip.AddrPortFrom(address, 53))
	}
	if len(c.Servers) == 0 {
		return nil, fmt.Errorf("read the list of name servers: %s names none", path)
	}
	return c, nil
}

// MX returns the mail exchangers of a domain, unsorted.
func (c *Client) MX(ctx context.Context, domain string) (Reply[MX], error) {
	return ask(ctx, c, domain, dns.TypeMX, func(rr dns.RR) (MX, bool) {
		mx, ok := rr.(*dns.MX)
		if !ok {
			return MX{}, false
		}
		return MX{Preference: mx.Preference, Host: plain(mx.Mx)}, true
	})
}

// Addresses returns the addresses of a host, version 6 first. It is authenticated only if both questions were.
func (c *Client) Addresses(ctx context.Context, host string) (Reply[Address], error) {
	six, err := ask(ctx, c, host, dns.TypeAAAA, func(rr dns.RR) (Address, bool) {
		if aaaa, ok := rr.(*dns.AAAA); ok {
			return netip.AddrFromSlice(aaaa.AAAA)
		}
		return Address{}, false
	})
	if err != nil {
		return Reply[Address]{}, err
	}
	four, err := ask(ctx, c, host, dns.TypeA, func(rr dns.RR) (Address, bool) {
		if a, ok := rr.(*dns.A); ok {
			return netip.AddrFromSlice(a.A.To4())
		}
		return Address{}, false
	})
	if err != nil {
		return Reply[Address]{}, err
	}
	return Reply[Address]{
		Records: append(six.Records, four.Records...), Name: four.Name,
		Authenticated: six.Authenticated && four.Authenticated && six.Name == four.Name,
	}, nil
}

// TXT returns the TXT records of a name, the strings of each joined.
func (c *Client) TXT(ctx context.Context, name string) (Reply[string], error) {
	return ask(ctx, c, name, dns.TypeTXT, func(rr dns.RR) (string, bool) {
		txt, ok := rr.(*dns.TXT)
		if !ok {
			return "", false
		}
		return joined(txt.Txt), true
	})
}

// TLSA returns the certificate associations of a name such as _25._tcp.mx.example.
func (c *Client) TLSA(ctx context.Context, name string) (Reply[TLSA], error) {
	return ask(ctx, c, name, dns.TypeTLSA, func(rr dns.RR) (TLSA, bool) {
		if r, ok := rr.(*dns.TLSA); ok {
			return association(r)
		}
		return TLSA{}, false
	})
}
