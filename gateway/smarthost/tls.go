package smarthost

import (
	"bufio"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strings"
	"time"
)

// askForTLS is the dialogue in clear that ends with STARTTLS (RFC 3207). The library's own says another name than ours,
// waits for minutes, and overlooks bytes that somebody on the way put behind the server's reply.
func (c *connection) askForTLS(hello string) error {
	buffered := bufio.NewReader(c.wire)
	r := textproto.NewReader(buffered)
	ask := func(command string, want int) (string, error) {
		if command != "" {
			if _, err := io.WriteString(c.wire, command+"\r\n"); err != nil {
				return "", err
			}
		}
		c.wire.SetReadDeadline(time.Now().Add(c.wire.timeout)) //nolint:errcheck // reading fails then too
		_, reply, err := r.ReadResponse(want)
		return reply, err
	}
	if _, err := ask("", 220); err != nil {
		return clearProblem(err)
	}
	offered, err := ask("EHLO "+hello, 250)
	if err != nil {
		return clearProblem(err)
	}
	if buffered.Buffered() > 0 {
		return tooEarly()
	}
	if !offers(offered, "STARTTLS") {
		return &problem{tlsMissing, "the mail server does not offer STARTTLS, and without TLS nothing is sent; check the port, or choose implicit", nil}
	}
	if _, err := ask("STARTTLS", 220); err != nil {
		return startProblem(err)
	}
	if buffered.Buffered() > 0 {
		return tooEarly()
	}
	return nil
}

func tooEarly() error {
	return &problem{tlsTrouble, "the mail server said more than it should before TLS began; somebody may be on the line", nil}
}

// handshakeError marks a handshake that failed, so that opportunistic TLS can do without.
type handshakeError struct{ error }

func (h *handshakeError) Unwrap() error { return h.error }

// offers tells whether an EHLO reply names an extension; its first line is the greeting.
func offers(reply, extension string) bool {
	lines := strings.Split(reply, "\n")
	for _, l := range lines[1:] {
		if keyword, _, _ := strings.Cut(l, " "); strings.EqualFold(keyword, extension) {
			return true
		}
	}
	return false
}

// clearProblem tells why the dialogue before TLS failed.
func clearProblem(err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return &problem{lost, "the mail server did not let us in: " + words(answer.Error()), err}
	}
	return &problem{lost, "the mail server did not greet as it should; check address, port and TLS choice", err}
}

// startProblem tells why STARTTLS failed.
func startProblem(err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return &problem{tlsMissing, "the mail server refused STARTTLS, and without TLS nothing is sent: " + words(answer.Error()), err}
	}
	return &problem{lost, "the connection to the mail server was lost at STARTTLS", err}
}

// handshakeProblem names what is wrong with a certificate, or says that there is no TLS.
func handshakeProblem(err error, host string) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var doubt *doubt
	sentence := "the mail server does not speak TLS 1.2 or newer on this port; check the port and the TLS choice"
	switch {
	case errors.As(err, &doubt):
		sentence = doubt.sentence
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		sentence = outsideItsTime(invalid.Cert)
	case errors.As(err, &invalid):
		sentence = "the mail server's TLS certificate cannot be used: " + words(invalid.Error())
	case errors.As(err, &name):
		sentence = fmt.Sprintf("the mail server's TLS certificate is for %s, not for %s; use a name that it is made for", namesOf(name.Certificate), words(host))
	case errors.As(err, &unknown):
		sentence = "the mail server's TLS certificate is from an unknown authority; give its authority's certificate to the mailbox"
	}
	return &problem{tlsTrouble, sentence, &handshakeError{err}}
}

func outsideItsTime(c *x509.Certificate) string {
	if time.Now().Before(c.NotBefore) {
		return "the mail server's TLS certificate is not valid before " + c.NotBefore.UTC().Format(time.DateOnly) + "; check this machine's clock"
	}
	return "the mail server's TLS certificate expired on " + c.NotAfter.UTC().Format(time.DateOnly) + "; have it renewed, or check this machine's clock"
}

// namesOf lists the first names that a certificate is for.
func namesOf(c *x509.Certificate) string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "nobody"
	case len(names) > 3:
		names = append(names[:3], "others")
	}
	return words(strings.Join(names, ", "))
}
