package keyring

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf16"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

const (
	armorBegin = "-----BEGIN PGP "
	armorEnd   = "-----END PGP "
	dashes     = "-----"
)

// block is one piece of OpenPGP data found in the input.
type block struct {
	kind string // "PUBLIC KEY BLOCK", "MESSAGE", …; "" for binary input
	data []byte
	err  error
}

// armorBlocks finds every armor block in text. It is more tolerant than the library: quoted and indented blocks,
// any text around them, CRLF, missing blank line after the header, missing final line end.
func armorBlocks(text string) []block {
	var blocks []block
	lines := strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		kind, ok := beginLine(unquoteLine(lines[i]))
		if !ok {
			continue
		}
		if kind == "SIGNED MESSAGE" { // its text runs to the signature; there may be keys in it
			blocks = append(blocks, block{kind: kind})
			continue
		}
		end := armorLength(lines[i+1:])
		b := block{kind: kind}
		b.data, b.err = decodeArmor(lines[i+1 : i+1+end])
		if i += end; b.err == nil && !endsArmor(lines, i+1) {
			b.err = problem("this block ends before its END line: copy the whole block, from BEGIN to END")
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// unquoteLine takes off what mail programs put before a line: blanks, quotation marks, a byte order mark, and the dash
// escape of signed text (RFC 9580, section 7.2).
func unquoteLine(line string) string {
	line = strings.TrimSpace(strings.TrimLeft(line, " \t>|\ufeff\u00a0"))
	return strings.TrimPrefix(line, "- ")
}

func beginLine(line string) (kind string, ok bool) {
	kind, ok = strings.CutPrefix(line, armorBegin)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(kind, dashes)
}

// armorLength counts the lines up to the one that ends the block: END, another BEGIN, or the end of the text.
func armorLength(lines []string) int {
	for i, line := range lines {
		if line = unquoteLine(line); strings.HasPrefix(line, armorEnd) || strings.HasPrefix(line, armorBegin) {
			return i
		}
	}
	return len(lines)
}

func endsArmor(lines []string, i int) bool {
	return i < len(lines) && strings.HasPrefix(unquoteLine(lines[i]), armorEnd)
}

// decodeArmor decodes the lines between BEGIN and END. The checksum line is ignored, as RFC 9580, section 6.1, asks.
func decodeArmor(lines []string) ([]byte, error) {
	var digits strings.Builder
	header := true
	for _, line := range lines {
		line = unquoteLine(line)
		if line == "" || header && strings.Contains(line, ":") {
			continue
		}
		header = false
		if line[0] == '=' {
			break
		}
		digits.WriteString(line)
	}
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(digits.String(), "="))
	if err != nil {
		return nil, problem("this block is damaged, it holds characters that armor never has: " +
			"copy it again, or import the file instead")
	}
	return data, nil
}

// fromUTF16 turns the text that PowerShell's redirection writes into UTF-8. Anything else stays as it is.
func fromUTF16(input []byte) []byte {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(input, []byte{0xff, 0xfe}):
	case bytes.HasPrefix(input, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return input
	}
	units := make([]uint16, 0, len(input)/2)
	for rest := input[2:]; len(rest) >= 2; rest = rest[2:] {
		units = append(units, order.Uint16(rest))
	}
	return []byte(string(utf16.Decode(units)))
}

// encodeArmor writes armor without version or comment. It keeps the checksum, which older readers ask for.
func encodeArmor(kind string, data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := armor.Encode(&out, kind, nil)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
