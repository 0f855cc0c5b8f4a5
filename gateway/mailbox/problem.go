package mailbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// problem is what is wrong with an upstream server, for people; the cause is for the log.
type problem struct {
	sentence string
	cause    error
	// login is set when the server refused user name and password: trying again soon could lock the account.
	login bool
}

// Error is one sentence: what is wrong and what to do.
func (p *problem) Error() string { return p.sentence }

// Unwrap returns the cause.
func (p *problem) Unwrap() error { return p.cause }

// refused marks the server's answer to a login.
type refused struct{ error }

// Unwrap returns the answer.
func (r *refused) Unwrap() error { return r.error }

// explain words an error of connect. What the server itself said stays out: it may repeat what we sent.
func (u Upstream) explain(err error) error {
	p := &problem{cause: err}
	var login *refused
	var certificate *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.As(err, &login):
		p.login = true
		p.sentence = fmt.Sprintf("The IMAP server %s refused the login of %s; correct user name or password in the mailbox settings.", u.Address, u.Username)
	case errors.As(err, &certificate):
		p.sentence = u.explainCertificate(err)
	case errors.As(err, &notTLS):
		p.sentence = fmt.Sprintf("The IMAP server %s does not speak TLS on this port; choose starttls, or the port for implicit TLS (usually 993).", u.Address)
	case u.TLS == "starttls" && isRefusal(err):
		p.sentence = fmt.Sprintf("The IMAP server %s offers no STARTTLS; choose implicit TLS (usually port 993) in the mailbox settings.", u.Address)
	case errors.As(err, &dns):
		p.sentence = fmt.Sprintf("The name of the IMAP server %s cannot be found; correct it in the mailbox settings, or check DNS.", u.Address)
	case errors.Is(err, syscall.ECONNREFUSED):
		p.sentence = fmt.Sprintf("Cannot connect to the IMAP server %s: nothing listens there; check address and port, and that the server runs.", u.Address)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		p.sentence = fmt.Sprintf("The IMAP server %s does not answer in time; check address, port and firewall.", u.Address)
	default:
		p.sentence = fmt.Sprintf("Cannot talk to the IMAP server %s; check address, port, TLS setting and that it is an IMAP server.", u.Address)
	}
	return p
}

func (u Upstream) explainCertificate(err error) string {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		// Go uses this one reason for both ends of the validity.
		if invalid.Cert != nil && time.Now().Before(invalid.Cert.NotBefore) {
			return fmt.Sprintf("The certificate of the IMAP server %s is not valid before %s; check the clock of this machine, or renew the certificate there.", u.Address, invalid.Cert.NotBefore.Format(time.DateOnly))
		}
		return fmt.Sprintf("The certificate of the IMAP server %s expired; renew it there.", u.Address)
	case errors.As(err, &unknown):
		return fmt.Sprintf("The certificate of the IMAP server %s comes from an unknown authority; add that authority's certificate to the mailbox settings.", u.Address)
	case errors.As(err, &name):
		return fmt.Sprintf("The certificate of the IMAP server %s is for another name; use a name that stands in the certificate, or renew it there.", u.Address)
	}
	return fmt.Sprintf("The certificate of the IMAP server %s is not valid; renew it there.", u.Address)
}
