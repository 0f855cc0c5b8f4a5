package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/keyring/discover"
)

// lookup is what is known of the lookup of an address.
func (h *house) lookup(address string) discover.Lookup {
	h.t.Helper()
	status, err := h.DiscoveryStatus(h.ctx(), h.admin)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, l := range status.Lookups {
		if l.Address() == address {
			return l
		}
	}
	h.t.Fatalf("%s was not looked for", address)
	return discover.Lookup{}
}

// A sender chooses whom we ask. Whatever stands there: mail leaves as ever, nothing comes into the keyring, the lookup ends,
// and its report says why.
func TestServersThatMeanIllGainNothing(t *testing.T) {
	const advanced = "openpgpkey.customer.test"
	redirect := func(to string) func(*bed.Internet, []byte) {
		return func(internet *bed.Internet, _ []byte) {
			internet.Serve(advanced, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
		}
	}
	cases := map[string]struct {
		serve func(internet *bed.Internet, certificate []byte)
		why   string
	}{
		"a tarpit": {func(internet *bed.Internet, _ []byte) {
			internet.Serve(advanced, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		}, "no whole answer within"},
		"a slow drip": {func(internet *bed.Internet, _ []byte) {
			internet.Serve(advanced, func(w http.ResponseWriter, r *http.Request) {
				drops := time.NewTicker(5 * time.Millisecond)
				defer drops.Stop()
				for r.Context().Err() == nil {
					<-drops.C
					io.WriteString(w, "a")
					w.(http.Flusher).Flush()
				}
			})
		}, "no whole answer within"},
		"an answer without end": {func(internet *bed.Internet, certificate []byte) {
			internet.Serve(advanced, func(w http.ResponseWriter, _ *http.Request) {
				w.Write(append(certificate, make([]byte, 2<<20)...))
			})
		}, "larger than 1 MiB"},
		"a certificate of another name": {func(internet *bed.Internet, certificate []byte) {
			other := internet.Serve("other.test", func(w http.ResponseWriter, _ *http.Request) { w.Write(certificate) })
			internet.Name(advanced, other.String())
		}, "certificate"},
		"an authority that nobody knows": {func(internet *bed.Internet, certificate []byte) {
			foreign := bed.NewInternet(t)
			address := foreign.Serve(advanced, func(w http.ResponseWriter, _ *http.Request) { w.Write(certificate) })
			internet.Standing[address] = foreign.Standing[address]
			internet.Name(advanced, address.String())
		}, "certificate"},
		"a redirect inside":      {redirect("https://inner.test/"), "not public"},
		"a redirect to loopback": {redirect("https://127.0.0.1/"), "no public name"},
		"a redirect to http":     {redirect("http://outer.test/"), "is not https"},
		"a redirect to a port":   {redirect("https://outer.test:8443/"), "another port than 443"},
		"a redirect in a circle": {redirect("https://" + advanced + "/"), "redirects more than"},
		"an address inside":      {func(internet *bed.Internet, _ []byte) { internet.Name(advanced, "169.254.169.254") }, "not public"},
		"a name that is rebound": {func(internet *bed.Internet, certificate []byte) {
			redirect("https://"+advanced+"/again")(internet, certificate)
			internet.Name(advanced, "127.0.0.1") // from the second lookup on
		}, "not public"},
		"a secret key": {nil, "no certificate that can be taken"},
		"a page instead of a key": {func(internet *bed.Internet, _ []byte) {
			internet.Serve(advanced, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") })
		}, "not OpenPGP"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			internet := h.online()
			h.Discovery.Finder.Keyserver = ""
			h.Discovery.Finder.Network.Budget = 300 * time.Millisecond
			internet.Name("inner.test", "192.168.0.1")
			key := newKey(t, joe, 0)
			if c.serve == nil {
				internet.Serve(advanced, func(w http.ResponseWriter, _ *http.Request) { w.Write(private(t, key)) })
			} else {
				c.serve(internet, binary(t, key))
			}
			h.sent(letter{to: []string{joe}})
			h.asks()
			if h.state(key) != "" {
				t.Errorf("state %q", h.state(key))
			}
			l := h.lookup(joe)
			if len(l.Asks) != 1 || l.Asks[0].Answer == discover.Found || !strings.Contains(l.Asks[0].Why, c.why) {
				t.Errorf("the report is %+v", l.Asks)
			}
		})
	}
}

// What was asked is not asked again for a day, a domain is asked a few times at once at most, and one that fails is left
// alone.
func TestServersAreNotAskedTooOften(t *testing.T) {
	many := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		most   int
	}{
		"one that answers": {func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, 6},
		"one that fails":   {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }, 4},
		"one that asks to wait": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "600")
			http.Error(w, "no", http.StatusTooManyRequests)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			internet := h.online()
			h.Discovery.Finder.Keyserver = ""
			asked := 0
			internet.Serve("openpgpkey.customer.test", func(w http.ResponseWriter, r *http.Request) { asked++; c.answer(w, r) })
			var all []string
			for _, local := range many {
				all = append(all, local+"@customer.test")
			}
			for range 2 {
				h.sent(letter{to: all})
				h.asks()
			}
			if asked != c.most {
				t.Errorf("asked %d times, want %d", asked, c.most)
			}
		})
	}
}
