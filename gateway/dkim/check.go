package dkim

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
)

// Finding is what the DNS says about a key of ours.
type Finding string

// The findings.
const (
	Published   Finding = "published"
	Testing     Finding = "testing"     // published, and says that the domain only tests (t=y)
	Missing     Finding = "missing"     // no record, or none that is a key
	Different   Finding = "different"   // the record of another key
	Withdrawn   Finding = "withdrawn"   // the record says that the key was revoked (p= is empty)
	Several     Finding = "several"     // more than one record
	Unusable    Finding = "unusable"    // the key, under conditions that leave out our signatures
	Unreachable Finding = "unreachable" // the DNS gave no answer
)

// Seen tells whether verifiers find the key.
func (f Finding) Seen() bool { return f == Published || f == Testing }

// Sentence says it to people, and what to do; "" for what is no Finding.
func (f Finding) Sentence() string {
	switch f {
	case Published:
		return "The DNS has the right record."
	case Testing:
		return "The DNS has the right record, with t=y: others treat the signatures as a test. Take t=y out when all is well."
	case Missing:
		return "The DNS has no such record yet. Publish it; a new record can take until the time to live of the zone is over."
	case Different:
		return "The DNS has a record of this name, but with another key. Replace it, or use another selector."
	case Withdrawn:
		return "The record says that the key was withdrawn (p= is empty). Publish the key again, or use another selector."
	case Several:
		return "The DNS has more than one record of this name, and verifiers take any of them. Leave one."
	case Unusable:
		return "The record names the key but leaves out e-mail (s=) or SHA-256 (h=). Publish it as it stands here."
	case Unreachable:
		return "The DNS gave no answer. Try again later."
	}
	return ""
}

// Check asks the DNS whether the record of a key is there.
func Check(ctx context.Context, r Record, resolver Resolver) Finding {
	reply, err := resolver.TXT(ctx, r.Name())
	if errors.Is(err, resolve.ErrNoName) {
		return Missing
	}
	if err != nil {
		return Unreachable
	}
	var keys []map[string]string
	for _, record := range reply.Records {
		if found := tags(record); len(record) <= maxKeyRecord && isKey(found) {
			keys = append(keys, found)
		}
	}
	switch {
	case len(keys) == 0:
		return Missing
	case len(reply.Records) > 1:
		return Several
	}
	return r.judge(keys[0])
}

// isKey tells whether a record is one of a key (RFC 6376, section 3.6.1).
func isKey(found map[string]string) bool {
	version, given := found["v"]
	_, key := found["p"]
	return key && (!given || version == "DKIM1")
}

func (r Record) judge(found map[string]string) Finding {
	switch {
	case found["p"] == "":
		return Withdrawn
	case !r.fits(found):
		return Different
	case !names(found, "s", "email") || !names(found, "h", "sha256"):
		return Unusable
	case slices.Contains(strings.Split(found["t"], ":"), "y"):
		return Testing
	}
	return Published
}

// names tells whether a list in a record has a word, or is not there, or has a star.
func names(found map[string]string, tag, word string) bool {
	list, given := found[tag]
	if !given {
		return true
	}
	words := strings.Split(list, ":")
	return slices.Contains(words, word) || slices.Contains(words, "*")
}
