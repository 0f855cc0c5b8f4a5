package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// Errors about messages that are signed but not encrypted.
var (
	ErrNotSigned = errors.New("this is not a signed OpenPGP message")
	ErrTooLarge  = errors.New("what is signed is larger than allowed")
)

// SignInline writes what source holds to out as one binary OpenPGP message that is signed by w.Signers and not
// encrypted (RFC 9580, section 10.3).
func SignInline(out io.Writer, source io.WriterTo, w Writing) (err error) {
	defer guard(&err)
	if err := w.check(); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if len(w.Signers) == 0 {
		return errors.New("sign: no signer given")
	}
	params := &openpgp.SignParams{Config: w.config(), Hints: &openpgp.FileHints{}, TextSig: w.Text}
	content, err := openpgp.SignWithParams(out, w.Signers, params)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if _, err := source.WriteTo(inPieces{content}); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if err := content.Close(); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	return nil
}

// SignInlineArmored is SignInline with armor around it, as EncryptArmored writes it.
func SignInlineArmored(out io.Writer, source io.WriterTo, w Writing) error {
	return armored(out, armor.Message, func(out io.Writer) error { return SignInline(out, source, w) })
}

// VerifyInline reads one binary OpenPGP message that is signed and not encrypted, writes what it says to out and judges
// its signatures: at least one. On an error, and until the caller has judged the signatures, what was written must not
// be used. Errors: ErrNotSigned for any other message and a damaged one, ErrTooLarge, those of out.
func VerifyInline(out io.Writer, message io.Reader, ring openpgp.KeyRing, o Options) (found []Signature, err error) {
	d := &decryption{options: o, out: &faultyWriter{w: out}}
	d.options.Limits = o.Limits.WithDefaults()
	defer func() { // the library parses what anybody may have written
		if recover() != nil {
			found, err = nil, ErrNotSigned
		}
	}()
	counted := &countingReader{r: message}
	md, err := openpgp.ReadMessage(counted, ring, nil, d.options.config())
	if err != nil || md.IsEncrypted || !md.IsSigned || len(md.SignatureCandidates) > d.options.Limits.Signatures {
		return nil, ErrNotSigned
	}
	if !d.copy(md.UnverifiedBody, counted) {
		return nil, d.unread()
	}
	return judge(md.SignatureCandidates, d.options.config()), nil
}

// unread says why copying stopped.
func (d *decryption) unread() error {
	switch {
	case d.out.err != nil:
		return d.out.err
	case d.Limit != "":
		return ErrTooLarge
	}
	return ErrNotSigned
}

// Detach takes a binary OpenPGP message that is signed and not encrypted apart, without verifying anything: it writes
// what it says to out and returns the binary signatures. Errors are those of VerifyInline.
func Detach(out io.Writer, message io.Reader, o Options) (signatures []byte, err error) {
	defer func() { // the library parses what anybody may have written
		if recover() != nil {
			signatures, err = nil, ErrNotSigned
		}
	}()
	d := &detaching{packets: packet.NewReader(message), out: out, limits: o.Limits.WithDefaults()}
	for {
		p, err := d.packets.Next()
		switch {
		case errors.Is(err, io.EOF) && d.count > 0 && d.texts == 1:
			return d.signatures.Bytes(), nil
		case err != nil:
			return nil, ErrNotSigned
		}
		if err := d.take(p); err != nil {
			return nil, err
		}
	}
}

// detaching is one Detach in progress.
type detaching struct {
	packets    *packet.Reader
	out        io.Writer
	limits     Limits
	signatures bytes.Buffer
	count      int // signatures
	texts      int
}

// take sorts one packet into its place.
func (d *detaching) take(p packet.Packet) error {
	switch p := p.(type) {
	case *packet.OnePassSignature, *packet.Marker: // say nothing that the signatures do not
		return nil
	case *packet.Signature:
		if d.count++; d.count > d.limits.Signatures || p.Serialize(&d.signatures) != nil {
			return ErrNotSigned
		}
		return nil
	case *packet.Compressed:
		if d.packets.Push(p.LimitedBodyReader(&d.limits.Decompressed)) != nil {
			return ErrNotSigned
		}
		return nil
	case *packet.LiteralData:
		if d.texts++; d.texts > 1 {
			return ErrNotSigned
		}
		return copyLimited(d.out, p.Body, d.limits.Decompressed)
	}
	return ErrNotSigned
}

// copyLimited copies at most limit bytes of a message.
func copyLimited(out io.Writer, message io.Reader, limit int64) error {
	faulty := &faultyWriter{w: out}
	n, err := io.Copy(faulty, io.LimitReader(message, limit+1))
	switch {
	case faulty.err != nil:
		return faulty.err
	case err != nil:
		return ErrNotSigned
	case n > limit:
		return ErrTooLarge
	}
	return nil
}
