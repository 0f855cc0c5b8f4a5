package discover

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"go.uber.org/goleak"
)

// noon is the time of every story.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// world is a small internet: names, TLS servers under a test CA, and a Network that knows both.
type world struct {
	*Network
	t     testing.TB
	ca    *x509.Certificate
	key   *ecdsa.PrivateKey
	names *names
}

// names is a resolver. Each lookup of a name takes the next of its answers; the last one stays.
type names struct {
	mu      sync.Mutex
	answers map[string][][]netip.Addr
	broken  map[string]bool
	asked   []string
}

// LookupNetIP implements Resolver.
func (n *names) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	host = strings.TrimSuffix(host, ".")
	if n.broken[host] {
		return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
	}
	answers := n.answers[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var found []netip.Addr
	for _, a := range answers[0] {
		if a.Is4() == (network == "ip4") {
			found = append(found, a)
		}
	}
	if network == "ip6" { // asked after ip4
		n.asked = append(n.asked, host)
		if len(answers) > 1 {
			n.answers[host] = answers[1:]
		}
	}
	return found, nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, key: key, names: &names{answers: map[string][][]netip.Addr{}, broken: map[string]bool{}}}
	w.ca = w.certificate(nil, "test CA")
	roots := x509.NewCertPool()
	roots.AddCert(w.ca)
	w.Network = &Network{Resolver: w.names, Roots: roots, Standing: map[netip.Addr]netip.AddrPort{}}
	return w
}

// certificate signs one for a name with the CA, or makes the CA.
func (w *world) certificate(ca *x509.Certificate, name string) *x509.Certificate {
	w.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ca == nil {
		template.DNSNames, template.KeyUsage, template.IsCA, template.BasicConstraintsValid = nil, x509.KeyUsageCertSign, true, true
		template.ExtKeyUsage = nil
		ca = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, w.key.Public(), w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// serve puts a TLS server under a name, at a documentation address of its own.
func (w *world) serve(name string, h http.HandlerFunc) netip.Addr {
	w.t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{w.certificate(w.ca, name).Raw}, PrivateKey: w.key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	w.t.Cleanup(s.Close)
	address := netip.AddrFrom4([4]byte{203, 0, 113, byte(len(w.Standing) + 1)})
	w.Standing[address] = netip.MustParseAddrPort(s.Listener.Addr().String())
	w.names.answers[name] = [][]netip.Addr{{address}}
	return address
}

func (w *world) resolve(name string, answers ...string) {
	var addresses []netip.Addr
	for _, a := range answers {
		addresses = append(addresses, netip.MustParseAddr(a))
	}
	w.names.answers[name] = append(w.names.answers[name], addresses)
}

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
