// Package dkim signs mail that leaves and verifies mail that arrives with DomainKeys Identified Mail (RFC 6376, 8301, 8463).
//
// For signing, a message and keys enter, and DKIM-Signature fields leave that go in front of the message; the message
// itself stays as it is. Both canonicalizations are relaxed. The body is signed whole, never up to a length (l=). Fields
// that a reader acts on are signed once more than they occur, so that nobody can add another one.
//
// For verifying, a message enters and one Result per signature leaves, with the values of RFC 8601. A pass says that the
// domain answers for this message; whether that domain has to do with the author is the caller's question (DMARC's
// alignment). A message with two From fields, or two of another field that must stand alone, passes for nobody.
//
// A signature's expiry is compared with this machine's clock. Nothing is cached here.
package dkim

import (
	"context"
	"crypto"
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
)

// Key signs for one domain.
type Key struct {
	Domain   string        // of the author, as A-labels
	Selector string        // the public key stands at SELECTOR._domainkey.DOMAIN
	Signer   crypto.Signer // an Ed25519 key, or an RSA key of at least 2048 bits
}

// Resolver is what this package asks the DNS; a resolve.Client is one.
type Resolver interface {
	TXT(ctx context.Context, name string) (resolve.Reply[string], error)
}

// Value is a result as in RFC 8601, section 2.7.1. Without any signature there are no results ("none").
type Value string

// The values.
const (
	Pass      Value = "pass"
	Fail      Value = "fail"      // the message or the signature was changed, or the signature covers only part of the body
	Neutral   Value = "neutral"   // nothing can be said: not looked at, or the domain only tests
	TempError Value = "temperror" // the DNS gave no answer
	PermError Value = "permerror" // the signature or its key cannot be used
)

// Result is what one signature says. Domain, Selector and Reason come from a stranger, made safe: one line of printable
// ASCII each, at most 255 bytes.
type Result struct {
	Value    Value  `json:"result"`
	Domain   string `json:"domain,omitempty"` // in lower case
	Selector string `json:"selector,omitempty"`
	Reason   string `json:"reason,omitempty"` // in words, "" for pass
}

// String is the result as it stands in an Authentication-Results field (RFC 8601, section 2.2).
func (r Result) String() string {
	s := "dkim=" + string(r.Value)
	if r.Reason != "" {
		s += fmt.Sprintf(" reason=%q", strings.NewReplacer(`"`, "'", `\`, "/").Replace(r.Reason))
	}
	if hostname(r.Domain) {
		s += " header.d=" + r.Domain
	}
	if hostname(r.Selector) {
		s += " header.s=" + r.Selector
	}
	return s
}

// hostname tells whether s is made of labels, so that it can stand in a field or a question as it is.
func hostname(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
