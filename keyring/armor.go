package keyring

import (
	"bufio"
	"bytes"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// block is one piece of OpenPGP data found in the input.
type block struct {
	kind string // "PUBLIC KEY BLOCK", "MESSAGE", …; "" for binary input
	data []byte
	err  error
}

// armorBlocks finds the armor blocks in text, one more than are taken at most.
func armorBlocks(text []byte) []block {
	var blocks []block
	d := dearmor{in: bufio.NewReader(bytes.NewReader(text))}
	for len(blocks) <= maxBlocks {
		kind, body, err := d.next()
		if err != nil {
			return blocks
		}
		b := block{kind: kind}
		if kind != signedText {
			b.data, b.err = io.ReadAll(body)
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// utf16Text returns a decoder for the text that PowerShell's redirection writes, or nil for anything else.
func utf16Text(head []byte) *encoding.Decoder {
	if !bytes.HasPrefix(head, []byte{0xff, 0xfe}) && !bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return nil
	}
	return unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()
}

// fromUTF16 makes such a text UTF-8. Anything else stays as it is.
func fromUTF16(input []byte) []byte {
	if decoder := utf16Text(input); decoder != nil {
		if text, err := decoder.Bytes(input); err == nil {
			return text
		}
	}
	return input
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
