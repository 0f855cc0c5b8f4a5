package discover

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestOnlyPublicAddressesAreAsked(t *testing.T) {
	for address, public := range map[string]bool{
		"9.9.9.9": true, "2620:fe::fe": true, "2a00:1450::1": true,
		"127.0.0.1": false, "127.8.8.8": false, "::1": false, "0.0.0.0": false, "::": false,
		"10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "100.64.0.1": false,
		"169.254.169.254": false, "fe80::1": false, "fd00:ec2::254": false, "fc00::1": false, "fec0::1": false,
		"224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false,
		"2002:7f00:1::": false, "64:ff9b::7f00:1": false, "64:ff9b:1::a00:1": false, "2001:0:1::": false,
		"::ffff:10.0.0.1": false, "::ffff:9.9.9.9": false, "::127.0.0.1": false, "2001:db8::1": false,
		"fe80::1%eth0": false, "2620:fe::fe%eth0": false, "192.0.0.192": false, "198.18.0.1": false,
	} {
		t.Run(address, func(t *testing.T) {
			if got := isPublic(netip.MustParseAddr(address)); got != public {
				t.Errorf("public: %v", got)
			}
		})
	}
}

func TestNamesOfInnerServersAreRefused(t *testing.T) {
	w := newWorld(t)
	for name, answers := range map[string][]string{
		"loopback.test": {"127.0.0.1"}, "metadata.test": {"169.254.169.254"}, "ula.test": {"fd00::1"},
		"mapped.test": {"::ffff:127.0.0.1"}, "nat64.test": {"64:ff9b::a00:1"}, "several.test": {"10.0.0.1", "::1"},
	} {
		w.names.Name(name, answers...)
	}
	for _, target := range []string{
		"https://loopback.test/", "https://metadata.test/", "https://ula.test/", "https://mapped.test/", "https://nat64.test/",
		"https://several.test/", "https://127.0.0.1/", "https://[::1]/", "https://localhost/", "https://2130706433/",
		"http://loopback.test/", "https://loopback.test:8443/", "https://user@loopback.test/", "file:///etc/passwd",
	} {
		t.Run(target, func(t *testing.T) {
			if _, err := w.get(t.Context(), target); !errors.Is(err, ErrForbidden) {
				t.Errorf("asked: %v", err)
			}
		})
	}
}

// The name changes its address after it was checked: the connection goes to the address that was checked.
func TestANameThatChangesItsMindGainsNothing(t *testing.T) {
	w := newWorld(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	w.serve("rebind.test", answering([]byte("outer"), nil))
	w.names.Name("rebind.test", "127.0.0.1")
	r, err := w.get(t.Context(), "https://rebind.test/")
	if err != nil || string(r.body) != "outer" || len(w.names.Asked()) != 1 {
		t.Fatalf("%q, %v, %d lookups", r.body, err, len(w.names.Asked()))
	}
	if _, err := w.get(t.Context(), "https://rebind.test/"); !errors.Is(err, ErrForbidden) {
		t.Errorf("the second answer of the resolver was dialled: %v", err)
	}
}

// At the socket itself an address that was not checked is refused.
func TestTheSocketLooksAgain(t *testing.T) {
	w := newWorld(t)
	if _, err := w.connect(t.Context(), netip.MustParseAddr("127.0.0.1")); !errors.Is(err, ErrForbidden) {
		t.Errorf("connected: %v", err)
	}
}

func TestRedirectsAreCheckedEachTime(t *testing.T) {
	w := newWorld(t)
	w.serve("goal.test", answering([]byte("here"), nil))
	w.names.Name("inner.test", "192.168.0.1")
	w.serve("hops.test", func(out http.ResponseWriter, r *http.Request) {
		n := strings.TrimPrefix(r.URL.Path, "/")
		if n == "" || n == "0" {
			http.Redirect(out, r, "https://goal.test/", http.StatusFound)
			return
		}
		http.Redirect(out, r, "/"+string(n[0]-1), http.StatusMovedPermanently)
	})
	w.serve("to.test", func(out http.ResponseWriter, r *http.Request) {
		http.Redirect(out, r, r.URL.Query().Get("u"), http.StatusFound)
	})
	for target, good := range map[string]bool{
		"https://hops.test/0": true, "https://hops.test/2": true, "https://hops.test/3": false,
		"https://to.test/?u=http://goal.test/": false, "https://to.test/?u=https://goal.test:444/": false,
		"https://to.test/?u=https://127.0.0.1/": false, "https://to.test/?u=https://inner.test/": false,
		"https://to.test/?u=https://localhost/": false, "https://to.test/?u=ftp://goal.test/": false,
	} {
		t.Run(target, func(t *testing.T) {
			r, err := w.get(t.Context(), target)
			if (err == nil && string(r.body) == "here") != good {
				t.Errorf("%q, %v", r.body, err)
			}
		})
	}
}

func TestATarpitEndsWithTheBudget(t *testing.T) {
	w := newWorld(t)
	w.Budget = 100 * time.Millisecond
	w.serve("tarpit.test", func(out http.ResponseWriter, r *http.Request) {
		out.Write([]byte("a"))
		out.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	if _, err := w.get(t.Context(), "https://tarpit.test/"); err == nil || !strings.Contains(err.Error(), "no whole answer within") {
		t.Errorf("%v", err)
	}
}

func TestAnAnswerIsAtMostOneMegabyte(t *testing.T) {
	w := newWorld(t)
	w.serve("full.test", answering(make([]byte, maxAnswer), nil))
	w.serve("big.test", answering(make([]byte, maxAnswer+1), nil))
	if r, err := w.get(t.Context(), "https://full.test/"); err != nil || len(r.body) != maxAnswer {
		t.Errorf("%d bytes, %v", len(r.body), err)
	}
	if _, err := w.get(t.Context(), "https://big.test/"); err == nil {
		t.Error("a larger answer was taken")
	}
}

func TestACertificateForAnotherNameIsRefused(t *testing.T) {
	w := newWorld(t)
	address := w.serve("other.test", answering([]byte("x"), nil))
	w.names.Name("victim.test", address.String())
	if _, err := w.get(t.Context(), "https://victim.test/"); err == nil {
		t.Error("taken")
	}
}

func TestTheProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("ALL_PROXY", "http://127.0.0.1:1")
	w := newWorld(t)
	w.serve("direct.test", answering([]byte("here"), nil))
	if r, err := w.get(t.Context(), "https://direct.test/"); err != nil || string(r.body) != "here" {
		t.Errorf("%q, %v", r.body, err)
	}
}
