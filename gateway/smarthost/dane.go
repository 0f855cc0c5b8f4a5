package smarthost

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
)

// Values of TLSA fields (RFC 6698, section 2.1). SMTP knows the usages 2 and 3 only (RFC 7672, section 3.1.3).
const (
	usageTA, usageEE         = 2, 3
	wholeCertificate, itsKey = 0, 1
	exactly, bySHA256        = 0, 1
	bySHA512                 = 2
)

// associations is what the DNS says about the certificate of one server.
type associations struct {
	base    string // the name whose records these are; SNI and one of the names of usage 2
	secure  bool   // there are records, or proof that there are none
	exist   bool
	usable  []resolve.TLSA
	because string // why they cannot be had, where secure is false
}

// findAssociations looks up the TLSA records of a server. They are sought at the name behind secure aliases first
// (RFC 7672, section 2.2.3). An error means that the server must not be used now: records may exist.
func findAssociations(ctx context.Context, r Resolver, host, port string, addresses resolve.Reply[resolve.Address]) (associations, error) {
	if !addresses.Authenticated {
		return associations{because: "the DNS answers about " + words(host) + " are not authenticated"}, nil
	}
	bases := []string{addresses.Name, strings.ToLower(host)}
	if bases[0] == bases[1] || bases[0] == "" {
		bases = bases[1:]
	}
	found := associations{}
	for _, base := range bases {
		reply, err := r.TLSA(ctx, "_"+port+"._tcp."+base)
		if err != nil && !errors.Is(err, resolve.ErrNoName) {
			return associations{}, &problem{dnsTrouble, "whether " + words(base) + " has TLSA records cannot be told now: " + words(err.Error()), err}
		}
		if !reply.Authenticated {
			return associations{because: "the TLSA records of " + words(base) + " are not authenticated"}, nil
		}
		found = associations{base: base, secure: true, exist: len(reply.Records) > 0, usable: usable(reply.Records)}
		if found.exist {
			break
		}
	}
	return found, nil
}

// usable leaves out what nobody can match (RFC 7672, section 3.1).
func usable(records []resolve.TLSA) []resolve.TLSA {
	var kept []resolve.TLSA
	for _, r := range records {
		sized := len(r.Data) > 0
		switch r.Matching {
		case bySHA256:
			sized = len(r.Data) == sha256.Size
		case bySHA512:
			sized = len(r.Data) == sha512.Size
		}
		if sized && (r.Usage == usageTA || r.Usage == usageEE) && r.Selector <= itsKey && r.Matching <= bySHA512 {
			kept = append(kept, r)
		}
	}
	return kept
}

// guard accepts what the records say, for these names where names matter.
func (a associations) guard(names ...string) guard {
	return guard{name: a.base, accept: a.accept(append([]string{a.base}, names...)), by: "DANE", proven: true}
}

// accept is RFC 7672, section 3.1: a key of usage 3 is enough by itself, without name or date; usage 2 names an authority
// in the chain, under which the certificate must be valid for one of the names.
func (a associations) accept(names []string) func([]*x509.Certificate) error {
	return func(chain []*x509.Certificate) error {
		var last error
		for _, r := range a.usable {
			if r.Usage == usageEE && matches(r, chain[0]) {
				return nil
			}
			if r.Usage != usageTA {
				continue
			}
			if err := underAuthority(r, chain, names); err == nil {
				return nil
			} else if !errors.Is(err, errNotInChain) {
				last = err
			}
		}
		if last != nil {
			return last
		}
		return &doubt{fmt.Sprintf("the mail server's TLS certificate matches none of the %d TLSA records of %s; its key is %s", len(a.usable), words(a.base), PinOf(chain[0]))}
	}
}

var errNotInChain = errors.New("the authority is not in the chain")

// underAuthority verifies the chain up to the authority that a record of usage 2 names. That one need not be known to
// anybody else. A whole certificate in the record may be missing in the chain (RFC 7671, section 5.2.2 wants it there, but
// nothing is lost by taking it).
func underAuthority(r resolve.TLSA, chain []*x509.Certificate, names []string) error {
	candidates := chain[1:]
	if r.Selector == wholeCertificate && r.Matching == exactly {
		if c, err := x509.ParseCertificate(r.Data); err == nil {
			candidates = append([]*x509.Certificate{c}, candidates...)
		}
	}
	var last error = errNotInChain
	for _, authority := range candidates {
		if !matches(r, authority) {
			continue
		}
		options := x509.VerifyOptions{Roots: pool([]*x509.Certificate{authority}), Intermediates: pool(chain[1:])}
		if _, last = chain[0].Verify(options); last != nil {
			continue
		}
		if last = forOneOf(chain[0], names); last == nil {
			return nil
		}
	}
	return last
}

// matches compares one record with one certificate.
func matches(r resolve.TLSA, c *x509.Certificate) bool {
	part := c.Raw
	if r.Selector == itsKey {
		part = c.RawSubjectPublicKeyInfo
	}
	switch r.Matching {
	case exactly:
		return bytes.Equal(r.Data, part)
	case bySHA256:
		sum := sha256.Sum256(part)
		return bytes.Equal(r.Data, sum[:])
	case bySHA512:
		sum := sha512.Sum512(part)
		return bytes.Equal(r.Data, sum[:])
	}
	return false
}

// fixedDANE is the guard of a fixed hop that must prove itself by TLSA records.
func fixedDANE(ctx context.Context, r Resolver, host, port string) (guard, error) {
	addresses, err := r.Addresses(ctx, host)
	if err != nil {
		return guard{}, &problem{dnsTrouble, "the address of " + words(host) + " cannot be found: " + words(err.Error()), err}
	}
	found, err := findAssociations(ctx, r, host, port, addresses)
	if err != nil {
		return guard{}, err
	}
	return found.required(host)
}

// required is the guard of a policy that wants DANE and nothing less.
func (a associations) required(host string, names ...string) (guard, error) {
	reason := ""
	switch {
	case !a.secure:
		reason = a.because + "; a resolver that validates DNSSEC and is trusted is needed, and a signed zone"
	case !a.exist:
		reason = "there are no TLSA records for " + words(host)
	case len(a.usable) == 0:
		reason = "none of the TLSA records of " + words(a.base) + " can be used for mail"
	default:
		return a.guard(names...), nil
	}
	return guard{}, &problem{tlsTrouble, "DANE is required and unavailable: " + reason, nil}
}
