package pgpmime

import (
	"bytes"
	"fmt"
)

// SevenBit writes a message that leaves in clear so that no server on the way must change it (RFC 6376, section 5.3):
// where it is 8-bit or has long lines, as quoted-printable or base64. What it says stays the same. Any other comes back
// as it is, and so does one with a part that somebody signed. ErrMalformed is for one that cannot be written so.
func SevenBit(message []byte) ([]byte, error) {
	if passes(message) {
		return message, nil
	}
	m := Of(message)
	root, err := parse(m, Limits{}.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	signed := false
	root.all("", func(e *entity, _ string) bool {
		signed = signed || e.mediaType == "multipart/signed"
		return true
	})
	if signed {
		return message, nil
	}
	var b bytes.Buffer
	if err := sevenBit(&b, placed{m, root}, root.fields); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// passes tells whether every server can take a message as it is (RFC 5321, sections 2.3.1 and 4.5.3.1.6).
func passes(message []byte) bool {
	if eightBit(message) || bytes.IndexByte(message, 0) >= 0 {
		return false
	}
	for rest := message; len(rest) > 0; {
		l := firstLine(rest)
		if rest = rest[len(l):]; len(l) > maxLine+len(lineEnd) {
			return false
		}
	}
	return true
}
