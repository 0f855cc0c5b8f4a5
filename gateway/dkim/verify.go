package dkim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
)

// Limits of verification.
const (
	maxSignatures = 10
	maxKeyRecord  = 4096 // bytes; the key in it stays cheap to use
)

// Verify judges the signatures of a message as it arrived, before anything was added to it. There is one result for each
// of the first 10 signatures, in the order of the fields, and one more, neutral, when there are others.
func Verify(ctx context.Context, message []byte, r Resolver) (results []Result) {
	defer func() {
		if recover() != nil { // of the library: it must not end more than this message
			results = []Result{{Value: PermError, Reason: "the signature could not be read"}}
		}
	}()
	header, err := headerOf(message)
	if err != nil {
		return []Result{{Value: PermError, Reason: err.Error()}}
	}
	signatures := header["dkim-signature"]
	if len(signatures) == 0 {
		return nil
	}
	keys := &keyring{ctx: ctx, resolver: r}
	verified, err := dkim.VerifyWithOptions(bytes.NewReader(message), &dkim.VerifyOptions{LookupTXT: keys.lookup, MaxVerifications: maxSignatures})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return []Result{{Value: PermError, Reason: safe(err.Error())}}
	}
	for i, v := range verified {
		results = append(results, judge(v, tags(signatures[i]), keys, twice(header)))
	}
	if extra := len(signatures) - len(verified); extra > 0 {
		results = append(results, Result{Value: Neutral, Reason: fmt.Sprintf("%d more signatures were not looked at", extra)})
	}
	return results
}

// judge turns the library's finding into a result, and adds the rules that it does not know.
func judge(v *dkim.Verification, tags map[string]string, keys *keyring, twice string) Result {
	r := Result{Value: Pass, Domain: safe(strings.ToLower(tags["d"])), Selector: safe(tags["s"])}
	refuse := func(value Value, reason string) Result {
		r.Value, r.Reason = value, safe(reason)
		return r
	}
	key := keys.record(tags["s"] + "._domainkey." + tags["d"])
	switch {
	case dkim.IsTempFail(v.Err):
		return refuse(TempError, v.Err.Error())
	case dkim.IsPermFail(v.Err):
		return refuse(PermError, v.Err.Error())
	case v.Err != nil && flagged(key, "y"): // RFC 6376, section 3.6.1: a domain that tests is not blamed
		return refuse(Neutral, "the domain only tests: "+v.Err.Error())
	case v.Err != nil:
		return refuse(Fail, v.Err.Error())
	case twice != "":
		return refuse(PermError, "the message has more than one "+twice+" field")
	case flagged(key, "s") && !strings.EqualFold(domainOf(v.Identifier), v.Domain):
		return refuse(PermError, "the key is not for names below its domain")
	}
	return r
}

// twice names a field that must stand alone and does not, "" when all is well. QUIRK: some senders write MIME-Version
// twice, and no reader cares.
func twice(header map[string][]string) string {
	for _, name := range alone() {
		if len(header[strings.ToLower(name)]) > 1 && name != "MIME-Version" {
			return name
		}
	}
	return ""
}

func domainOf(identifier string) string {
	return identifier[strings.LastIndexByte(identifier, '@')+1:]
}

// tags reads a tag list (RFC 6376, section 3.2), blanks left out.
func tags(list string) map[string]string {
	all := map[string]string{}
	for tag := range strings.SplitSeq(list, ";") {
		name, value, _ := strings.Cut(tag, "=")
		name = strings.TrimSpace(name)
		if _, known := all[name]; !known {
			all[name] = strings.Join(strings.Fields(value), "")
		}
	}
	return all
}

// flagged tells whether a key record carries a flag.
func flagged(record, flag string) bool {
	for f := range strings.SplitSeq(tags(record)["t"], ":") {
		if f == flag {
			return true
		}
	}
	return false
}

// safe makes a stranger's words one short line of printable ASCII.
func safe(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.TrimPrefix(s, "dkim: "))
	return s[:min(len(s), 255)]
}

// errNoKey is for names without one usable record.
var errNoKey = errors.New("no key record")

// temporary is what the library wants to see for an error that may pass.
type temporary struct{ error }

func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

var _ interface{ Temporary() bool } = temporary{}

func lookupError(err error) error {
	if errors.Is(err, resolve.ErrNoName) {
		return errNoKey
	}
	return temporary{err}
}
