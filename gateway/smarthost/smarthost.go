// Package smarthost is the SMTP client to the next hop.
//
// A hop, an envelope and a pgpmime.Outgoing enter; one result per recipient leaves: relayed, deferred, failed or
// uncertain (the reply to the final dot was lost). It takes nothing but an Outgoing, so nothing unprotected by accident
// can leave. TLS is verified always; STARTTLS, where asked for, is required. It never retries: that is the queue's.
package smarthost

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// TLS says how the connection is protected.
type TLS string

// The choices; None is for loopback addresses only.
const (
	Implicit TLS = "implicit"
	StartTLS TLS = "starttls"
	None     TLS = "none"
)

// Hop is the next hop.
type Hop struct {
	Address  string // host:port
	TLS      TLS
	Roots    *x509.CertPool // nil means the system's
	Username string         // "" means no authentication
	Password string
	Hello    string        // our name in EHLO
	Timeout  time.Duration // per command and per write, ten times that for the reply to the message; 0 means 60 s
}

// Envelope is what MAIL and RCPT say.
type Envelope struct {
	ReversePath string
	Recipients  []Recipient
	SMTPUTF8    bool
	EnvID       string
	Ret         string
}

// Recipient is one forward-path with its RFC 3461 parameters.
type Recipient struct {
	Address string
	Notify  string
	ORcpt   string
}

// Outcome is how it ended for one recipient.
type Outcome string

// The outcomes.
const (
	Relayed   Outcome = "relayed"
	Deferred  Outcome = "deferred"
	Failed    Outcome = "failed"
	Uncertain Outcome = "uncertain"
)

// Result is the outcome for one recipient, in the envelope's order. Code is an enhanced status code; Reply the remote's
// words, or ours when there was none: one line of printable ASCII, at most 600 bytes.
type Result struct {
	Address string
	Outcome Outcome
	Code    string
	Reply   string
}

// Send makes one attempt over a connection of its own. There is always one result per recipient. It is safe for concurrent use; ctx ends it at any
// step.
func Send(ctx context.Context, hop Hop, e Envelope, o pgpmime.Outgoing) []Result {
	if len(e.Recipients) == 0 {
		return nil
	}
	if reason := unsendable(o); reason != "" {
		return all(e, Result{Outcome: Failed, Code: "5.6.0", Reply: reason})
	}
	c, err := dial(ctx, hop)
	if err != nil {
		return all(e, classify("connect", err))
	}
	defer c.close()
	return c.send(e, o.Bytes())
}

// Check connects, negotiates TLS and authenticates, and says in one sentence what is wrong and what to do.
func Check(ctx context.Context, hop Hop) error {
	c, err := dial(ctx, hop)
	if err != nil {
		return err
	}
	defer c.close()
	c.quit()
	return nil
}

// all gives every recipient the same result.
func all(e Envelope, r Result) []Result {
	results := make([]Result, 0, len(e.Recipients))
	for _, to := range e.Recipients {
		r.Address = to.Address
		results = append(results, r)
	}
	return results
}
