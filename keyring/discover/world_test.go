package discover

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
	"go.uber.org/goleak"
)

// noon is the time of every story.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// world is a small internet, and a Network that knows it.
type world struct {
	*Network
	t     testing.TB
	names *bed.Internet
}

func newWorld(t testing.TB) *world {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	internet := bed.NewInternet(t)
	return &world{t: t, names: internet, Network: &Network{Resolver: internet, Roots: internet.Roots, Standing: internet.Standing}}
}

// serve puts a TLS server under a name, at a documentation address of its own.
func (w *world) serve(name string, h http.HandlerFunc) netip.Addr { return w.names.Serve(name, h) }

// finder asks the world for web key directories, and for a keyserver when one is named.
func (w *world) finder(keyserver string) *Finder {
	return &Finder{Network: w.Network, WKD: true, Keyserver: keyserver, Now: noon}
}

// answering serves the same bytes for every path, and counts.
func answering(body []byte, seen *[]string) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		if seen != nil {
			*seen = append(*seen, r.URL.RequestURI())
		}
		out.Write(body)
	}
}

func missingPage(out http.ResponseWriter, _ *http.Request) {
	http.Error(out, "no", http.StatusNotFound)
}

// newKey makes a key with one user ID for each address.
func newKey(t testing.TB, addresses ...string) *openpgp.Entity {
	t.Helper()
	config := &packet.Config{Time: func() time.Time { return noon().Add(-24 * time.Hour) }}
	e, err := openpgp.NewEntity("", "", addresses[0], config)
	for _, more := range addresses[1:] {
		if err == nil {
			err = e.AddUserId("", "", more, config)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func public(t testing.TB, e *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := e.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func fingerprintOf(e *openpgp.Entity) string { return fmt.Sprintf("%X", e.PrimaryKey.Fingerprint) }

// closedPort is a local address where nobody listens.
func (w *world) closedPort() netip.AddrPort {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}
