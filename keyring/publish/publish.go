// Package publish is the server's half of a web key directory (draft-koch-openpgp-webkey-service): it reads what a client
// asks for, and says what to answer.
//
// Method, host, path and query of an HTTP request enter; a Request leaves, and for what the caller finds an Answer. Both
// methods are understood: the advanced one, asked of openpgpkey.DOMAIN, and the direct one, asked of DOMAIN itself. Every
// part of a request has its limit and its alphabet; whatever is more or else is not there, in the same words as what does
// not exist. The package knows neither certificates nor addresses, and asks neither network nor database.
package publish

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Below is the path that every request of a web key directory begins with.
const Below = "/.well-known/openpgpkey"

// Limits in bytes, as the request writes them.
const (
	maxHost   = 272 // "openpgpkey.", a domain of 253, ":" and a port
	maxDomain = 253
	maxPath   = 512
	maxQuery  = 512
	maxLocal  = 64 // of the local part, decoded (RFC 5321, section 4.5.3.1.1)
)

// Errors that callers branch on.
var (
	ErrAbsent   = errors.New("there is nothing here")
	ErrMethod   = errors.New("a web key directory is read with GET or HEAD")
	ErrTooOften = errors.New("this client asks too often")
)

// What is what a request asks for.
type What string

// What may be asked for. There is no submission-address: certificates are published here by their owner only.
const (
	Certificate What = "certificate"
	Policy      What = "policy"
)

// Request is a request of a web key directory that may have an answer.
type Request struct {
	What   What
	Domain string // in lower case, A-labels
	Hash   string // of the local part; "" for a policy
	Local  string // as the client wrote it; "" when it did not
}

// Read reads a request. path is as it was sent, before percent-decoding; query is without the question mark. ErrMethod
// for a method that changes something; ErrAbsent for whatever cannot have an answer.
func Read(method, host, path, query string) (Request, error) {
	if method != "GET" && method != "HEAD" {
		return Request{}, ErrMethod
	}
	domain, ok := hostName(host)
	rest, below := strings.CutPrefix(path, Below+"/")
	if !ok || !below || len(path) > maxPath || len(query) > maxQuery {
		return Request{}, ErrAbsent
	}
	steps := strings.Split(rest, "/")
	if name, advanced := strings.CutPrefix(domain, "openpgpkey."); advanced && len(steps) > 1 && steps[0] == name {
		domain, steps = name, steps[1:]
	}
	switch {
	case len(steps) == 1 && steps[0] == "policy":
		return Request{What: Policy, Domain: domain}, nil
	case len(steps) == 2 && steps[0] == "hu" && isHash(steps[1]):
		r := Request{What: Certificate, Domain: domain, Hash: steps[1]}
		if r.Local, ok = localPart(query); ok && (r.Local == "" || Hash(r.Local) == r.Hash) {
			return r, nil
		}
	}
	return Request{}, ErrAbsent
}

// Names tells whether a request asks for the certificate of an address, given in two halves, the domain in lower case.
func (r Request) Names(local, domain string) bool {
	return r.What == Certificate && r.Domain == domain && r.Hash == Hash(local)
}

// hostName takes the port and the final dot from the Host field, and refuses what is no name.
func hostName(host string) (string, bool) {
	if len(host) > maxHost {
		return "", false
	}
	if name, port, ok := strings.Cut(host, ":"); ok {
		if port == "" || strings.Trim(port, "0123456789") != "" {
			return "", false
		}
		host = name
	}
	host = lowerASCII(strings.TrimSuffix(host, "."))
	if len(host) > maxDomain+len("openpgpkey.") {
		return "", false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return "", false
		}
	}
	return host, true
}

// isLabel follows RFC 5890, section 2.3.1: letters, digits and hyphens inside.
func isLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func isHash(s string) bool { return len(s) == hashLength && strings.Trim(s, zBase32) == "" }

// localPart reads the parameter l; "" when it is not given. A plus sign is one: no client writes a space so.
func localPart(query string) (local string, ok bool) {
	given := false
	for parameter := range strings.SplitSeq(query, "&") {
		value, isLocal := strings.CutPrefix(parameter, "l=")
		if !isLocal {
			continue
		}
		decoded, err := url.PathUnescape(value)
		if err != nil || given || decoded == "" || len(decoded) > maxLocal || !printable(decoded) {
			return "", false
		}
		local, given = decoded, true
	}
	return local, true
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
