package keyring

import (
	"bufio"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	armorBegin = "-----BEGIN PGP "
	armorEnd   = "-----END PGP "
	dashes     = "-----"
	signedText = "SIGNED MESSAGE" // RFC 9580, section 7
)

var (
	errCutArmor     = problem("this block ends before its END line: copy the whole block, from BEGIN to END")
	errDamagedArmor = problem("this block is damaged, it holds characters that armor never has: copy it again, or import the file instead")
	errCutBlock     = problem("this block is cut off or damaged: export the certificate again and import the whole file")
	errSignedText   = problem("this is a signed text, not a certificate: ask its sender for the certificate")
)

// dearmor finds the armor blocks in a text, one after another, and holds no more of it than a line. It is more tolerant
// than the library, since people paste from mail and pages: quoted and indented blocks, other blanks and invisible
// characters, any text around, every kind of line end, a block that became one line, no blank line after the headers, no
// line end at the end.
type dearmor struct {
	in     *bufio.Reader
	parts  []string // lines that were read and not used yet
	inText bool     // inside a signed text, whose signature needs no sentence of its own
}

// next returns the kind of the next block ("PUBLIC KEY BLOCK", "MESSAGE", …) and what is in it, or io.EOF. What was not
// read of the block before is passed over.
func (d *dearmor) next() (kind string, body *armorBody, err error) {
	for {
		line, err := d.line()
		if err != nil {
			return "", nil, err
		}
		kind, rest, ok := beginLine(line)
		if !ok {
			continue
		}
		if d.inText && kind == "SIGNATURE" {
			d.inText = false
			continue
		}
		if kind == signedText { // its text runs to the signature; there may be keys in it
			d.inText = true
		}
		if rest != "" {
			d.parts = append([]string{rest}, d.parts...)
		}
		return kind, &armorBody{from: d, header: true}, nil
	}
}

// line returns the next line without what mail programs put before and into it. One that is longer than the buffer comes
// in pieces.
func (d *dearmor) line() (string, error) {
	for len(d.parts) == 0 {
		piece, err := d.in.ReadSlice('\n')
		if len(piece) == 0 && err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
		d.parts = strings.Split(strings.TrimRight(string(piece), "\r\n"), "\r")
	}
	line := d.parts[0]
	d.parts = d.parts[1:]
	return unquoteLine(line), nil
}

// unquoteLine takes off what mail programs put before a line: blanks, quotation marks of any depth, and the dash escape of
// signed text (RFC 9580, section 7.2).
func unquoteLine(line string) string {
	line = strings.TrimSpace(strings.TrimLeft(plainBlanks(line), " \t>|"))
	return strings.TrimPrefix(line, "- ")
}

// plainBlanks makes every blank of HTML mail a plain one, and drops characters that nobody sees.
func plainBlanks(line string) string {
	ascii := true
	for i := 0; i < len(line) && ascii; i++ {
		ascii = line[i] < utf8.RuneSelf
	}
	if ascii {
		return line
	}
	if !utf8.ValidString(line) { // a page in Latin-1
		line = strings.ReplaceAll(line, "\xa0", " ")
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cf, unicode.Mn):
			return -1
		}
		return r
	}, line)
}

// beginLine reads a BEGIN line; rest is what follows on it where the line ends were lost.
func beginLine(line string) (kind, rest string, ok bool) {
	before, kind, ok := strings.Cut(line, armorBegin)
	if !ok {
		return "", "", false
	}
	kind, rest, ok = strings.Cut(kind, dashes)
	rest = strings.TrimSpace(rest)
	whole := strings.Contains(rest, armorEnd)
	if !ok || !whole && (before != "" || strings.Trim(rest, digitsAndBlanks) != "") {
		return "", "", false // people write about armor too
	}
	return kind, rest, true
}

const digitsAndBlanks = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t"

// armorBody decodes what stands between BEGIN and END. The checksum is ignored, as RFC 9580, section 6.1, asks.
type armorBody struct {
	from    *dearmor
	header  bool   // headers may still come
	ended   bool   // the digits have ended; the END line has not come yet
	digits  string // less than four
	decoded []byte
	err     error
}

// Read implements io.Reader. Its error is for people, unless it is io.EOF or that of the input.
func (b *armorBody) Read(p []byte) (int, error) {
	for len(b.decoded) == 0 && b.err == nil {
		b.err = b.decodeLine()
	}
	n := copy(p, b.decoded)
	if b.decoded = b.decoded[n:]; n > 0 {
		return n, nil
	}
	return 0, b.err
}

func (b *armorBody) decodeLine() error {
	line, err := b.from.line()
	switch {
	case errors.Is(err, io.EOF):
		return errCutArmor
	case err != nil:
		return err
	case strings.HasPrefix(line, armorBegin):
		b.from.parts = append([]string{line}, b.from.parts...)
		return errCutArmor
	}
	line, rest, atEnd := strings.Cut(line, armorEnd)
	if !b.header || !strings.Contains(line, ":") {
		if err := b.decode(line); err != nil {
			return err
		}
	}
	if !atEnd {
		return nil
	}
	if _, after, ok := strings.Cut(rest, dashes); ok && strings.Contains(after, armorBegin) { // all of it became one line
		b.from.parts = append([]string{after}, b.from.parts...)
	}
	return b.finish()
}

// decode takes the digits of one line. A "=" ends them: it is padding, or the checksum.
func (b *armorBody) decode(line string) error {
	line = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, line)
	if line == "" || b.ended {
		return nil
	}
	b.header = false
	line, _, b.ended = strings.Cut(line, "=")
	digits := b.digits + line
	whole := len(digits) / 4 * 4
	b.digits = digits[whole:]
	data, err := base64.StdEncoding.DecodeString(digits[:whole])
	if err != nil {
		return errDamagedArmor
	}
	b.decoded = data
	return nil
}

// finish decodes the last digits, of which there may be less than four.
func (b *armorBody) finish() error {
	data, err := base64.RawStdEncoding.DecodeString(b.digits)
	if err != nil {
		return errDamagedArmor
	}
	b.decoded = append(b.decoded, data...)
	return io.EOF
}
