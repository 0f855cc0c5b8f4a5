// Package submission is the SMTP server that ticket systems send through.
//
// An authenticated dialogue enters; one call of Backend.Submit leaves, with the envelope and the message as received;
// its answer becomes the reply to DATA. The package refuses early what can't be right (no TLS, wrong password, foreign
// sender, oversize, bare CR or LF, too many recipients) and decides nothing about keys or policy. While a message is
// being received it stands in a sealed spool file, so that slow senders hold no memory.
package submission

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/sealgate/sealgate/keyring/seal"
)

// Identity is who logged in: a mailbox of a group.
type Identity struct {
	MailboxID string
	GroupID   string
	Login     string
}

// ForwardPath is one RCPT TO with its RFC 3461 parameters.
type ForwardPath struct {
	Address string // local part quoted where needed, domain as given
	Notify  string
	ORcpt   string
}

// Envelope is the SMTP envelope.
type Envelope struct {
	ReversePath  string // "" is the null reverse-path
	ForwardPaths []ForwardPath
	SMTPUTF8     bool
	EnvID        string
	Ret          string
}

// Submission is one message as received.
type Submission struct {
	Identity Identity
	Envelope Envelope
	Message  []byte
	Remote   string // the client's address
	Hello    string
	TLS      bool
}

// Receipt says that a message is durably ours.
type Receipt struct {
	ArticleID string
}

// Refusal is an answer for people: the agent reads its sentence in the ticket. Code and Enhanced are RFC 5321 and
// RFC 3463 codes; Sentence is one line of plain ASCII that says what is wrong and what to do. Cause goes to the log.
type Refusal struct {
	Code     int
	Enhanced [3]int
	Sentence string
	Cause    error
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%d %d.%d.%d %s", r.Code, r.Enhanced[0], r.Enhanced[1], r.Enhanced[2], r.Sentence)
}

func (r *Refusal) Unwrap() error { return r.Cause }

// Temporary tells whether the client should try again later.
func (r *Refusal) Temporary() bool { return r.Code < 500 }

// Backend is what stands behind the server. Errors that are no *Refusal become a generic 451.
type Backend struct {
	// Authenticate checks a login; groups.ErrLogin-like errors become 535, a *Refusal is said as it is.
	Authenticate func(ctx context.Context, login, password string) (Identity, error)
	// MaySend checks MAIL FROM for an identity; the null reverse-path is always asked too.
	MaySend func(ctx context.Context, id Identity, reversePath string) error
	// Submit takes the message. nil error means durable.
	Submit func(ctx context.Context, s Submission) (Receipt, error)
}

// Server is one SMTP server; it may serve several listeners.
type Server struct {
	Backend         Backend
	Domain          string // our name in the greeting
	TLS             *tls.Config
	MaxMessageBytes int64         // 0 means 50 MiB
	MaxRecipients   int           // 0 means 100
	MaxConnections  int           // at once; 0 means 200
	Budget          int64         // bytes of messages in memory at once over all sessions; 0 means 256 MiB
	Timeout         time.Duration // per command and per read; 0 means 5 min
	Spool           *seal.Spool
	Log             *slog.Logger
}

// Mode is how a listener speaks TLS.
type Mode string

// The modes.
const (
	Implicit Mode = "implicit" // TLS from the first byte (port 465)
	StartTLS Mode = "starttls" // AUTH only after STARTTLS (port 587)
	Plain    Mode = "plain"    // cleartext AUTH; refused unless the listener is on loopback
)

// Serve accepts on l until ctx ends; then it stops accepting, lets running sessions finish their command, and returns
// nil.
func (s *Server) Serve(ctx context.Context, l net.Listener, mode Mode) error { panic("skeleton") }
