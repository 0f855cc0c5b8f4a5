package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the addresses of reverse proxies, whose X-Forwarded-For field is believed. Without them, all who come
// through one proxy would count as one client where tries and questions are counted.
type Proxies []netip.Prefix

// ParseProxies reads addresses and networks such as 127.0.0.1 or 10.1.0.0/16.
func ParseProxies(given []string) (Proxies, error) {
	var p Proxies
	for _, text := range given {
		prefix, err := netip.ParsePrefix(text)
		if address, single := netip.ParseAddr(text); single == nil {
			prefix, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address such as 127.0.0.1 nor a network such as 10.1.0.0/16", text)
		}
		p = append(p, prefix.Masked())
	}
	return p, nil
}

// behind puts the client's address in the place of the proxy's.
func (p Proxies) behind(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client := p.client(remoteOf(r), r.Header["X-Forwarded-For"]); client != "" {
			changed := *r
			changed.RemoteAddr = net.JoinHostPort(client, "0")
			r = &changed
		}
		next.ServeHTTP(w, r)
	})
}

// client is who asked the outermost of our proxies: the last address that is none of them. Whatever stands before it was
// written by the client and may be a lie. "" when the request comes from no proxy, or from one that does not say.
func (p Proxies) client(remote string, fields []string) string {
	if !p.has(remote) {
		return ""
	}
	for _, hop := range slices.Backward(strings.Split(strings.Join(fields, ","), ",")) {
		hop = strings.TrimSpace(hop)
		if p.has(hop) {
			continue
		}
		if _, err := netip.ParseAddr(hop); err != nil {
			return ""
		}
		return hop
	}
	return ""
}

func (p Proxies) has(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(address.Unmap().WithZone("")) })
}
