// Package bed starts real mail peers on loopback for tests: Dovecot, Postfix, gpg. It is imported by tests only.
//
// Every peer gets a temporary folder and ports from the kernel, and is stopped by its test through its own pid. Where a
// peer is not installed the test is skipped, or failed when SEALGATE_PEERS=required (make test).
package bed

import "testing"

// Need skips the test, or fails it when SEALGATE_PEERS=required, unless every program is installed.
func Need(t testing.TB, programs ...string) { panic("skeleton") }

// Dir returns a temporary folder with a short path (Unix sockets), removed when the test ends.
func Dir(t testing.TB) string { panic("skeleton") }

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

// GPG is a GnuPG home folder of its own.
type GPG struct{ Home string }

// NewGPG makes one; its agent is stopped when the test ends.
func NewGPG(t testing.TB) *GPG { panic("skeleton") }

// Run runs gpg --batch with stdin and returns stdout and the --status-fd lines; a non-zero exit fails the test.
func (g *GPG) Run(t testing.TB, stdin []byte, args ...string) (stdout []byte, status string) {
	panic("skeleton")
}

// Generate makes a key without passphrase for a user ID ("Name <address>") and returns its fingerprint. algo is as
// for gpg --quick-gen-key, "" means "ed25519+cv25519".
func (g *GPG) Generate(t testing.TB, userID, algo string) string { panic("skeleton") }

// Export and ExportSecret return armored keys.
func (g *GPG) Export(t testing.TB, id string) []byte { panic("skeleton") }

// ExportSecret returns the armored secret key.
func (g *GPG) ExportSecret(t testing.TB, id string) []byte { panic("skeleton") }

// Import imports keys and trusts them ultimately.
func (g *GPG) Import(t testing.TB, keys []byte) { panic("skeleton") }

// PGPMIME returns an RFC 3156 message that gpg signed and/or encrypted: headers are the outer header lines, body a MIME
// entity with its own Content-Type. sign is a user ID or "", to are recipients or none.
func (g *GPG) PGPMIME(t testing.TB, headers string, body []byte, sign string, to ...string) []byte {
	panic("skeleton")
}

// Read opens an RFC 3156 message with gpg alone and returns the inner MIME entity and gpg's status lines.
func (g *GPG) Read(t testing.TB, message []byte) (entity []byte, status string) { panic("skeleton") }
