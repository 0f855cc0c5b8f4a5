package pgpmime

import (
	"bytes"
	"strings"
)

// stripper takes every field that imitates one of ours out of a message, at every MIME level and in embedded messages,
// and changes nothing else. It runs on bytes whose signatures were already checked.
type stripper struct {
	instance string // our authserv-id
	limits   Limits
}

// strip returns the entity without imitations. top keeps the ticket system's own verification marks, which mean
// something at the top of a message only.
func (s stripper) strip(entity []byte, top bool) []byte {
	fields, blank, body := split(entity)
	kept := s.fields(fields, top)
	t, params := mediaType(kept)
	switch {
	case strings.HasPrefix(t, "multipart/"):
		body = s.parts(cut(body, params["boundary"], s.limits.Parts+1))
	case embedded(t, kept):
		body = s.strip(body, false)
	}
	return join(kept, blank, body)
}

// fields returns the fields without imitations.
func (s stripper) fields(fields []field, top bool) []field {
	kept := make([]field, 0, len(fields))
	for _, f := range fields {
		if !s.imitates(f, top) {
			kept = append(kept, f)
		}
	}
	return kept
}

func (s stripper) parts(m multipart) []byte {
	var out bytes.Buffer
	at := 0
	for i, p := range m.parts {
		out.Write(m.body[at:p.start])
		out.Write(s.strip(m.part(i), false))
		at = p.end
	}
	out.Write(m.body[at:])
	return out.Bytes()
}

// imitates tells whether a reader could take a field for our word, or for an order to the ticket system.
func (s stripper) imitates(f field, top bool) bool {
	switch {
	case strings.HasPrefix(f.name, "sealgate-"):
		return true
	case f.name == "authentication-results":
		return s.instance != "" && strings.EqualFold(authserv(f.value()), s.instance)
	case f.name == "x-zammad-verify", f.name == "x-zammad-verify-time":
		return !top
	}
	for _, prefix := range []string{"x-zammad-", "x-otrs-", "x-znuny-"} {
		if strings.HasPrefix(f.name, prefix) {
			return true
		}
	}
	return false
}

// authserv is the authserv-id of an Authentication-Results value (RFC 8601, section 2.2): the first token, comments
// and quotes left out.
func authserv(value string) string {
	var id strings.Builder
	depth := 0
	for _, r := range value {
		switch {
		case r == '(':
			depth++
		case r == ')' && depth > 0:
			depth--
		case depth > 0:
		case r == ';' || ((r == ' ' || r == '\t') && id.Len() > 0):
			return id.String()
		case r > ' ' && r != '"':
			id.WriteRune(r)
		}
	}
	return id.String()
}
