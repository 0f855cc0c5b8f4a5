package pgpmime

import (
	"bytes"
	"io"
	"mime"
	"strings"
	"unicode"

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
	for {
		f, after, ok := nextField(rest)
		if !ok {
			blank = firstLine(rest)
			return fields, blank, rest[len(blank):]
		}
		fields, rest = append(fields, f), after
	}
}

// nextField takes the next field off a header. It is false at the empty line that ends the header, and at the end.
func nextField(header []byte) (f field, after []byte, ok bool) {
	if len(header) == 0 || emptyLine(header) {
		return field{}, header, false
	}
	end := len(firstLine(header))
	for end < len(header) && (header[end] == ' ' || header[end] == '\t') {
		end += len(firstLine(header[end:]))
	}
	raw := header[:end:end]
	return field{name: fieldName(raw), raw: raw}, header[end:], true
}

// emptyLine tells whether b begins with the line that ends a header: CRLF or LF and nothing else.
func emptyLine(b []byte) bool {
	return b[0] == '\n' || (len(b) > 1 && b[0] == '\r' && b[1] == '\n')
}

// headerSize is the size of the header in bytes, the empty line included. It allocates nothing, so that it can be asked
// before a header of any size is split.
func headerSize(entity []byte) int {
	for at := 0; at < len(entity); {
		n := len(firstLine(entity[at:]))
		if emptyLine(entity[at:]) {
			return at + n
		}
		at += n
	}
	return len(entity)
}

// firstLine returns the first line with its line end.
func firstLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[: i+1 : i+1]
	}
	return b[:len(b):len(b)]
}

// longestName is where a field's name is cut; no name of ours or of a ticket system is as long.
const longestName = 1000

// fieldName reduces what stands before the first colon to printable ASCII in lower case, folded or not, so that a name
// with blanks, line ends, control or 8-bit characters in it is taken for what some reader may take it for.
func fieldName(raw []byte) string {
	end := bytes.IndexByte(raw, ':')
	if end < 0 {
		return ""
	}
	name := make([]byte, 0, min(end, 32))
	for _, c := range raw[:end] {
		switch {
		case len(name) == longestName:
			return string(name)
		case c >= 'A' && c <= 'Z':
			name = append(name, c+'a'-'A')
		case c > ' ' && c < 0x7f:
			name = append(name, c)
		}
	}
	return string(name)
}

// wellFormed tells whether every reader takes the field for one and for the same: a name of printable characters right
// before the colon (RFC 5322, section 2.2).
func (f field) wellFormed() bool {
	return f.name != "" && len(f.raw) > len(f.name) && f.raw[len(f.name)] == ':' && strings.EqualFold(string(f.raw[:len(f.name)]), f.name)
}

// clean leaves one way only to read the field: a bare CR, which some readers take for a line end, becomes a blank, NUL
// goes, and so do lines of blanks, which some readers take for the end of the header.
func (f field) clean() field {
	if f.isClean() {
		return f
	}
	var b bytes.Buffer
	for rest := f.raw; len(rest) > 0; {
		l := firstLine(rest)
		rest = rest[len(l):]
		text, end := l, ""
		if t, ok := bytes.CutSuffix(l, []byte("\n")); ok {
			text, end = bytes.TrimSuffix(t, []byte("\r")), lineEnd
		}
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r"), []byte(" ")), []byte("\x00"), nil)
		if len(bytes.TrimSpace(text)) > 0 {
			b.Write(text)
			b.WriteString(end)
		}
	}
	return field{name: f.name, raw: b.Bytes()}
}

// isClean tells a field that clean would not change: one line of characters that everybody reads alike.
func (f field) isClean() bool {
	text, ended := bytes.CutSuffix(f.raw, []byte(lineEnd))
	return ended && bytes.IndexByte(text, '\r') < 0 && bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, 0) < 0 && len(bytes.TrimSpace(text)) > 0
}

// ambiguous tells whether readers may see other lines in the field than we do.
func (f field) ambiguous() bool {
	return bytes.IndexByte(f.raw, 0) >= 0 || bareCR(f.raw)
}

// bareCR finds a CR that no LF follows.
func bareCR(b []byte) bool {
	for i := bytes.IndexByte(b, '\r'); i >= 0; {
		if i+1 == len(b) || b[i+1] != '\n' {
			return true
		}
		next := bytes.IndexByte(b[i+1:], '\r')
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}

// value is a field's body, unfolded (RFC 5322, section 2.2.3).
func (f field) value() string {
	if f.ambiguous() { // read as it leaves
		f = f.clean()
	}
	_, v, _ := bytes.Cut(f.raw, []byte(":"))
	return strings.TrimSpace(withoutLineEnds(string(bytes.TrimSpace(v))))
}

func withoutLineEnds(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r", ""), "\n", "")
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
	if len(v) > maxMediaType {
		return "application/octet-stream", nil
	}
	t, params, err := mime.ParseMediaType(v)
	if err != nil && t == "" {
		return "application/octet-stream", nil
	}
	return strings.ToLower(t), params
}

// maxMediaType bounds a Content-Type in bytes, and so the number of its parameters.
const maxMediaType = 8 << 10

// transferEncoding is an entity's Content-Transfer-Encoding in lower case, "7bit" when there is none.
func transferEncoding(fields []field) string {
	v := strings.ToLower(strings.TrimSpace(first(fields, "content-transfer-encoding")))
	if v == "" {
		return "7bit"
	}
	return v
}

// decodeWords decodes RFC 2047 words and takes out what does not show or shows as something else: control characters
// and those that turn the direction of text.
func decodeWords(s string) string {
	if isPlain(s) {
		return s
	}
	if decoded, err := wordDecoder().DecodeHeader(s); err == nil {
		s = decoded
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// isPlain tells printable ASCII without encoded words, which reads as it stands.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || (s[i] == '=' && i+1 < len(s) && s[i+1] == '?') {
			return false
		}
	}
	return true
}

// wordDecoder knows the charsets of old mail too. Words in any other are read as they stand: the address beside them
// still counts.
func wordDecoder() *mime.WordDecoder {
	return &mime.WordDecoder{CharsetReader: func(name string, input io.Reader) (io.Reader, error) {
		if r, err := charset.Reader(name, input); err == nil {
			return r, nil
		}
		return input, nil
	}}
}

// foldWidth is where a field that is written here is folded, if there is a blank (RFC 5322, section 2.1.1).
const foldWidth = 78

// line builds one header field with CRLF, folded at blanks. Line ends in the value are taken out first.
func line(name, value string) field {
	var b strings.Builder
	b.WriteString(name + ":")
	width, last := b.Len(), "" // the name stays on one line with the first word
	for word := range strings.SplitSeq(strings.TrimSpace(withoutLineEnds(value)), " ") {
		if width+1+len(word) > foldWidth && word != "" && last != "" {
			b.WriteString(lineEnd)
			width = 0
		}
		b.WriteString(" " + word)
		width, last = width+1+len(word), word
	}
	b.WriteString(lineEnd)
	return field{name: strings.ToLower(name), raw: []byte(b.String())}
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
