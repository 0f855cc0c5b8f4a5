package pgpmime

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// ProtectRequest says how to protect one copy.
type ProtectRequest struct {
	Protection Protection
	Signer     *openpgp.Entity   // unlocked; for Signed and SignedEncrypted
	To         []*openpgp.Entity // for Encrypted and SignedEncrypted: every reader's certificate, at least one
	Hidden     bool              // a Bcc copy: no intended-recipient subpackets
	Now        time.Time         // never zero: expiry is judged by it
	Random     io.Reader
}

// Protect makes the copy. It strips Bcc and our own control headers, keeps the outer header fields, and fails rather
// than weaken: the result always has the protection that was asked for.
func Protect(message []byte, r ProtectRequest) (o Outgoing, err error) {
	defer func() {
		if p := recover(); p != nil {
			o, err = Outgoing{}, fmt.Errorf("the crypto library failed: %v", p)
		}
	}()
	if err := r.check(); err != nil {
		return Outgoing{}, err
	}
	fields, blank, body := split(message)
	if r.Protection == Clear {
		return Restore(Clear, join(outerFields(fields, true), blank, body))
	}
	entity, err := sevenBit(message, Limits{}.withDefaults())
	if err != nil {
		return Outgoing{}, err
	}
	outer, err := asciiFields(outerFields(fields, false))
	if err != nil {
		return Outgoing{}, err
	}
	contentType, body, err := r.wrap(entity)
	if err != nil {
		return Outgoing{}, err
	}
	outer = append(withMIMEVersion(outer), field{name: "content-type", raw: []byte("Content-Type: " + contentType + lineEnd)})
	return Restore(r.Protection, join(outer, []byte(lineEnd), body))
}

// check refuses requests that could not be kept.
func (r ProtectRequest) check() error {
	switch {
	case r.Now.IsZero() && r.Protection != Clear:
		return errors.New("protect: no time given")
	case r.Random == nil && r.Protection != Clear:
		return errors.New("protect: no randomness given")
	case r.Protection.signs() && r.Signer == nil:
		return errors.New("protect: no signer given")
	case r.Protection.encrypts() && len(r.To) == 0:
		return errors.New("protect: no readers given")
	}
	switch r.Protection {
	case Clear, Signed, Encrypted, SignedEncrypted:
		return nil
	}
	return fmt.Errorf("protect: unknown protection %q", r.Protection)
}

// outerFields are the fields that leave outside: without Bcc and without our control headers. Those of the content
// stay outside only when the message leaves in clear.
func outerFields(fields []field, content bool) []field {
	var kept []field
	for _, f := range fields {
		if f.name == "bcc" || f.name == "resent-bcc" || strings.HasPrefix(f.name, "sealgate-") || (isContent(f) && !content) {
			continue
		}
		kept = append(kept, field{name: f.name, raw: crlf(f.raw)})
	}
	return withLineEnds(kept)
}

// withMIMEVersion leaves exactly one MIME-Version.
func withMIMEVersion(fields []field) []field { return replace(fields, line("MIME-Version", "1.0")) }

// wrap protects the content entity and returns the new root's Content-Type and body.
func (r ProtectRequest) wrap(entity []byte) (contentType string, body []byte, err error) {
	boundary, err := newBoundary(r.Random)
	if err != nil {
		return "", nil, err
	}
	if r.Protection == Signed {
		signature, hash, err := r.sign(entity)
		if err != nil {
			return "", nil, err
		}
		return fmt.Sprintf("multipart/signed; micalg=pgp-%s;\r\n protocol=\"application/pgp-signature\"; boundary=\"%s\"", hash, boundary),
			twoParts(boundary, entity, "Content-Type: application/pgp-signature; name=\"signature.asc\"\r\n", signature), nil
	}
	ciphertext, err := r.encrypt(entity)
	if err != nil {
		return "", nil, err
	}
	control := []byte("Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n")
	return fmt.Sprintf("multipart/encrypted;\r\n protocol=\"application/pgp-encrypted\"; boundary=\"%s\"", boundary),
		twoParts(boundary, control, "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n", ciphertext), nil
}

// newBoundary is random, so that it stands in no part.
func newBoundary(random io.Reader) (string, error) {
	b := make([]byte, 18)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("protect: %w", err)
	}
	return "=_" + hex.EncodeToString(b), nil
}

// twoParts writes the body. The line end after the first part belongs to the delimiter, not to what is signed.
func twoParts(boundary string, first []byte, header string, armored []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "--%s\r\n%s\r\n--%s\r\n%s\r\n%s\r\n--%s--\r\n", boundary, first, boundary, header, armored, boundary)
	return b.Bytes()
}

// config is the library's configuration for writing: AES-256, or AES-128 where a reader's certificate does not list it
// (RFC 9580, section 12.1), no compression, hashes of 256 bits and more.
func (r ProtectRequest) config() *packet.Config {
	check := !r.Hidden
	return &packet.Config{
		Rand: r.Random, Time: clock(r.Now), DefaultHash: crypto.SHA256, DefaultCipher: packet.CipherAES256,
		DefaultCompressionAlgo: packet.CompressionNone, CheckIntendedRecipients: &check,
	}
}

// clock makes an instant the library's clock.
func clock(now time.Time) func() time.Time { return func() time.Time { return now } }

// sign returns the armored signature over entity and the name of the hash that was really used.
func (r ProtectRequest) sign(entity []byte) (armored []byte, hash string, err error) {
	var binary bytes.Buffer
	if err := openpgp.DetachSign(&binary, []*openpgp.Entity{r.Signer}, bytes.NewReader(entity), r.config()); err != nil {
		return nil, "", fmt.Errorf("sign: %w", err)
	}
	p, err := packet.Read(bytes.NewReader(binary.Bytes()))
	if err != nil {
		return nil, "", fmt.Errorf("sign: %w", err)
	}
	signature, ok := p.(*packet.Signature)
	if !ok {
		return nil, "", errors.New("sign: the library made no signature")
	}
	if hash = micalg(signature.Hash); hash == "" {
		return nil, "", fmt.Errorf("sign: the library used the hash %s", signature.Hash)
	}
	armored, err = armorOf(openpgp.SignatureType, binary.Bytes())
	return armored, hash, err
}

// micalg is a hash's name after "pgp-" (RFC 3156, section 5, and RFC 9580, section 9.5), "" for one that is too weak.
func micalg(h crypto.Hash) string {
	switch h {
	case crypto.SHA256:
		return "sha256"
	case crypto.SHA384:
		return "sha384"
	case crypto.SHA512:
		return "sha512"
	case crypto.SHA3_256:
		return "sha3-256"
	case crypto.SHA3_512:
		return "sha3-512"
	}
	return ""
}

// encrypt returns the armored OpenPGP message: encrypted, and signed inside where asked for.
func (r ProtectRequest) encrypt(entity []byte) ([]byte, error) {
	config := r.config()
	params := &openpgp.EncryptParams{Config: config, Hints: &openpgp.FileHints{}}
	if r.Protection.signs() {
		params.Signers = []*openpgp.Entity{r.Signer}
	}
	var binary bytes.Buffer
	w, err := openpgp.EncryptWithParams(&binary, r.To, nil, params)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if _, err := w.Write(entity); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return armorOf(openpgp.MessageType, binary.Bytes())
}

// armorOf armors without version or comment, with CRLF.
func armorOf(blockType string, binary []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := armor.Encode(&b, blockType, nil)
	if err != nil {
		return nil, fmt.Errorf("armor: %w", err)
	}
	if _, err := w.Write(binary); err != nil {
		return nil, fmt.Errorf("armor: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("armor: %w", err)
	}
	return bytes.TrimRight(crlf(b.Bytes()), "\r\n"), nil
}
