package bed

import "testing"

// Authority is a certificate for localhost and 127.0.0.1, self-signed, as PEM.
type Authority struct {
	CertPEM, KeyPEM []byte
	CertFile        string // in a temporary folder
	KeyFile         string
}

// NewAuthority makes one, valid for a day.
func NewAuthority(t testing.TB) Authority { panic("skeleton") }

// Dovecot is a running Dovecot with a Maildir per user, password "secret".
type Dovecot struct {
	IMAP, IMAPS, LMTP, SASL string // host:port
	Config                  string // doveadm -c
}

// StartDovecot starts one.
func StartDovecot(t testing.TB, a Authority, users ...string) *Dovecot { panic("skeleton") }

// Deliver puts a message into a user's INBOX by LMTP.
func (d *Dovecot) Deliver(t testing.TB, user string, message []byte) { panic("skeleton") }

// Messages returns the raw messages of a user's folder, oldest first (doveadm fetch).
func (d *Dovecot) Messages(t testing.TB, user, folder string) [][]byte { panic("skeleton") }

// Doveadm runs doveadm with the peer's configuration and returns its output.
func (d *Dovecot) Doveadm(t testing.TB, args ...string) string { panic("skeleton") }

// Postfix is a running smarthost with TLS and AUTH whose mail for desk.test ends in d's mailboxes.
type Postfix struct {
	SMTP string // host:port, STARTTLS and AUTH (SASL by Dovecot)
	Dir  string // postfix -c
}

// StartPostfix starts one.
func StartPostfix(t testing.TB, a Authority, d *Dovecot) *Postfix { panic("skeleton") }
