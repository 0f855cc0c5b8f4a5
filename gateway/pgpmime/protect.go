package pgpmime

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// ProtectRequest says how to protect one copy.
type ProtectRequest struct {
	Protection  Protection
	Signer      *openpgp.Entity   // unlocked; for Signed and SignedEncrypted
	To          []*openpgp.Entity // for Encrypted and SignedEncrypted: every reader's certificate, at least one
	Hidden      bool              // a Bcc copy: no intended-recipient subpackets
	HideSubject bool              // the Subject is inside only, where the copy is encrypted (RFC 9788)
	KeepTicket  bool              // with HideSubject: a ticket number in brackets stays outside
	Inline      bool              // a message that is one text leaves as inline PGP; others, and hidden Subjects, do not
	Autocrypt   *openpgp.Entity   // the sender's certificate for an Autocrypt field; left out above 10 KiB
	Attach      *openpgp.Entity   // a certificate to attach inside what is protected
	Now         time.Time         // never zero: expiry is judged by it
	Random      io.Reader
	Spool       Spool // for what is larger than memory should hold; nil keeps everything in memory
}

// Protect makes the copy of a message in memory. It strips Bcc and our own control headers, keeps the outer header
// fields, and fails rather than weaken: the result always has the protection that was asked for.
func Protect(message []byte, r ProtectRequest) (Outgoing, error) {
	return ProtectMessage(Of(message), r)
}

// ProtectMessage is Protect for a message of any size: with a spool in the request it needs the same memory for all. The
// result must be closed.
func ProtectMessage(message Message, r ProtectRequest) (o Outgoing, err error) {
	p := &protecting{ProtectRequest: r, ws: &workspace{spool: r.Spool}}
	defer func() {
		if failure := recover(); failure != nil {
			err = fmt.Errorf("protect: %w: %v", pgp.ErrLibrary, failure)
		}
		if err != nil {
			o, err = Outgoing{}, errors.Join(err, p.ws.Close())
		}
	}()
	if err := r.check(); err != nil {
		return Outgoing{}, err
	}
	root, err := parse(message, Limits{}.withDefaults())
	if limit := new(overLimit); errors.As(err, limit) && r.Protection != Clear {
		return Outgoing{}, fmt.Errorf("%w: %s", ErrMalformed, limit.words)
	} else if err != nil {
		return Outgoing{}, fmt.Errorf("protect: %w", err)
	}
	return p.protect(placed{message, root})
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

// protecting is one Protect in progress.
type protecting struct {
	ProtectRequest
	ws *workspace
}

func (p *protecting) protect(root placed) (Outgoing, error) {
	if p.Protection == Clear {
		fields := outerFields(root.fields, true)
		return p.clear(joined(Of(join(p.withAutocrypt(fields), root.blank, nil)), root.content()))
	}
	fields, err := asciiFields(outerFields(root.fields, false))
	if err != nil {
		return Outgoing{}, err
	}
	hide := headerPolicy{Encrypted: p.Protection.encrypts(), HideSubject: p.HideSubject && p.Protection.encrypts(), KeepTicket: p.KeepTicket}
	if p.Inline && !hide.HideSubject && p.Attach == nil && isOneText(root) {
		return p.inline(root, fields)
	}
	outer, inner := protectHeader(fields, hide)
	contentType, body, err := p.wrap(&payload{protecting: p, root: root, header: inner})
	if err != nil {
		return Outgoing{}, err
	}
	outer = append(withMIMEVersion(p.withAutocrypt(outer)), field{name: "content-type", raw: []byte("Content-Type: " + contentType + lineEnd)})
	return p.outgoing(joined(Of(join(outer, []byte(lineEnd), nil)), body)), nil
}

// clear is a message that leaves in clear.
func (p *protecting) clear(m Message) (Outgoing, error) {
	if m.Size() == 0 {
		return Outgoing{}, errors.New("protect: the message is empty")
	}
	return p.outgoing(m), nil
}

// outgoing is the finished message. Its form is what wrap and inline have made.
func (p *protecting) outgoing(m Message) Outgoing {
	return Outgoing{message: m, protection: p.Protection, workspace: p.ws}
}

// withAutocrypt adds the sender's Autocrypt field (Autocrypt level 1), if there is exactly one sender and the
// certificate fits. One that the message brought stays.
func (p *protecting) withAutocrypt(fields []field) []field {
	from := addressesOf(fields, "from")
	if p.Autocrypt == nil || len(from) != 1 || len(named(fields, "autocrypt")) > 0 {
		return fields
	}
	if f, ok := autocryptField(from[0], p.Autocrypt, p.Now); ok {
		fields = append(fields, f)
	}
	return fields
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

// wrap protects the payload and returns the new root's Content-Type and body.
func (p *protecting) wrap(content *payload) (contentType string, body Message, err error) {
	boundary, err := newBoundary(p.Random)
	if err != nil {
		return "", Message{}, err
	}
	if p.Protection == Signed {
		return p.wrapSigned(content, boundary)
	}
	out := p.ws.sinkFor(content.root.end*3/2 + 4<<10)
	if err := pgp.EncryptArmored(out, content, p.writing()); err != nil {
		return "", Message{}, content.errorOf(err)
	}
	ciphertext, err := out.message()
	if err != nil {
		return "", Message{}, err
	}
	if err := onlyArmor(ciphertext); err != nil { // whatever the library did, nothing else may leave as encrypted
		return "", Message{}, fmt.Errorf("protect: %w", err)
	}
	control := Of([]byte("Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"))
	return fmt.Sprintf("multipart/encrypted;\r\n protocol=\"application/pgp-encrypted\"; boundary=\"%s\"", boundary),
		twoParts(boundary, control, "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n", ciphertext), nil
}

func (p *protecting) wrapSigned(content *payload, boundary string) (contentType string, body Message, err error) {
	out := p.ws.sink()
	if _, err := content.WriteTo(out); err != nil {
		return "", Message{}, err
	}
	entity, err := out.message()
	if err != nil {
		return "", Message{}, err
	}
	signature, hash, err := pgp.Sign(entity, p.writing())
	if err != nil {
		return "", Message{}, err
	}
	armored, err := armorOf(armor.Signature, signature)
	return fmt.Sprintf("multipart/signed; micalg=pgp-%s;\r\n protocol=\"application/pgp-signature\"; boundary=\"%s\"", hash, boundary),
		twoParts(boundary, entity, "Content-Type: application/pgp-signature; name=\"signature.asc\"\r\n", Of(armored)), err
}

// writing is the request for the OpenPGP message.
func (p *protecting) writing() pgp.Writing {
	w := pgp.Writing{To: p.To, Hidden: p.Hidden, Now: p.Now, Random: p.Random}
	if p.Protection.signs() {
		w.Signers = []*openpgp.Entity{p.Signer}
	}
	return w
}

// newBoundary is random, so that it stands in no part.
func newBoundary(random io.Reader) (string, error) {
	b := make([]byte, 18)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("protect: %w", err)
	}
	return "=_" + hex.EncodeToString(b), nil
}

// twoParts writes the body. The line end after the first part belongs to the delimiter, not to what is signed. The
// second part ends with a line end of its own.
func twoParts(boundary string, first Message, header string, armored Message) Message {
	return joined(
		Of([]byte("--"+boundary+lineEnd)), first,
		Of([]byte(lineEnd+"--"+boundary+lineEnd+header+lineEnd)), armored,
		Of([]byte("--"+boundary+"--"+lineEnd)))
}

// armorOf armors something small.
func armorOf(blockType string, binary []byte) ([]byte, error) {
	var b bytes.Buffer
	w := armor.NewWriter(&b, blockType)
	_, err := w.Write(binary)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}
