package smarthost_test

import (
	"context"
	"crypto"
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
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/gateway/smarthost"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
)

// issuer is an authority that makes certificates for any name.
type issuer struct {
	t     *testing.T
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	roots *x509.CertPool
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t, roots: x509.NewCertPool()}
	i.cert, i.key = i.make(nil, nil, time.Hour)
	i.roots.AddCert(i.cert)
	return i
}

func (i *issuer) make(parent *x509.Certificate, names []string, life time.Duration) (*x509.Certificate, *ecdsa.PrivateKey) {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, DNSNames: names,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(life), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	signer := crypto.Signer(i.key)
	if parent == nil {
		parent, signer = template, key
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		template.Subject.CommonName = "test authority"
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		i.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return c, key
}

// leaf makes a certificate with its chain.
func (i *issuer) leaf(life time.Duration, names ...string) tls.Certificate {
	c, key := i.make(i.cert, names, life)
	return tls.Certificate{Certificate: [][]byte{c.Raw, i.cert.Raw}, PrivateKey: key, Leaf: c}
}

// world is a DNS, an authority, and mail servers at addresses of 203.0.113.0/24.
type world struct {
	t   *testing.T
	dns *dnstest.Server
	ca  *issuer

	mu       sync.Mutex
	standing map[netip.Addr]string
	dialled  []string
}

func newWorld(t *testing.T, records ...string) *world {
	return &world{t: t, dns: dnstest.Start(t, records...), ca: newIssuer(t), standing: map[netip.Addr]string{}}
}

// dial connects to where an address of the world really is.
func (w *world) dial(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	real, known := w.standing[address.Addr()]
	w.dialled = append(w.dialled, address.Addr().String())
	w.mu.Unlock()
	if !known {
		return nil, io.ErrUnexpectedEOF
	}
	return new(net.Dialer).DialContext(ctx, "tcp", real)
}

// route sends by MX through this world.
func (w *world) route(policy smarthost.Policy) smarthost.Route {
	return smarthost.Route{Exchanges: &smarthost.Exchanges{
		Resolver: w.dns.Client(), Policy: policy, Roots: w.ca.roots, Hello: "sealgate.test", Timeout: 5 * time.Second, Dial: w.dial,
	}}
}

// exchanger is a mail server made with go-smtp that takes all mail unless it is told otherwise.
type exchanger struct {
	rcpt, data, mail error
	requireTLS, dsn  bool

	mu  sync.Mutex
	got []string // "TLS name from to[ REQUIRETLS]" of each message
}

// serve puts one at an address. Without a certificate it offers no TLS.
func (w *world) serve(ip string, x *exchanger, certificate ...tls.Certificate) *exchanger {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	s := smtp.NewServer(x)
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableREQUIRETLS, s.EnableDSN = x.requireTLS, x.dsn
	if len(certificate) > 0 {
		s.TLSConfig = &tls.Config{Certificates: certificate}
	}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }() //nolint:errcheck // it ends with the test
	w.t.Cleanup(func() { s.Close(); <-done })
	w.standing[netip.MustParseAddr(ip)] = l.Addr().String()
	return x
}

// NewSession implements smtp.Backend.
func (x *exchanger) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &exchange{exchanger: x, conn: c}, nil
}

func (x *exchanger) received() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]string{}, x.got...)
}

type exchange struct {
	*exchanger
	conn *smtp.Conn
	said string
}

func (e *exchange) Mail(from string, o *smtp.MailOptions) error {
	e.said = "clear"
	if state, ok := e.conn.TLSConnectionState(); ok {
		e.said = "TLS " + state.ServerName
	}
	e.said += " " + from
	if o.RequireTLS {
		e.said += " REQUIRETLS"
	}
	return e.mail
}

func (e *exchange) Rcpt(to string, _ *smtp.RcptOptions) error {
	if e.rcpt != nil {
		return e.rcpt
	}
	e.said += " " + to
	return nil
}

func (e *exchange) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if e.data != nil {
		return e.data
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got = append(e.got, e.said)
	return nil
}

func (e *exchange) Reset()        {}
func (e *exchange) Logout() error { return nil }

func later(sentence string) error {
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: sentence}
}
