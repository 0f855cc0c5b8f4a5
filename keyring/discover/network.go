package discover

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Limits on every question to a server.
const (
	budget         = 10 * time.Second // from the first lookup to the last byte, redirects included
	maxAnswer      = 1 << 20          // bytes
	maxHeader      = 32 << 10         // bytes
	maxRedirects   = 3
	maxDialled     = 4 // addresses of one name
	handshakeLimit = 5 * time.Second
)

// Resolver finds the addresses of a name. network is "ip4" or "ip6". *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Network asks public HTTPS servers whose names strangers choose. The zero Network asks the real network; it is safe for
// concurrent use.
//
// A name is resolved once for each connection, every address is checked, and the connection goes to an address that was
// checked, which is looked at again when the socket connects: a name that changes its mind in between gains nothing.
type Network struct {
	Resolver Resolver       // nil means the system's
	Roots    *x509.CertPool // nil means the system's
	Budget   time.Duration  // 0 means 10 seconds

	// Standing maps an address to the local server that stands for it in a test; such an address counts as public. It is
	// nil in a running gateway.
	Standing map[netip.Addr]netip.AddrPort
}

// client makes a client for one question. It keeps no connection, knows no proxy and follows no redirect by itself.
func (n *Network) client() *http.Client {
	transport := &http.Transport{
		Proxy:                  nil, // never from the environment: a proxy would resolve names itself
		DialContext:            n.dial,
		TLSClientConfig:        &tls.Config{RootCAs: n.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    handshakeLimit,
		MaxResponseHeaderBytes: maxHeader,
		DisableKeepAlives:      true,
		DisableCompression:     true, // what is counted is what is used
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial connects to the first public address of a name that answers.
func (n *Network) dial(ctx context.Context, _, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	if port != "443" {
		return nil, fmt.Errorf("port %s: %w", port, ErrForbidden)
	}
	addresses, err := n.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	var last error
	for _, a := range addresses[:min(len(addresses), maxDialled)] {
		conn, err := n.connect(ctx, a)
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}

// connect dials one checked address. The socket's own destination is compared before it connects.
func (n *Network) connect(ctx context.Context, a netip.Addr) (net.Conn, error) {
	target := netip.AddrPortFrom(a, 443)
	standing, ok := n.Standing[a]
	if ok {
		target = standing
	} else if !isPublic(a) {
		return nil, ErrForbidden
	}
	d := net.Dialer{
		Timeout: handshakeLimit,
		Control: func(_, address string, _ syscall.RawConn) error {
			if got, err := netip.ParseAddrPort(address); err != nil || got != target {
				return ErrForbidden
			}
			return nil
		},
	}
	return d.DialContext(ctx, "tcp", target.String())
}

// addresses resolves a name and keeps what may be asked. errNoName when the name does not exist, ErrForbidden when all it
// has is not public.
func (n *Network) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if err := checkHost(host); err != nil {
		return nil, err
	}
	all, err := n.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var public []netip.Addr
	for _, a := range all {
		if _, standing := n.Standing[a]; standing || isPublic(a) {
			public = append(public, a)
		}
	}
	if len(public) == 0 {
		return nil, fmt.Errorf("%s: %w", host, ErrForbidden)
	}
	return public, nil
}

// resolve asks for IPv4 and IPv6 apart, because a resolver asked for both writes IPv4 as mapped IPv6, and an AAAA record
// that holds a mapped address must not pass for an A record.
//
// A name without any address counts as one that does not exist: the resolver does not tell the two apart.
func (n *Network) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	var resolver Resolver = net.DefaultResolver
	if n.Resolver != nil {
		resolver = n.Resolver
	}
	host = strings.TrimSuffix(host, ".") + "." // no search list
	v4, err4 := resolver.LookupNetIP(ctx, "ip4", host)
	v6, err6 := resolver.LookupNetIP(ctx, "ip6", host)
	var all []netip.Addr
	for _, a := range v4 {
		all = append(all, a.Unmap())
	}
	all = append(all, v6...)
	switch {
	case len(all) > 0:
		return all, nil
	case missing(err4) && missing(err6):
		return nil, errNoName
	}
	return nil, fmt.Errorf("the name cannot be resolved now: %w", errors.Join(err4, err6))
}

func missing(err error) bool {
	var dns *net.DNSError
	return err == nil || errors.As(err, &dns) && dns.IsNotFound
}

// checkHost refuses what is no name in the public DNS.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || !strings.Contains(strings.Trim(host, "."), ".") {
		return fmt.Errorf("%s is no public name: %w", host, ErrForbidden)
	}
	return nil
}
