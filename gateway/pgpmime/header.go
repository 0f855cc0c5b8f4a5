package pgpmime

import (
	"bytes"
	"mime"
	"strings"

	"github.com/emersion/go-message/charset"
)

// field is one header field as it stands in a message.
type field struct {
	name string // lower case, reduced to printable ASCII; "" for a line that is no field
	raw  []byte // with its folding and its line ends
}

// split cuts an entity (RFC 5322, section 2.1) into its fields, the empty line, and its body, without changing a byte:
// the three joined are the entity. It takes CRLF and LF, and anything malformed: a line that is no field becomes one
// without a name.
func split(entity []byte) (fields []field, blank, body []byte) {
	rest := entity
	for len(rest) > 0 {
		line := firstLine(rest)
		switch {
		case len(bytes.TrimRight(line, "\r\n")) == 0:
			return fields, line, rest[len(line):]
		case (line[0] == ' ' || line[0] == '\t') && len(fields) > 0:
			last := &fields[len(fields)-1]
			last.raw = last.raw[:len(last.raw)+len(line)] // the folded line follows in memory
		default:
			fields = append(fields, field{name: fieldName(line), raw: line})
		}
		rest = rest[len(line):]
	}
	return fields, nil, nil
}

// firstLine returns the first line with its line end.
func firstLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[: i+1 : len(b)]
	}
	return b[:len(b):len(b)]
}

// fieldName reduces what stands before the colon to printable ASCII in lower case, so that a name with blanks, control
// or 8-bit characters in it is taken for what some reader may take it for.
func fieldName(line []byte) string {
	name, _, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return ""
	}
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, string(name)))
}

// value is a field's body, unfolded (RFC 5322, section 2.2.3).
func (f field) value() string {
	_, v, _ := bytes.Cut(f.raw, []byte(":"))
	return strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(string(v)))
}

// named returns the fields of one name, which must be in lower case.
func named(fields []field, name string) []field {
	var found []field
	for _, f := range fields {
		if f.name == name {
			found = append(found, f)
		}
	}
	return found
}

// first returns the value of the first field of a name, or "".
func first(fields []field, name string) string {
	for _, f := range fields {
		if f.name == name {
			return f.value()
		}
	}
	return ""
}

// isContent tells the fields that describe the body from those that describe the message.
func isContent(f field) bool { return strings.HasPrefix(f.name, "content-") }

// mediaType is an entity's type, lower case, with its parameters. What cannot be parsed reads application/octet-stream;
// nothing given reads text/plain (RFC 2045, section 5.2).
func mediaType(fields []field) (string, map[string]string) {
	v := first(fields, "content-type")
	if v == "" {
		return "text/plain", nil
	}
	t, params, err := mime.ParseMediaType(v)
	if err != nil && t == "" {
		return "application/octet-stream", nil
	}
	return strings.ToLower(t), params
}

// transferEncoding is an entity's Content-Transfer-Encoding in lower case, "7bit" when there is none.
func transferEncoding(fields []field) string {
	v := strings.ToLower(strings.TrimSpace(first(fields, "content-transfer-encoding")))
	if v == "" {
		return "7bit"
	}
	return v
}

// decodeWords decodes RFC 2047 words and takes control characters out.
func decodeWords(s string) string {
	d := mime.WordDecoder{CharsetReader: charset.Reader}
	if decoded, err := d.DecodeHeader(s); err == nil {
		s = decoded
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// line builds one header field with CRLF. Values come from this package; line ends in them are taken out all the same.
func line(name, value string) field {
	value = strings.NewReplacer("\r", "", "\n", "").Replace(value)
	return field{name: strings.ToLower(name), raw: []byte(name + ": " + value + "\r\n")}
}

// join builds an entity.
func join(fields []field, blank, body []byte) []byte {
	size := len(blank) + len(body)
	for _, f := range fields {
		size += len(f.raw)
	}
	b := make([]byte, 0, size)
	for _, f := range fields {
		b = append(b, f.raw...)
	}
	b = append(b, blank...)
	return append(b, body...)
}

// crlf turns bare LF into CRLF. Bare CR stays.
func crlf(b []byte) []byte {
	bare := 0
	for i, c := range b {
		if c == '\n' && (i == 0 || b[i-1] != '\r') {
			bare++
		}
	}
	if bare == 0 {
		return b
	}
	out := make([]byte, 0, len(b)+bare)
	for i, c := range b {
		if c == '\n' && (i == 0 || b[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}
