package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// TestWhoAskedThroughAProxy: only what our own proxies wrote is believed.
func TestWhoAskedThroughAProxy(t *testing.T) {
	p, err := ParseProxies([]string{"127.0.0.1", "10.1.0.0/16", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		remote string
		fields []string
		want   string
	}{
		"no proxy":                   {"192.0.2.7:1000", nil, "192.0.2.7"},
		"no proxy, and a lie":        {"192.0.2.7:1000", []string{"198.51.100.1"}, "192.0.2.7"},
		"one proxy":                  {"127.0.0.1:1000", []string{"198.51.100.1"}, "198.51.100.1"},
		"one proxy, and a lie":       {"127.0.0.1:1000", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		"a lie in a field of itself": {"127.0.0.1:1000", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		"two proxies":                {"[::1]:1000", []string{"198.51.100.1, 10.1.2.3"}, "198.51.100.1"},
		"IPv6":                       {"127.0.0.1:1000", []string{"2001:db8::7"}, "2001:db8::7"},
		"a proxy that does not say":  {"127.0.0.1:1000", nil, "127.0.0.1"},
		"a proxy that asks itself":   {"127.0.0.1:1000", []string{"10.1.2.3"}, "127.0.0.1"},
		"what is no address":         {"127.0.0.1:1000", []string{"unknown"}, "127.0.0.1"},
		"a network beside ours":      {"10.2.0.1:1000", []string{"198.51.100.1"}, "10.2.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			h := p.behind(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = remoteOf(r) }))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = c.remote
			r.Header["X-Forwarded-For"] = c.fields
			if h.ServeHTTP(httptest.NewRecorder(), r); got != c.want {
				t.Errorf("the client is %s, want %s", got, c.want)
			}
		})
	}
	if _, err := ParseProxies([]string{"localhost"}); err == nil || !strings.Contains(err.Error(), "neither an address") {
		t.Errorf("a name: %v", err)
	}
}

// TestClientsBehindAProxyAreCountedApart: one that asks without end does not silence the others.
func TestClientsBehindAProxyAreCountedApart(t *testing.T) {
	b := openDesk(t)
	b.server.Config.Handler = (&Server{Gateway: b.gateway, Proxies: Proxies{netip.MustParsePrefix("127.0.0.0/8")}, Log: b.logger()}).Handler()
	ask := func(client string) int {
		return b.asks(http.MethodGet, "desk.test", "/.well-known/openpgpkey/policy", "X-Forwarded-For", client).status
	}
	for range questionsAtOnce {
		if status := ask("192.0.2.1"); status != http.StatusOK {
			t.Fatalf("%d", status)
		}
	}
	if first, second := ask("192.0.2.1"), ask("192.0.2.2"); first != http.StatusTooManyRequests || second != http.StatusOK {
		t.Errorf("%d and %d", first, second)
	}
}
