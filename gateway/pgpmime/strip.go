package pgpmime

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode"
)

// stripper takes every field that imitates one of ours out of a message, at every MIME level and in embedded messages
// that readers look into, and changes nothing else. It runs on bytes whose signatures were already checked. An embedded
// message that is itself encoded (base64) stays as it is: no reader takes its fields for those of the message.
type stripper struct {
	instance string // our authserv-id
	ws       *workspace
	source   Message
	loosened bool // an entity around is rewritten loosely already
	err      error
}

// message strips a whole message. The result ends its header with an empty line even when the message did not, so that
// fields can be put on top. It returns the fields that are left at the top, too.
func (s *stripper) message(e *entity) (Message, []field, error) {
	kept := s.fields(e.fields, true)
	header := Of(endHeader(kept))
	if len(e.blank) > 0 {
		header = joined(header, Of(e.blank))
	}
	stripped := joined(header, s.body(e))
	if s.err != nil {
		return Message{}, nil, s.err
	}
	if stripped.Size() == header.Size() && len(e.blank) == 0 {
		stripped = joined(header, Of([]byte(lineEnd)))
	}
	return stripped, kept, nil
}

// endHeader writes a header, with a line end where there was none.
func endHeader(fields []field) []byte {
	header := join(fields, nil, nil)
	if len(header) > 0 && !bytes.HasSuffix(header, []byte("\n")) {
		header = append(header, lineEnd...)
	}
	return header
}

// strip returns an entity below the top without imitations.
func (s *stripper) strip(e *entity) Message {
	if e.replaced != nil {
		return *e.replaced
	}
	header := s.source.slice(e.start, e.body)
	if kept, changed := s.changed(e.fields); changed {
		if len(kept) == 0 { // a part without a header begins later for some readers; this says what none would
			kept = []field{line("Content-Type", e.mediaType)}
		}
		header = Of(join(kept, e.blank, nil))
	}
	return joined(header, s.body(e))
}

// changed tells whether stripping changes a header below the top.
func (s *stripper) changed(fields []field) ([]field, bool) {
	kept := s.fields(fields, false)
	if len(kept) != len(fields) {
		return kept, true
	}
	for i := range kept {
		if !bytes.Equal(kept[i].raw, fields[i].raw) {
			return kept, true
		}
	}
	return kept, false
}

// body returns the body of an entity without imitations in its parts.
func (s *stripper) body(e *entity) Message {
	loosen := e.loose && !s.loosened
	s.loosened = s.loosened || loosen
	var out Message
	switch {
	case e.newContent != nil:
		out = *e.newContent
	case e.embedded != nil:
		out = s.strip(e.embedded)
	case len(e.parts) > 0:
		out = s.parts(e)
	default:
		out = s.source.slice(e.body, e.end)
	}
	if loosen {
		s.loosened = false
		return s.loosely(out, looseHeader{open: beginsWithHeader(e), blocks: holdsBlocks(e)})
	}
	return out
}

// beginsWithHeader tells whether a body begins with a header for somebody: that of a message, or of a part without one.
func beginsWithHeader(e *entity) bool {
	for _, f := range named(e.fields, "content-type") {
		if v := strings.ToLower(f.value()); strings.Contains(v, "message") || unclear(v) {
			return true
		}
	}
	return strings.HasPrefix(e.mediaType, "message/") || len(named(e.fields, "")) > 0 || len(e.fields) == 0
}

// holdsBlocks tells whether a body is blocks of fields with empty lines between them for somebody (RFC 3464, section 2.1).
func holdsBlocks(e *entity) bool {
	for _, f := range named(e.fields, "content-type") {
		if v := strings.ToLower(f.value()); strings.Contains(v, "delivery-status") || unclear(v) {
			return true
		}
	}
	return false
}

func (s *stripper) parts(e *entity) Message {
	var pieces []Message
	at := e.body
	for _, p := range e.parts {
		if !p.dropped { // with the delimiter before it
			pieces = append(pieces, s.source.slice(at, p.start), s.strip(p))
		}
		at = p.end
	}
	return joined(append(pieces, s.source.slice(at, e.end))...)
}

// fields returns the fields without imitations. top keeps the ticket system's own verification marks, which mean
// something at the top of a message only.
func (s *stripper) fields(fields []field, top bool) []field {
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

// longestField is how much of one field is looked at when a message is over a limit. What follows goes with it.
const longestField = 1 << 20

// top strips a message that is over a limit, and so was not parsed: the header at the top one field at a time, and below
// whatever could be a header for anybody. It returns the first Subject, too.
func (s *stripper) top() (Message, string, error) {
	out := s.ws.sink()
	in := bufio.NewReaderSize(s.source.Reader(), longestLine)
	read := int64(0)
	var raw []byte
	var subject string
	decided, dropping, middle := false, false, false
	flush := func() {
		if len(raw) == 0 {
			return
		}
		f := field{name: fieldName(raw), raw: raw}
		if !decided {
			dropping = s.imitates(f, true)
			dropping = dropping || (f.name == "" && len(raw) > longestField) // a name without end
			if f.name == "subject" && subject == "" {
				subject = f.value()
			}
			f = withLineEnds([]field{unambiguous(f, true)})[0]
		}
		if !dropping {
			out.Write(f.raw) //nolint:errcheck // remembered by the sink
		}
		raw = nil
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return Message{}, "", err
		}
		if len(line) == 0 || (!middle && emptyLine(line)) {
			break
		}
		if !middle && line[0] != ' ' && line[0] != '\t' {
			flush()
			decided, dropping = false, false
		}
		raw = append(raw, line...)
		read += int64(len(line))
		if middle = line[len(line)-1] != '\n'; len(raw) > longestField {
			flush()
			decided, dropping = true, true // nobody needs the rest of such a field, and it could hold anything
		}
	}
	flush()
	header, err := out.message()
	return header, subject, s.whole(&header, read, err)
}

// whole puts what follows the header after it, without imitations.
func (s *stripper) whole(header *Message, read int64, err error) error {
	if err != nil {
		return err
	}
	ends, err := header.endsWithLine()
	if err == nil && header.Size() > 0 && !ends {
		*header = joined(*header, Of([]byte(lineEnd)))
	}
	rest := s.source.slice(read, s.source.Size())
	if rest.Size() == 0 {
		rest = Of([]byte(lineEnd))
	}
	*header = joined(*header, s.loosely(rest, looseHeader{}))
	return errors.Join(err, s.err)
}

// imitates tells whether a reader could take a field for our word, or for an order to the ticket system. Programs that
// turn names into variables take an underscore for a hyphen.
func (s *stripper) imitates(f field, top bool) bool {
	name := strings.ReplaceAll(f.name, "_", "-")
	switch {
	case strings.HasPrefix(name, "sealgate-"):
		return true
	case name == "authentication-results":
		return s.instance != "" && strings.EqualFold(authserv(decodeWords(f.value())), s.instance)
	case f.name == "x-zammad-verify", f.name == "x-zammad-verify-time":
		return !top
	}
	for _, prefix := range []string{"x-zammad-", "x-otrs-", "x-znuny-"} {
		if strings.HasPrefix(name, prefix) {
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
