package mailbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/migrations/dbtest"
)

// TestCheckSaysWhatIsWrong: one sentence for each way in which an upstream server does not work.
func TestCheckSaysWhatIsWrong(t *testing.T) {
	d := newDesk(t, dbtest.SQLite(t))
	good, goodPEM := certificate(t, "127.0.0.1", time.Hour)
	expired, expiredPEM := certificate(t, "127.0.0.1", -time.Hour)
	otherName, otherPEM := certificate(t, "192.0.2.1", time.Hour)
	plain, _ := d.serve()
	at := func(c tls.Certificate, mode Mode) string {
		l, s := listen(t), d.server()
		s.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
		background(t, func(ctx context.Context) error { return s.Serve(ctx, l, mode) })
		return l.Addr().String()
	}
	closed := listen(t)
	closed.Close()
	silent := listen(t)
	for name, c := range map[string]struct {
		address, mode, password string
		roots                   *x509.CertPool
		want                    string // "" means well
	}{
		"well, implicit":      {at(good, Implicit), "implicit", "gate", poolOf(t, goodPEM), ""},
		"well, STARTTLS":      {at(good, StartTLS), "starttls", "gate", poolOf(t, goodPEM), ""},
		"well, loopback":      {plain, "none", "gate", nil, ""},
		"login refused":       {plain, "none", "wrong", nil, "refused the login of desk; correct user name or password"},
		"nothing listens":     {closed.Addr().String(), "implicit", "gate", nil, "nothing listens there"},
		"expired":             {at(expired, Implicit), "implicit", "gate", poolOf(t, expiredPEM), "expired; renew it"},
		"expired, STARTTLS":   {at(expired, StartTLS), "starttls", "gate", poolOf(t, expiredPEM), "expired; renew it"},
		"unknown authority":   {at(good, Implicit), "implicit", "gate", poolOf(t, otherPEM), "unknown authority; add"},
		"wrong name":          {at(otherName, Implicit), "implicit", "gate", poolOf(t, otherPEM), "is for another name"},
		"no TLS there":        {plain, "implicit", "gate", nil, "does not speak TLS on this port"},
		"no STARTTLS there":   {plain, "starttls", "gate", nil, "offers no STARTTLS"},
		"clear over network":  {"192.0.2.1:143", "none", "gate", nil, "must be on this machine"},
		"no address":          {"nonsense", "implicit", "gate", nil, "is not host:port"},
		"unknown TLS setting": {plain, "sometimes", "gate", nil, "is not known; choose"},
		"no answer":           {silent.Addr().String(), "none", "gate", nil, "does not answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			err := Check(ctx, Upstream{Address: c.address, TLS: c.mode, Roots: c.roots, Username: "desk", Password: c.password})
			switch {
			case err == nil && c.want != "":
				t.Errorf("no error, want %q", c.want)
			case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %q, want %q", err, c.want)
			}
		})
	}
}

// certificate makes one for an address, signed by itself, that ends after some time.
func certificate(t *testing.T, ip string, ends time.Duration) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: ip}, IPAddresses: []net.IP{net.ParseIP(ip)},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(ends),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
