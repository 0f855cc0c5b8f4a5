// Package smarthost is the SMTP client to the next hop.
//
// A route, an envelope and a pgpmime.Outgoing enter; one result per recipient leaves: relayed, deferred, failed or
// uncertain (the reply to the final dot was lost). It takes nothing but an Outgoing, so nothing unprotected by accident
// can leave. It never retries: that is the queue's.
//
// There are two kinds of route. A fixed Hop is a mail server that an administrator named; its TLS is verified unless it
// is said to be opportunistic, and a login is said only after that, or on loopback. Exchanges are the mail servers that the
// DNS names for each recipient's domain (RFC 5321, section 5.1); an attempt goes from one to the next while what went
// wrong lies before the final dot, and never after it. What such a server must show is the Policy's: nothing, TLS, a name,
// a pin, DANE (RFC 7672) or MTA-STS (RFC 8461). A policy that asks for something fails closed; none of them falls back to
// clear. DANE rests on the word of a resolver that was said to validate (package resolve); without one it is unavailable.
//
// What the hop cannot take is said before anything is sent: its size (5.3.4), 8-bit content (5.6.3), addresses and headers
// outside ASCII (5.6.7; a domain alone is written as A-labels instead), REQUIRETLS (5.7.30). DSN parameters are carried on
// where the hop offers DSN; Result.DSN tells the queue where it does not. BDAT is not used.
//
// Its children know one thing each: resolve asks the DNS, mtasts keeps the policies of domains, oauth keeps the token of a
// login (an oauth.Source is a TokenSource).
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
	Implicit      TLS = "implicit"
	StartTLS      TLS = "starttls"
	Opportunistic TLS = "opportunistic" // STARTTLS with anybody, and in clear where that is not to be had; there is no login then
	None          TLS = "none"

	inClear TLS = "clear" // where a policy allows it, to any address
)

// Hop is the next hop.
type Hop struct {
	Address   string // host:port
	TLS       TLS
	Roots     *x509.CertPool // nil means the system's
	Pins      []Pin          // with any: the server's key is one of these, whatever its certificate says
	DANE      Resolver       // with one: the certificate is what the TLSA records of the address say (RFC 7672), else nothing is sent
	Username  string         // "" means no authentication
	Password  string
	Tokens    TokenSource   // with one: the login is by OAuth, and Password is not used
	Mechanism string        // the only SASL mechanism to use; "" means the strongest that both know
	Hello     string        // our name in EHLO
	Timeout   time.Duration // per command and per write, ten times that for the reply to the message; 0 means 60 s
}

// Envelope is what MAIL and RCPT say.
type Envelope struct {
	ReversePath string
	Recipients  []Recipient
	SMTPUTF8    bool
	RequireTLS  bool // RFC 8689: only verified TLS, and only to servers that promise the same
	EnvID       string
	Ret         string
	Signatures  string // fields that go in front of the message, each ending in CRLF: DKIM-Signature, and our marker against loops
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
	Host    string // who said it; "" when we did before there was a connection
	TLS     string // how that connection was protected, in words; "in clear" when it was not
	DSN     bool   // the hop offers DSN (RFC 3461), so it was asked for what the envelope asks; else that is for us to do

	// Limit is the largest message that the hop takes, in bytes; 0 when it did not say.
	Limit int64

	next bool // another server may be asked: the final dot has not left
}

// Send makes one attempt over a connection of its own. There is always one result per recipient. It is safe for concurrent use; ctx ends it at any
// step.
func Send(ctx context.Context, hop Hop, e Envelope, o pgpmime.Outgoing) []Result {
	if len(e.Recipients) == 0 {
		return nil
	}
	if reason := unsendable(e, o); reason != "" {
		return all(e, Result{Outcome: Failed, Code: "5.6.0", Reply: reason})
	}
	c, err := dial(ctx, hop)
	if err != nil {
		return all(e, e.notConnected(err))
	}
	defer c.close()
	return c.send(e, o.Bytes())
}

// notConnected is the result of an attempt that came to no dialogue. A message that demands REQUIRETLS does not wait for
// a server without TLS (RFC 8689, section 4.2.1).
func (e Envelope) notConnected(err error) Result {
	r := classify("connect", err)
	if e.RequireTLS && r.Code == tlsMissing {
		r.Outcome, r.Code, r.Reply = Failed, noRequireTLS, "the message demands REQUIRETLS: "+r.Reply
	}
	return r
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
