package bed

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
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
)

// Internet is a small internet on loopback: names, and TLS servers under an authority of its own. Each server has an
// address of the documentation range 203.0.113.0/24, and Standing tells where it really listens. It is a resolver, safe
// for concurrent use once its servers are there.
type Internet struct {
	Roots    *x509.CertPool
	Standing map[netip.Addr]netip.AddrPort

	t   testing.TB
	ca  *x509.Certificate
	key *ecdsa.PrivateKey

	mu      sync.Mutex
	answers map[string][][]netip.Addr
	broken  map[string]bool
	asked   []string
}

// NewInternet makes one that holds nothing.
func NewInternet(t testing.TB) *Internet {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("make TLS key: %v", err)
	}
	n := &Internet{
		Roots: x509.NewCertPool(), Standing: map[netip.Addr]netip.AddrPort{}, t: t, key: key,
		answers: map[string][][]netip.Addr{}, broken: map[string]bool{},
	}
	n.ca = n.certificate(nil, "test CA")
	n.Roots.AddCert(n.ca)
	return n
}

// certificate signs one for a name with the authority, or makes the authority.
func (n *Internet) certificate(ca *x509.Certificate, name string) *x509.Certificate {
	n.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ca == nil {
		template.DNSNames, template.ExtKeyUsage = nil, nil
		template.KeyUsage, template.IsCA, template.BasicConstraintsValid = x509.KeyUsageCertSign, true, true
		ca = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, n.key.Public(), n.key)
	if err != nil {
		n.t.Fatalf("make TLS certificate: %v", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		n.t.Fatalf("read TLS certificate: %v", err)
	}
	return c
}

// Serve puts a TLS server under a name and returns its address.
func (n *Internet) Serve(name string, h http.HandlerFunc) netip.Addr {
	n.t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{n.certificate(n.ca, name).Raw}, PrivateKey: n.key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	n.t.Cleanup(s.Close)
	address := netip.AddrFrom4([4]byte{203, 0, 113, byte(len(n.Standing) + 1)})
	n.Standing[address] = netip.MustParseAddrPort(s.Listener.Addr().String())
	n.Name(name, address.String())
	return address
}

// Name gives a name one more set of addresses. Each lookup takes the next set; the last one stays.
func (n *Internet) Name(name string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var set []netip.Addr
	for _, a := range addresses {
		set = append(set, netip.MustParseAddr(a))
	}
	n.answers[name] = append(n.answers[name], set)
}

// Break makes every lookup of a name fail for a while.
func (n *Internet) Break(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.broken[name] = true
}

// Asked returns the names that were looked up and have an answer, in order.
func (n *Internet) Asked() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string{}, n.asked...)
}

// LookupNetIP answers like net.Resolver. It expects to be asked for ip4 first, then for ip6.
func (n *Internet) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
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
	if network == "ip6" {
		n.asked = append(n.asked, host)
		if len(answers) > 1 {
			n.answers[host] = answers[1:]
		}
	}
	return found, nil
}
