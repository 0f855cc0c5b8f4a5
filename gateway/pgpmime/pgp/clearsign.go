package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// ErrNotClearsigned tells that a text is not one whole text with a cleartext signature.
var ErrNotClearsigned = errors.New("this is not one text with a cleartext signature")

// maxSignatureBlock bounds the signatures below a text: the largest kind takes some 5 KiB.
const maxSignatureBlock = 256 << 10

// Clearsign writes text with cleartext signatures of w.Signers below it (RFC 9580, section 7). Blanks at the ends of
// lines are lost, as the format does not sign them, and line ends become LF. A line end is added below the text, which
// is not part of it.
func Clearsign(out io.Writer, text []byte, w Writing) error {
	lines := textLines(text)
	w.Text = true
	binary, _, err := Sign(bytes.NewReader([]byte(strings.Join(lines, "\r\n"))), w)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("-----BEGIN PGP SIGNED MESSAGE-----\n")
	for _, hash := range hashesOf(binary) {
		fmt.Fprintf(&b, "Hash: %s\n", strings.ToUpper(hash))
	}
	b.WriteByte('\n')
	for _, line := range lines {
		if strings.HasPrefix(line, "-") || strings.HasPrefix(line, "From ") { // the latter for mail (RFC 9580, section 7.2)
			b.WriteString("- ")
		}
		b.WriteString(line + "\n")
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return err
	}
	return armored(out, armor.Signature, func(out io.Writer) error {
		_, err := out.Write(binary)
		return err
	})
}

// textLines cuts a text into lines without line ends and blanks before them.
func textLines(text []byte) []string {
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\r")
	}
	return lines
}

// hashesOf names the hashes of the signatures before version 6, which need to be announced.
func hashesOf(binary []byte) (names []string) {
	packets := packet.NewReader(bytes.NewReader(binary))
	for {
		p, err := packets.Next()
		if err != nil {
			return names
		}
		if s, ok := p.(*packet.Signature); ok && s.Version < 6 && !slices.Contains(names, hashName(s.Hash)) {
			names = append(names, hashName(s.Hash))
		}
	}
}

// Clearsigned is a text with a cleartext signature, taken apart.
type Clearsigned struct {
	Text      []byte // for people: line ends are LF, the last line has none
	Signed    []byte // for Verify: line ends are CRLF
	Signature []byte // binary
}

// ReadClearsigned takes one text with a cleartext signature apart. Anything but blanks before or after it, and any
// armor header but Hash, is ErrNotClearsigned: only what is signed may be taken for it.
func ReadClearsigned(message []byte) (c Clearsigned, err error) {
	defer func() { // the library parses what anybody may have written
		if recover() != nil {
			c, err = Clearsigned{}, ErrNotClearsigned
		}
	}()
	message = bytes.TrimLeft(message, " \t\r\n")
	if !IsClearsigned(message) {
		return c, ErrNotClearsigned
	}
	block, rest := clearsign.Decode(message)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return c, ErrNotClearsigned
	}
	signature, err := io.ReadAll(io.LimitReader(block.ArmoredSignature.Body, maxSignatureBlock))
	if err != nil {
		return c, ErrNotClearsigned
	}
	return Clearsigned{Text: block.Plaintext, Signed: block.Bytes, Signature: signature}, nil
}

// IsClearsigned tells whether a message begins as a text with a cleartext signature does.
func IsClearsigned(message []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(message, " \t\r\n"), []byte("-----BEGIN PGP SIGNED MESSAGE-----"))
}
