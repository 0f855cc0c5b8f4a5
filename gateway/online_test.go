package gateway_test

import (
	"net/http"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/keyring/discover"
)

// online switches discovery on, with a small internet to ask and https://keys.test as its keyserver.
func (h *house) online() *bed.Internet {
	h.t.Helper()
	h.discovering()
	internet := bed.NewInternet(h.t)
	f := h.Discovery.Finder
	f.WKD, f.Keyserver = true, "https://keys.test"
	f.Network = &discover.Network{Resolver: internet, Roots: internet.Roots, Standing: internet.Standing}
	return internet
}

// asks lets the worker ask everything that is due now.
func (h *house) asks() {
	h.t.Helper()
	h.Discovery.Worker.TakeWanted(h.ctx())
	for {
		did, err := h.Discovery.Worker.Step(h.ctx())
		if err != nil {
			h.t.Fatal(err)
		}
		if !did {
			return
		}
	}
}

// pages serves certificates by path, and counts how often each path was asked for.
type pages struct {
	at    map[string][]byte
	asked map[string]int
}

func newPages() *pages { return &pages{map[string][]byte{}, map[string]int{}} }

// ServeHTTP implements http.Handler. The stories ask one question after the other.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked[r.URL.Path]++
	body, ok := p.at[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Write(body)
}

func TestACertificateIsFoundInTheDirectoryOfItsDomain(t *testing.T) {
	h := newHouse(t)
	internet := h.online()
	key := newKey(t, joe, 0)
	internet.Serve("openpgpkey.customer.test", func(w http.ResponseWriter, _ *http.Request) { w.Write(public(t, key)) })
	h.sent(letter{to: []string{joe}})
	h.asks()
	if h.state(key) != "proposed" || h.usedFor(joe) != "" {
		t.Errorf("state %q, used %q", h.state(key), h.usedFor(joe))
	}
	if e := h.entries("certificate.proposed"); len(e) != 1 || e[0].Detail["source"] != "wkd" {
		t.Errorf("the log holds %+v", e)
	}
}
