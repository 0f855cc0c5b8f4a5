package pgpmime

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"strings"
)

// lineEnd ends every line of mail.
const lineEnd = "\r\n"

// maxLine is the longest line that every server passes on unchanged (RFC 5322, section 2.1.1).
const maxLine = 998

// sevenBit rewrites the body of an entity so that no server on the way has a reason to touch it (RFC 3156, section 3):
// 7-bit, CRLF, no long lines, no trailing blanks, no line that begins with "From ". What already is so stays as it is.
// Fields that belong to the message are dropped; those of the content stay.
func sevenBit(entity []byte, l Limits) ([]byte, error) {
	if err := l.check(entity); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	fields, _, body := split(entity)
	var content []field
	for _, f := range fields {
		if isContent(f) {
			content = append(content, f)
		}
	}
	return sevenBitEntity(content, body, l)
}

// sevenBitEntity rewrites one entity with the given fields. Another sender's signed entity that is safe already is not
// touched at all: its signature is to stay what it is.
func sevenBitEntity(fields []field, body []byte, l Limits) ([]byte, error) {
	fields, err := asciiFields(fields)
	if err != nil {
		return nil, err
	}
	if len(named(fields, "content-type")) > 1 {
		return nil, fmt.Errorf("%w: a part has more than one Content-Type", ErrMalformed)
	}
	t, params := mediaType(fields)
	switch {
	case t == "multipart/signed" && safe(crlf(body)):
		return join(fields, []byte(lineEnd), crlf(body)), nil
	case strings.HasPrefix(t, "multipart/"):
		return sevenBitMultipart(fields, body, params["boundary"], l)
	case embedded(t, fields):
		inner, _, innerBody := split(body)
		rewritten, err := sevenBitEntity(inner, innerBody, l)
		return join(encoded(fields, "7bit"), []byte(lineEnd), rewritten), err
	}
	return sevenBitLeaf(fields, body, strings.HasPrefix(t, "text/")), nil
}

// sevenBitMultipart rewrites the parts. Preamble and epilogue, which no reader shows, are dropped.
func sevenBitMultipart(fields []field, body []byte, boundary string, l Limits) ([]byte, error) {
	m := cut(body, boundary, l.Parts+1)
	if len(m.parts) == 0 {
		return nil, fmt.Errorf("%w: a multipart has no parts", ErrMalformed)
	}
	if boundary != strings.TrimRight(boundary, " ") || len(boundary) > maxBoundary {
		return nil, fmt.Errorf("%w: a multipart has a boundary that is not allowed", ErrMalformed)
	}
	var out bytes.Buffer
	for i := range m.parts {
		inner, _, innerBody := split(m.part(i))
		part, err := sevenBitEntity(inner, innerBody, l)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "--%s\r\n%s\r\n", boundary, part)
	}
	fmt.Fprintf(&out, "--%s--\r\n", boundary)
	return join(encoded(fields, "7bit"), []byte(lineEnd), out.Bytes()), nil
}

// maxBoundary is how long a boundary may be. RFC 2046, section 5.1.1 says 70 characters, some senders say more.
const maxBoundary = 200

// sevenBitLeaf keeps a body that is safe as it is and encodes any other: text as quoted-printable, the rest as base64.
func sevenBitLeaf(fields []field, body []byte, text bool) []byte {
	encoding := transferEncoding(fields)
	body = crlf(body)
	if encoding == "base64" || encoding == "quoted-printable" {
		if safe(body) {
			return join(fields, []byte(lineEnd), body)
		}
		body = decodeTransfer(encoding, body)
	} else if safe(body) {
		return join(encoded(fields, "7bit"), []byte(lineEnd), body)
	}
	if text {
		return join(encoded(fields, "quoted-printable"), []byte(lineEnd), quotedPrintable(body))
	}
	return join(encoded(fields, "base64"), []byte(lineEnd), base64Lines(body))
}

// safe tells whether a body with CRLF line ends passes any server unchanged.
func safe(body []byte) bool {
	for len(body) > 0 {
		l := firstLine(body)
		body = body[len(l):]
		l = bytes.TrimSuffix(l, []byte(lineEnd))
		if len(l) > maxLine || bytes.HasPrefix(l, []byte("From ")) || (len(l) == 1 && l[0] == '.') {
			return false
		}
		if n := len(l); n > 0 && (l[n-1] == ' ' || l[n-1] == '\t') {
			return false
		}
		for _, c := range l {
			if c >= 0x80 || c == 0 || c == '\r' || c == '\n' {
				return false
			}
		}
	}
	return true
}

// quotedPrintable encodes text (RFC 2045, section 6.7), the beginnings "From " and "." too.
func quotedPrintable(body []byte) []byte {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Write(body) //nolint:errcheck // a buffer takes everything
	w.Close()     //nolint:errcheck // a buffer takes everything
	lines := bytes.Split(b.Bytes(), []byte(lineEnd))
	for i, l := range lines {
		switch {
		case bytes.HasPrefix(l, []byte("From ")):
			lines[i] = append([]byte("=46"), l[1:]...)
		case string(l) == ".":
			lines[i] = []byte("=2E")
		}
	}
	return bytes.Join(lines, []byte(lineEnd))
}

// base64Width is the length of an encoded line (RFC 2045, section 6.8).
const base64Width = 76

func base64Lines(body []byte) []byte {
	text := base64.StdEncoding.EncodeToString(body)
	var b bytes.Buffer
	b.Grow(len(text) + len(text)/base64Width*2 + 2)
	for len(text) > 0 {
		n := min(base64Width, len(text))
		b.WriteString(text[:n])
		b.WriteString("\r\n")
		text = text[n:]
	}
	return b.Bytes()
}

// encoded sets the Content-Transfer-Encoding; 7bit is what nothing means.
func encoded(fields []field, encoding string) []field {
	out := make([]field, 0, len(fields)+1)
	for _, f := range fields {
		if f.name != "content-transfer-encoding" {
			out = append(out, f)
		}
	}
	if encoding == "7bit" {
		return out
	}
	return append(out, line("Content-Transfer-Encoding", encoding))
}
