package gateway

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
	"golang.org/x/net/publicsuffix"
)

// DomainSignatures is what the DKIM signatures of a message said when it arrived; nil when nobody looked. It says which
// domain answers for the message, and never changes the verdict about OpenPGP.
type DomainSignatures []dkim.Result

// DomainVerification judges the DKIM signatures of what arrives. A DNS that gives no answers is left alone for a while, so
// that it does not hold up a whole mailbox. It is safe for concurrent use.
type DomainVerification struct {
	Within time.Duration // for all signatures of one message; 0 means 4 s

	mu         sync.Mutex
	unanswered int // messages in a row
	resumes    time.Time
}

// How a DNS that does not answer is treated.
const (
	defaultVerifyWithin = 4 * time.Second
	attemptsWithin      = 4 // questions to a server that does not answer, or to the next one
	maxUnanswered       = 3 // messages in a row, until it is left alone
	leftAlone           = 30 * time.Second
)

// verifyDomains judges a message as it arrived. A DNS that does not answer is a temperror, never a reason to wait longer
// than Within, nor to refuse.
func (g *Gateway) verifyDomains(ctx context.Context, message []byte) DomainSignatures {
	v := g.Verification
	if g.Resolver == nil || v == nil {
		return nil
	}
	within := v.Within
	if within == 0 {
		within = defaultVerifyWithin
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	hasty := *g.Resolver
	hasty.Timeout = within / attemptsWithin
	asking := &listening{Resolver: &hasty, silent: v.paused(g.Now())}
	results := dkim.Verify(ctx, message, asking)
	v.learn(asking.answered.Load(), asking.unanswered.Load(), g.Now())
	return append(DomainSignatures{}, results...) // not nil: somebody looked
}

func (v *DomainVerification) paused(now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return now.Before(v.resumes)
}

// learn remembers how the DNS did for one message.
func (v *DomainVerification) learn(answered, unanswered bool, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case answered:
		v.unanswered = 0
	case unanswered:
		v.unanswered++
	}
	if v.unanswered >= maxUnanswered {
		v.unanswered, v.resumes = 0, now.Add(leftAlone)
	}
}

// listening asks for one message and notes whether anybody answers. It asks nothing while the DNS is left alone.
type listening struct {
	dkim.Resolver
	silent               bool
	answered, unanswered atomic.Bool
}

// TXT implements dkim.Resolver.
func (l *listening) TXT(ctx context.Context, name string) (resolve.Reply[string], error) {
	if l.silent {
		return resolve.Reply[string]{}, &resolve.Error{Name: name, Type: "TXT", Reason: "it did not answer a moment ago"}
	}
	reply, err := l.Resolver.TXT(ctx, name)
	if none := new(resolve.Error); errors.As(err, &none) && none.Err != nil { // SERVFAIL is an answer
		l.unanswered.Store(true)
	} else {
		l.answered.Store(true)
	}
	return reply, err
}

// Sentences say the results to people, for a message with this From address; none when nobody looked.
func (d DomainSignatures) Sentences(from string) []string {
	if d == nil {
		return nil
	}
	if len(d) == 0 {
		return []string{"none"}
	}
	var all []string
	for _, r := range d {
		all = append(all, domainSentence(r, from))
	}
	return all
}

func domainSentence(r dkim.Result, from string) string {
	of := ""
	if r.Domain != "" {
		of = " (" + r.Domain + ")"
	}
	switch r.Value {
	case dkim.Pass:
		if !sameOrganization(r.Domain, from) {
			return "good from " + r.Domain + ", which is another domain than the sender's"
		}
		return "good from " + r.Domain
	case dkim.Fail:
		return "bad" + of + ": " + plainReason(r.Reason)
	case dkim.TempError:
		return "not checked" + of + ": the DNS gave no answer"
	case dkim.Neutral:
		return "says nothing" + of + ": " + r.Reason
	}
	return "cannot be used" + of + ": " + plainReason(r.Reason)
}

// plainReason says the most usual reasons in words for people; the field keeps the library's.
func plainReason(reason string) string {
	switch {
	case strings.Contains(reason, "no key record"):
		return "the domain has no such key in the DNS"
	case strings.Contains(reason, "body hash did not verify"):
		return "the text is not what was signed"
	case strings.Contains(reason, "signature did not verify"):
		return "it does not fit the header, or is forged"
	}
	return reason
}

// sameOrganization tells whether a domain answers for an address: DMARC's relaxed alignment (RFC 7489, section 3.1.1).
func sameOrganization(domain, from string) bool {
	author := domainToSign(from)
	if author == "" || domain == "" {
		return false
	}
	return author == domain || organization(author) == organization(domain)
}

func organization(domain string) string {
	o, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain // itself a public suffix
	}
	return o
}

// brief is for the activity log: what passed, or the first result.
func (d DomainSignatures) brief() string {
	var passed []string
	for _, r := range d {
		if r.Value == dkim.Pass {
			passed = append(passed, r.Domain)
		}
	}
	switch {
	case d == nil:
		return ""
	case len(passed) > 0:
		return "pass " + strings.Join(passed, " ")
	case len(d) > 0:
		return oneLine(string(d[0].Value) + " " + d[0].Domain)
	}
	return "none"
}
