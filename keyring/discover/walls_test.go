package discover

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Each wall stands by itself, also where another one before it would have stopped the question.

func TestWhatAURLMustBe(t *testing.T) {
	for target, good := range map[string]bool{
		"https://goal.test/": true, "https://goal.test:443/x?y": true,
		"http://goal.test/": false, "ftp://goal.test/": false, "//goal.test/": false, "https://user@goal.test/": false,
		"https://user:secret@goal.test/": false, "https://goal.test:80/": false, "https://goal/": false, "https://[::1]/": false, "%": false,
	} {
		if err := checkURL(target); (err == nil) != good {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestANameIsResolvedToPublicAddressesOnly(t *testing.T) {
	w := newWorld(t)
	w.names.Name("both.test", "127.0.0.1", "9.9.9.9", "fd00::1", "2620:fe::fe")
	w.names.Name("inner.test", "127.0.0.1", "fd00::1")
	got, err := w.addresses(t.Context(), "both.test")
	if err != nil || len(got) != 2 || got[0].String() != "9.9.9.9" || got[1].String() != "2620:fe::fe" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := w.addresses(t.Context(), "inner.test"); !errors.Is(err, ErrForbidden) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestOnlyPort443IsDialled(t *testing.T) {
	w := newWorld(t)
	w.serve("goal.test", answering(nil, nil))
	if _, err := w.dial(t.Context(), "tcp", "goal.test:22"); !errors.Is(err, ErrForbidden) {
		t.Errorf("dialled: %v", err)
	}
}

func TestThereIsNoProxy(t *testing.T) {
	if (&Network{}).client().Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would resolve names for us")
	}
}

// mapping answers for IPv4 in the mapped form, as some resolvers do.
type mapping struct{ address netip.Addr }

func (m mapping) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	if network == "ip4" {
		return []netip.Addr{netip.AddrFrom16(m.address.As16())}, nil
	}
	return nil, &net.DNSError{Name: host, IsNotFound: true}
}

func TestAnIPv4AddressInItsMappedForm(t *testing.T) {
	w := newWorld(t)
	w.Resolver = mapping{w.serve("goal.test", answering([]byte("here"), nil))}
	if r, err := w.get(t.Context(), "https://goal.test/"); err != nil || string(r.body) != "here" {
		t.Errorf("%q, %v", r.body, err)
	}
}

// A name with many addresses makes us knock at a few of them only.
func TestAFewAddressesOfANameAreTried(t *testing.T) {
	for dead, good := range map[int]bool{maxDialled - 1: true, maxDialled: false} {
		w := newWorld(t)
		alive := w.serve("alive.test", answering([]byte("here"), nil))
		var all []string
		for n := range dead {
			a := netip.AddrFrom4([4]byte{198, 51, 100, byte(n + 1)})
			w.Standing[a] = w.closedPort()
			all = append(all, a.String())
		}
		w.names.Name("many.test", append(all, alive.String())...)
		// The certificate is for another name; what counts is whether a server was reached.
		_, err := w.get(t.Context(), "https://many.test/")
		if reached := err != nil && strings.Contains(err.Error(), "certificate is valid for"); reached != good {
			t.Errorf("after %d dead addresses: %v", dead, err)
		}
	}
}

func TestAHeaderWithoutEnd(t *testing.T) {
	w := newWorld(t)
	w.serve("header.test", func(out http.ResponseWriter, _ *http.Request) {
		for n := range 20 {
			out.Header().Add("X-Filler", strings.Repeat(string(rune('a'+n)), 4<<10))
		}
	})
	if _, err := w.get(t.Context(), "https://header.test/"); err == nil {
		t.Error("80 KiB of header were read")
	}
}

// Nothing is asked for that would grow when it is unpacked.
func TestNoCompressionIsAskedFor(t *testing.T) {
	w := newWorld(t)
	accepted := make(chan string, 1)
	w.serve("zip.test", func(_ http.ResponseWriter, r *http.Request) { accepted <- r.Header.Get("Accept-Encoding") })
	if _, err := w.get(t.Context(), "https://zip.test/"); err != nil {
		t.Fatal(err)
	}
	if got := soon(t, accepted); got != "" && got != "identity" {
		t.Errorf("accepted: %q", got)
	}
}

func TestASlowDripEndsWithTheBudget(t *testing.T) {
	w := newWorld(t)
	w.Budget = 200 * time.Millisecond
	w.serve("drip.test", func(out http.ResponseWriter, r *http.Request) {
		drops := time.NewTicker(5 * time.Millisecond)
		defer drops.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-drops.C:
				io.WriteString(out, "a")
				out.(http.Flusher).Flush()
			}
		}
	})
	if _, err := w.get(t.Context(), "https://drip.test/"); err == nil || !strings.Contains(err.Error(), "no whole answer within") {
		t.Errorf("%v", err)
	}
}

// A server that takes the connection and says nothing.
func TestASilentServerEndsWithTheBudget(t *testing.T) {
	w := newWorld(t)
	w.Budget = 100 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w.Standing[netip.MustParseAddr("198.51.100.9")] = netip.MustParseAddrPort(l.Addr().String())
	w.names.Name("silent.test", "198.51.100.9")
	if _, err := w.get(t.Context(), "https://silent.test/"); err == nil || !strings.Contains(err.Error(), "no whole answer within") {
		t.Errorf("%v", err)
	}
}

func TestARedirectInACircleEnds(t *testing.T) {
	w := newWorld(t)
	asked := 0
	w.serve("circle.test", func(out http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(out, r, "https://circle.test/", http.StatusFound)
	})
	if _, err := w.get(t.Context(), "https://circle.test/"); err == nil || asked != maxRedirects+1 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

func TestAnUploadIsNotRedirected(t *testing.T) {
	w := newWorld(t)
	w.serve("goal.test", answering([]byte("here"), nil))
	w.serve("to.test", func(out http.ResponseWriter, r *http.Request) {
		http.Redirect(out, r, "https://goal.test/", http.StatusTemporaryRedirect)
	})
	if r, err := w.post(t.Context(), "https://to.test/", []byte("{}")); err == nil {
		t.Errorf("it went on to %q", r.body)
	}
}
