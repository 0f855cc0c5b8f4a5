package pgpmime

import (
	"bytes"
	"fmt"
	"mime"
	"net/mail"
	"strings"
)

// asciiFields writes fields so that no server on the way has a reason to touch them: CRLF, no trailing blanks, lines
// that are short enough, and no raw 8-bit characters (RFC 2047 and RFC 2231 instead). What is so already stays as it is.
func asciiFields(fields []field) ([]field, error) {
	out := make([]field, 0, len(fields))
	for _, f := range fields {
		f = f.clean()
		if len(f.raw) == 0 {
			continue
		}
		if !bytes.HasSuffix(f.raw, []byte(lineEnd)) {
			f.raw = append(f.raw, lineEnd...)
		}
		switch {
		case bytes.ContainsFunc(f.raw, func(r rune) bool { return r >= 0x80 }):
			var err error
			if f, err = asciiField(f); err != nil {
				return nil, err
			}
		case !safe(f.raw):
			f = withoutTrailingBlanks(f)
		}
		if !safe(f.raw) {
			return nil, fmt.Errorf("%w: the field %s has a line that is too long", ErrMalformed, sentence(f.name))
		}
		out = append(out, f)
	}
	return out, nil
}

// withoutTrailingBlanks takes blanks off the ends of lines, and folds again a field with a line that is too long.
func withoutTrailingBlanks(f field) field {
	var b bytes.Buffer
	long := false
	for l := range bytes.Lines(f.raw) {
		l = bytes.TrimRight(l, " \t\r\n")
		long = long || len(l) > maxLine
		b.Write(l)
		b.WriteString(lineEnd)
	}
	if long {
		name, _, _ := bytes.Cut(f.raw, []byte(":"))
		return line(string(name), f.value())
	}
	return field{name: f.name, raw: b.Bytes()}
}

// asciiField writes a field with raw 8-bit characters anew.
func asciiField(f field) (field, error) {
	name, _, _ := bytes.Cut(f.raw, []byte(":"))
	value := strings.ToValidUTF8(f.value(), "?")
	switch f.name {
	case "content-type", "content-disposition":
		t, params, err := mime.ParseMediaType(value)
		if formatted := mime.FormatMediaType(t, params); err == nil && formatted != "" {
			return line(string(name), formatted), nil
		}
		return f, fmt.Errorf("%w: the field %s cannot be read", ErrMalformed, f.name)
	case "from", "sender", "reply-to", "to", "cc", "resent-from", "resent-sender", "resent-to", "resent-cc":
		return asciiAddresses(f.name, string(name), value)
	}
	return line(string(name), encodeWords(value)), nil
}

// asciiAddresses writes an address field anew: names as RFC 2047 words, domains as A-labels.
func asciiAddresses(lower, name, value string) (field, error) {
	parser := mail.AddressParser{WordDecoder: wordDecoder()}
	list, err := parser.ParseList(value)
	if err != nil {
		return field{}, fmt.Errorf("%w: the field %s cannot be read", ErrMalformed, lower)
	}
	written := make([]string, 0, len(list))
	for _, a := range list {
		if a.Address = canonical(a.Address); a.Address == "" || !ascii(a.Address) {
			return field{}, fmt.Errorf("%w: the field %s has an address that only servers with SMTPUTF8 take", ErrMalformed, lower)
		}
		written = append(written, a.String())
	}
	return line(name, strings.Join(written, ", ")), nil
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// sentence keeps text that may come from input on one line of printable ASCII.
func sentence(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}
