package pgpmime

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// decryptLeaf decrypts the OpenPGP message in the body of a leaf. It is false when there is none. mended tells what had
// to be repaired to read it.
func (op *opening) decryptLeaf(leaf placed) (plaintext Message, d pgp.Decryption, mended string, ok bool) {
	message, mended, ok := op.object(leaf, armor.Message)
	if !ok {
		return Message{}, pgp.Decryption{}, "", false
	}
	plaintext, d = op.decrypt(message, (leaf.end-leaf.body)*3/4) // armored it is a third longer
	return plaintext, d, mended, true
}

// decrypt decrypts a binary OpenPGP message of about so many bytes. Its plaintext is there only when the reader ended
// cleanly.
func (op *opening) decrypt(message io.Reader, size int64) (Message, pgp.Decryption) {
	out := op.ws.sinkFor(size)
	source := &watched{r: message, op: op}
	limits := op.options.Limits.pgp()
	if limits.Decompressed -= op.plaintexts; limits.Decompressed <= 0 { // zero would mean the default
		return Message{}, pgp.Decryption{Outcome: pgp.Refused, Limit: pgp.LimitDecompressed, Reason: "What is encrypted is larger than allowed."}
	}
	if limits.SessionKeys -= op.sessionKeys; limits.SessionKeys <= 0 { // each may cost a private-key operation
		return Message{}, pgp.Decryption{Outcome: pgp.Refused, Limit: pgp.LimitSessionKeys, Reason: "The message names too many recipients' keys."}
	}
	d, err := pgp.Decrypt(out, source, op.lookUp, pgp.Options{Now: op.options.Now, Limits: limits})
	op.plaintexts, op.sessionKeys = op.plaintexts+out.size, op.sessionKeys+len(d.KeyIDs)
	op.fail(err)
	if op.failure != nil || d.Outcome != pgp.Decrypted {
		return Message{}, d
	}
	plaintext, err := out.message()
	op.fail(err)
	return plaintext, d
}

// watched notices when not the message is at fault but the spool that it lies in.
type watched struct {
	r  io.Reader
	op *opening
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if errors.Is(err, errSpool) {
		w.op.fail(err)
	}
	return n, err
}

// lookUp asks for the keys of one message.
func (op *opening) lookUp(keyIDs []string) (pgp.Ring, error) {
	secrets, err := op.keys.Secrets(keyIDs)
	if err != nil {
		return nil, err
	}
	return &ring{op: op, secrets: secrets, encryptedTo: keyIDs}, nil
}

// object finds the OpenPGP object of the given armor type in the body of a leaf: armored or binary. Some servers write
// a transfer encoding that is not the one of the body, or lose it; mended says so.
func (op *opening) object(leaf placed, blockType string) (binary io.Reader, mended string, ok bool) {
	encoding := leaf.encoding()
	real, err := realEncoding(leaf, encoding)
	if err != nil {
		op.fail(err)
		return nil, "", false
	}
	if real != encoding {
		mended = "transfer-encoding"
	}
	binary, ok = dearmor(decoded(real, &watched{r: leaf.content().Reader(), op: op}), blockType)
	return binary, mended, ok
}

// isEscaped tells the end of armor that was made quoted-printable: "=" begins its checksum, or is its padding.
func isEscaped(tail []byte) bool {
	for l := range bytes.Lines(tail) {
		l = bytes.TrimSpace(l)
		if bytes.HasSuffix(l, []byte("=3D")) || (bytes.HasPrefix(l, []byte("=3D")) && len(l) == len("=3D")+4) {
			return true
		}
	}
	return false
}

// realEncoding is the transfer encoding that a body with armor really has.
func realEncoding(leaf placed, declared string) (string, error) {
	content := leaf.content()
	head, err := content.beginning(1 << 10)
	if err != nil || !hasLine(head, "-----BEGIN PGP ") {
		return declared, err
	}
	tail, err := content.slice(content.Size()-200, content.Size()).Bytes()
	switch {
	case err != nil:
		return declared, err
	case isEscaped(tail):
		return "quoted-printable", nil
	case declared == "base64": // the hyphens of armor are not in the alphabet
		return "7bit", nil
	}
	return declared, nil
}

// dearmor finds the binary form of an armored or binary OpenPGP object of the given armor type.
func dearmor(r io.Reader, blockType string) (io.Reader, bool) {
	in := bufio.NewReaderSize(r, 8<<10) // of the size that the armor reader wants, which then makes none of its own
	if !skipBlanks(in) {
		return nil, false
	}
	if first, err := in.Peek(1); err != nil || first[0]&0x80 != 0 { // RFC 9580, section 4.2: every packet begins with this bit
		return in, err == nil
	}
	block, err := armor.NewReader(in)
	if err != nil || block.Type() != blockType {
		return nil, false
	}
	return block, true
}

// maxBlanks is how many blanks may stand before an OpenPGP object.
const maxBlanks = 16 << 10

// skipBlanks skips blanks. It is false when nothing follows.
func skipBlanks(in *bufio.Reader) bool {
	for range maxBlanks {
		b, err := in.ReadByte()
		if err != nil {
			return false
		}
		if !bytes.ContainsRune([]byte(" \t\r\n"), rune(b)) {
			return in.UnreadByte() == nil
		}
	}
	return false
}

// wholeObject is dearmor for something small in memory.
func wholeObject(b []byte, blockType string) ([]byte, bool) {
	r, ok := dearmor(bytes.NewReader(b), blockType)
	if !ok {
		return nil, false
	}
	binary, err := io.ReadAll(r)
	return binary, err == nil && len(binary) > 0
}

// decoded undoes a Content-Transfer-Encoding; what cannot be decoded comes as far as it can.
func decoded(encoding string, r io.Reader) io.Reader {
	switch encoding {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, &base64Reader{r: r})
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return r
}

// decodeTransfer is decoded for a body in memory.
func decodeTransfer(encoding string, body []byte) []byte {
	if encoding != "base64" && encoding != "quoted-printable" {
		return body
	}
	all, _ := io.ReadAll(decoded(encoding, bytes.NewReader(body))) //nolint:errcheck // what was decoded before the damage is of use
	return all
}

// base64Reader leaves out what is not of the alphabet, as RFC 2045, section 6.8 asks of readers.
type base64Reader struct{ r io.Reader }

func (b *base64Reader) Read(p []byte) (int, error) {
	for {
		n, err := b.r.Read(p)
		kept := 0
		for _, c := range p[:n] {
			if isBase64(c) {
				p[kept] = c
				kept++
			}
		}
		if kept > 0 || err != nil || len(p) == 0 {
			return kept, err
		}
	}
}

func isBase64(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '='
}

// beginsEncrypted tells whether binary data begin like an encrypted OpenPGP message.
func beginsEncrypted(binary []byte) bool {
	p, err := packet.NewOpaqueReader(bytes.NewReader(binary)).Next()
	if p == nil || (err != nil && len(binary) < 64) {
		return false
	}
	switch p.Tag {
	case 1, 3, 9, 18, 20: // RFC 9580, section 5: session keys and encrypted data
		return true
	}
	return false
}
