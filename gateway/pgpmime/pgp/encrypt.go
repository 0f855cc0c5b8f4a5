package pgp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// Writing says how to write a message.
type Writing struct {
	To      []*openpgp.Entity // readers; none to sign only
	Signers []*openpgp.Entity // unlocked; none to encrypt only
	Hidden  bool              // no intended-recipient subpackets: a Bcc copy
	Text    bool              // sign text, whose line ends do not count
	Now     time.Time         // never zero: expiry is judged by it
	Random  io.Reader
}

func (w Writing) check() error {
	switch {
	case w.Now.IsZero():
		return errors.New("no time given")
	case w.Random == nil:
		return errors.New("no randomness given")
	}
	return nil
}

// guard turns a panic of the library into an error.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrLibrary, p)
	}
}

// config is the library's configuration for writing: AES-256, or AES-128 where a reader's certificate does not list it
// (RFC 9580, section 12.1), no compression, hashes of 256 bits and more. SEIPDv2 is written where every reader's
// certificate advertises it, else SEIPDv1.
func (w Writing) config() *packet.Config {
	check := !w.Hidden
	return &packet.Config{
		Rand: w.Random, Time: clock(w.Now), DefaultHash: crypto.SHA256, DefaultCipher: packet.CipherAES256,
		DefaultCompressionAlgo: packet.CompressionNone, CheckIntendedRecipients: &check,
	}
}

// Encrypt writes the plaintext of source to out as one binary OpenPGP message: encrypted to w.To, and signed inside by
// w.Signers if there are any (RFC 9580, section 10.3). It fails when a reader's certificate cannot encrypt at w.Now.
func Encrypt(out io.Writer, source io.WriterTo, w Writing) (err error) {
	defer guard(&err)
	if err := w.check(); err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	if len(w.To) == 0 {
		return errors.New("encrypt: no readers given")
	}
	params := &openpgp.EncryptParams{Config: w.config(), Hints: &openpgp.FileHints{}, Signers: w.Signers, TextSig: w.Text}
	plaintext, err := openpgp.EncryptWithParams(out, w.To, nil, params)
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	if _, err := source.WriteTo(inPieces{plaintext}); err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	if err := plaintext.Close(); err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	return nil
}

// inPieces cuts long writes: the library makes room for the whole of each.
type inPieces struct{ w io.Writer }

func (i inPieces) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err := i.w.Write(p[n:min(n+copyBuffer, len(p))])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// EncryptArmored is Encrypt with armor around it (CRLF, no armor headers). What is long is armored in a goroutine of
// its own, which has ended when it returns.
func EncryptArmored(out io.Writer, source io.WriterTo, w Writing) error {
	return armored(out, armor.Message, func(out io.Writer) error { return Encrypt(out, source, w) })
}

func armored(out io.Writer, blockType string, write func(io.Writer) error) error {
	a := armor.NewWriter(out, blockType)
	ahead := &aheadWriter{w: a}
	if err := errors.Join(write(ahead), ahead.Close()); err != nil {
		return err
	}
	if err := a.Close(); err != nil {
		return fmt.Errorf("armor: %w", err)
	}
	return nil
}

// Sign returns binary detached signatures of w.Signers over source, and the hash of the last one as it stands in micalg
// after "pgp-". A hash that is too weak to count is an error.
func Sign(source io.WriterTo, w Writing) (binary []byte, hash string, err error) {
	defer guard(&err)
	if err := w.check(); err != nil {
		return nil, "", fmt.Errorf("sign: %w", err)
	}
	if len(w.Signers) == 0 {
		return nil, "", errors.New("sign: no signer given")
	}
	var out bytes.Buffer
	hashing, err := openpgp.DetachSignWriter(&out, w.Signers, &openpgp.SignParams{Config: w.config(), TextSig: w.Text})
	if err != nil {
		return nil, "", fmt.Errorf("sign: %w", err)
	}
	if _, err := source.WriteTo(hashing); err != nil {
		return nil, "", fmt.Errorf("sign: %w", err)
	}
	if err := hashing.Close(); err != nil {
		return nil, "", fmt.Errorf("sign: %w", err)
	}
	hash, err = hashUsed(out.Bytes())
	return out.Bytes(), hash, err
}

// hashUsed reads back which hash the library used.
func hashUsed(binary []byte) (hash string, err error) {
	packets := packet.NewReader(bytes.NewReader(binary))
	for {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) && hash != "" {
			return hash, nil
		}
		s, ok := p.(*packet.Signature)
		if err != nil || !ok {
			return "", errors.New("sign: the library made no signature")
		}
		if weakHash(s.Hash) {
			return "", fmt.Errorf("sign: the library used the hash %s", s.Hash)
		}
		hash = hashName(s.Hash)
	}
}
