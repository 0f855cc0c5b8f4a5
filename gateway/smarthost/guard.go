package smarthost

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// guard is what a server must show in the TLS handshake. The zero guard lets anybody in.
type guard struct {
	name   string // asked for in the handshake (SNI), and said in sentences
	accept func(chain []*x509.Certificate) error
	by     string // what proves the server, in words
	proven bool   // good enough for REQUIRETLS: neither an attacker on the way nor the DNS could have chosen the server
}

// doubt is why a guard refuses, in one sentence: what was expected and what came.
type doubt struct{ sentence string }

func (d *doubt) Error() string { return d.sentence }

// judge implements tls.Config.VerifyConnection.
func (g guard) judge(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("no certificate")
	}
	if g.accept == nil {
		return nil
	}
	return g.accept(state.PeerCertificates)
}

func (g guard) words() string {
	if g.accept == nil {
		return "unverified"
	}
	return "verified by " + g.by
}

// guard says what a fixed hop must show. Who names a server himself has proven it with its certificate.
func (h Hop) guard(ctx context.Context, host, port string) (guard, error) {
	switch {
	case h.TLS == Opportunistic || h.TLS == None:
		return guard{name: host}, nil
	case h.DANE != nil:
		return fixedDANE(ctx, h.DANE, host, port)
	case len(h.Pins) > 0:
		return guard{name: host, accept: onePin(h.Pins), by: "its pinned key", proven: true}, nil
	}
	return guard{name: host, accept: oneName(h.Roots, host), by: "its name", proven: true}, nil
}

// oneName accepts a certificate of a known authority for one of the names (RFC 6125, RFC 7817).
func oneName(roots *x509.CertPool, names ...string) func([]*x509.Certificate) error {
	return func(chain []*x509.Certificate) error {
		options := x509.VerifyOptions{Roots: roots, Intermediates: pool(chain[1:])}
		if _, err := chain[0].Verify(options); err != nil {
			return err
		}
		return forOneOf(chain[0], names)
	}
}

// forOneOf returns the last name's error when the certificate is for none of them.
func forOneOf(c *x509.Certificate, names []string) error {
	err := error(&doubt{"there is no name that the mail server's TLS certificate could be for"})
	for _, name := range names {
		if err = c.VerifyHostname(name); err == nil {
			return nil
		}
	}
	return err
}

func pool(certificates []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certificates {
		p.AddCert(c)
	}
	return p
}
