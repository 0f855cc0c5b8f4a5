// Package submission is the SMTP server that ticket systems send through, and the one that mail servers relay through.
//
// An authenticated dialogue enters; one call of Backend.Submit leaves, with the envelope and the message as received;
// its answer becomes the reply to DATA. The package refuses early what can't be right (no TLS, wrong password, foreign
// sender, oversize, bare CR or LF, too many recipients) and decides nothing about keys or policy. While a message is
// being received it stands in a sealed spool file, so that slow senders hold no memory.
package submission

import (
	"context"
	"fmt"
)

// Identity is who logged in: a mailbox of a group.
type Identity struct {
	MailboxID string
	GroupID   string
	Login     string
}

// Presented is what a client presents at AUTH.
type Presented struct {
	Login  string
	Secret string // a password, or a token
	Bearer bool   // it is a token (OAUTHBEARER, XOAUTH2)
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
	RequireTLS   bool // RFC 8689
	EnvID        string
	Ret          string
}

// Submission is one message as received: every line ends in CRLF, no NUL.
type Submission struct {
	Identity Identity
	Envelope Envelope
	Message  []byte
	Remote   string // the client's address, without port
	Hello    string // what the client called itself, printable ASCII
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

// Backend is what stands behind the server. A *Refusal is said as it is; any other error becomes a generic one, and
// its text goes to the log only. Every function is called by many sessions at once.
type Backend struct {
	// Authenticate checks a login; groups.ErrLogin becomes 535, remote is the client's address without port.
	Authenticate func(ctx context.Context, p Presented, remote string) (Identity, error)
	// MaySend checks MAIL FROM for an identity; the null reverse-path is always asked too. size is what the client says of its
	// message, 0 when it says nothing.
	MaySend func(ctx context.Context, id Identity, reversePath string, size int64) error
	// Submit takes the message. nil error means durable.
	Submit func(ctx context.Context, s Submission) (Receipt, error)
	// Relay begins a message of a trusted neighbour, with its envelope before any recipient. Only ServeRelay needs it.
	Relay func(ctx context.Context, peer Peer, e Envelope) (Passage, error)
}
