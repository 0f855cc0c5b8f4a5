package pgpmime

import (
	"bytes"
	"strings"
	"unicode"
)

// stripper takes every field that imitates one of ours out of a message, at every MIME level and in embedded messages
// that readers look into, and changes nothing else. It runs on bytes whose signatures were already checked. An embedded
// message that is itself encoded (base64) stays as it is: no reader takes its fields for those of the message.
type stripper struct {
	instance string // our authserv-id
	limits   Limits
}

// message strips a whole message. The result ends its header with an empty line even when the message did not, so that
// fields can be put on top. When a message is over a limit only its top is looked at, one field at a time.
func (s stripper) message(message []byte) []byte {
	if s.limits.check(message) != nil {
		var out bytes.Buffer
		f, rest, ok := nextField(message)
		for ; ok; f, rest, ok = nextField(rest) {
			if !s.imitates(f, true) {
				out.Write(unambiguous(f, true).raw)
			}
		}
		return endHeader(out.Bytes(), rest)
	}
	fields, blank, body := split(message)
	kept := s.fields(fields, true)
	return endHeader(join(kept, nil, nil), append(blank, s.body(kept, body)...))
}

// endHeader joins a header and what follows it, with line ends where there were none.
func endHeader(header, rest []byte) []byte {
	if len(header) > 0 && !bytes.HasSuffix(header, []byte("\n")) {
		header = append(header, lineEnd...)
	}
	if len(rest) == 0 {
		rest = []byte(lineEnd)
	}
	return append(header, rest...)
}

// strip returns an entity below the top without imitations.
func (s stripper) strip(entity []byte) []byte {
	fields, blank, body := split(entity)
	kept := s.fields(fields, false)
	return join(kept, blank, s.body(kept, body))
}

// body returns the body of an entity with these fields without imitations in its parts.
func (s stripper) body(fields []field, body []byte) []byte {
	many := manyReadings(fields, body)
	t, params := mediaType(fields)
	switch {
	case strings.HasPrefix(t, "multipart/"):
		body = s.parts(cut(body, params["boundary"], s.limits.Parts+1))
	case embedded(t, fields):
		body = s.strip(body)
	}
	if many {
		body = s.loosely(body)
	}
	return body
}

// fields returns the fields without imitations. top keeps the ticket system's own verification marks, which mean
// something at the top of a message only.
func (s stripper) fields(fields []field, top bool) []field {
	kept := make([]field, 0, len(fields))
	for _, f := range fields {
		if !s.imitates(f, top) {
			kept = append(kept, unambiguous(f, top))
		}
	}
	return kept
}

// unambiguous cleans a field where readers may differ. A header that begins with a folded line must not continue what
// is put on top of it.
func unambiguous(f field, top bool) field {
	if f.ambiguous() {
		f = f.clean()
	}
	if top {
		f.raw = bytes.TrimLeft(f.raw, " \t")
	}
	if len(f.raw) > 0 && emptyLine(f.raw) {
		f.raw = nil
	}
	return f
}

func (s stripper) parts(m multipart) []byte {
	var out bytes.Buffer
	at := 0
	for i, p := range m.parts {
		out.Write(m.body[at:p.start])
		out.Write(s.strip(m.part(i)))
		at = p.end
	}
	out.Write(m.body[at:])
	return out.Bytes()
}

// manyReadings tells the entities whose parts other readers may cut in another way than we do: several types, a
// multipart type that cannot be parsed or fits no part, and line ends that not every reader knows.
func manyReadings(fields []field, body []byte) bool {
	types := named(fields, "content-type")
	claimed := false
	for _, f := range types {
		claimed = claimed || strings.HasPrefix(strings.ToLower(f.value()), "multipart")
	}
	if !claimed {
		return false
	}
	t, params := mediaType(fields)
	return len(types) > 1 || !strings.HasPrefix(t, "multipart/") || bareCR(body) || len(cut(body, params["boundary"], 1).parts) == 0
}

// loosely takes imitations out after every line that could be a delimiter for anybody, up to the next empty line. A
// bare CR is a line end too.
func (s stripper) loosely(body []byte) []byte {
	var out bytes.Buffer
	header := false
	dropping := false
	for len(body) > 0 {
		l := looseLine(body)
		body = body[len(l):]
		text := bytes.TrimRight(l, "\r\n")
		folded := len(text) > 0 && (text[0] == ' ' || text[0] == '\t')
		switch {
		case bytes.HasPrefix(text, []byte("--")):
			header, dropping = true, false
		case len(text) == 0:
			header, dropping = false, false
		case !folded:
			dropping = header && s.imitates(field{name: fieldName(l), raw: l}, false)
		}
		if !dropping {
			out.Write(l)
		}
	}
	return out.Bytes()
}

// looseLine is the first line, ended by CRLF, LF or CR.
func looseLine(b []byte) []byte {
	i := bytes.IndexAny(b, "\r\n")
	switch {
	case i < 0:
		return b
	case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
		return b[:i+2]
	}
	return b[:i+1]
}

// imitates tells whether a reader could take a field for our word, or for an order to the ticket system.
func (s stripper) imitates(f field, top bool) bool {
	switch {
	case strings.HasPrefix(f.name, "sealgate-"):
		return true
	case f.name == "authentication-results":
		return s.instance != "" && strings.EqualFold(authserv(decodeWords(f.value())), s.instance)
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
// and quotes left out. It is read as the most tolerant reader would: what does not show and a dot at the end do not
// count, and any character that cannot be in a host name ends it.
func authserv(value string) string {
	var id strings.Builder
	depth, escaped := 0, false
	for _, r := range value {
		switch {
		case escaped:
			escaped = false
			if depth == 0 {
				id.WriteRune(r)
			}
		case r == '\\':
			escaped = true
		case r == '(':
			depth++
		case r == ')' && depth > 0:
			depth--
		case depth > 0 || r == '"' || r < ' ' && r != '\t' || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar:
		case strings.ContainsRune(" \t;,/=:", r):
			if id.Len() > 0 {
				return strings.TrimRight(id.String(), ".")
			}
		default:
			id.WriteRune(r)
		}
	}
	return strings.TrimRight(id.String(), ".")
}
