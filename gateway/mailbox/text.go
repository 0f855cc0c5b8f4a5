package mailbox

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"

	"github.com/emersion/go-message/charset"
)

// decodedBody undoes the content transfer encoding of a part as far as it goes.
func decodedBody(p *part) []byte {
	var r io.Reader
	switch strings.ToLower(firstValue(p.header, "Content-Transfer-Encoding")) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, &base64Bytes{p.body})
	case "quoted-printable":
		r = quotedprintable.NewReader(bytes.NewReader(p.body))
	default:
		return p.body
	}
	// What was decoded before an error is still text to be found.
	decoded, _ := io.ReadAll(r)
	return decoded
}

// base64Bytes hands on the characters of base64 only: line breaks and noise are common in mail.
type base64Bytes struct{ rest []byte }

// Read returns what belongs to base64.
func (b *base64Bytes) Read(p []byte) (int, error) {
	n := 0
	for len(b.rest) > 0 && n < len(p) {
		c := b.rest[0]
		b.rest = b.rest[1:]
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=' {
			p[n] = c
			n++
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// decodedText is a text part in UTF-8. Of an unknown charset the bytes are taken as they are.
func decodedText(p *part) string {
	body := decodedBody(p)
	name := p.params["charset"]
	if name == "" || strings.EqualFold(name, "utf-8") || strings.EqualFold(name, "us-ascii") {
		return toUTF8(body)
	}
	if r, err := charset.Reader(name, bytes.NewReader(body)); err == nil {
		if text, err := io.ReadAll(r); err == nil {
			return string(text)
		}
	}
	return toUTF8(body)
}

// bodyContains looks for a text in every text part, and in the headers of messages inside; folded is in lower case.
func bodyContains(p *part, folded string) bool {
	switch {
	case len(p.parts) > 0:
		for _, child := range p.parts {
			if bodyContains(child, folded) {
				return true
			}
		}
		return false
	case p.inner != nil:
		return headerContains(p.inner.header, folded) || bodyContains(p.inner, folded)
	case strings.HasPrefix(p.kind, "text/"):
		return strings.Contains(strings.ToLower(decodedText(p)), folded)
	}
	return false
}

func headerContains(header []byte, folded string) bool {
	for _, f := range headerFields(header) {
		if strings.Contains(strings.ToLower(f.name+": "+decodeWords(toUTF8([]byte(f.value())))), folded) {
			return true
		}
	}
	return false
}
