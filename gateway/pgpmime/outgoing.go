package pgpmime

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// Protection is what was done to an Outgoing.
type Protection string

// The protections.
const (
	Clear           Protection = "clear" // decided, never by accident
	Signed          Protection = "signed"
	Encrypted       Protection = "encrypted"
	SignedEncrypted Protection = "signed+encrypted"
)

func (p Protection) signs() bool    { return p == Signed || p == SignedEncrypted }
func (p Protection) encrypts() bool { return p == Encrypted || p == SignedEncrypted }

// Outgoing is a message that may leave. Only Protect and Restore make one; the zero Outgoing is refused by every
// consumer.
type Outgoing struct {
	message    Message
	protection Protection
	workspace  *workspace
}

// Message is the message, CRLF line ends, 7-bit unless Clear. It must not be used after Close.
func (o Outgoing) Message() Message { return o.message }

// Bytes is the message in memory; nil when its spool fails.
func (o Outgoing) Bytes() []byte {
	b, err := o.message.Bytes()
	if err != nil {
		return nil
	}
	return b
}

// Protection tells what was done; "" for the zero Outgoing.
func (o Outgoing) Protection() Protection { return o.protection }

// Close removes what lies in a spool. It may be called more than once.
func (o Outgoing) Close() error {
	if o.workspace == nil {
		return nil
	}
	return o.workspace.Close()
}

// Restore brings back an Outgoing that was stored. It checks that the bytes really have the form that p claims, so
// that a mix-up in storage can never send a clear message as an encrypted one.
func Restore(p Protection, message []byte) (Outgoing, error) { return RestoreMessage(p, Of(message)) }

// RestoreMessage is Restore for a message of any size, which stays the caller's to close.
func RestoreMessage(p Protection, message Message) (Outgoing, error) {
	var err error
	switch {
	case message.Size() == 0:
		err = errors.New("the message is empty")
	case p == Clear:
	case p == Signed, p == Encrypted, p == SignedEncrypted:
		err = hasForm(p, message)
	default:
		err = fmt.Errorf("unknown protection %q", p)
	}
	if err != nil {
		return Outgoing{}, fmt.Errorf("not %s as it should be: %w", p, err)
	}
	return Outgoing{message: message, protection: p}, nil
}

// hasForm checks the form of a protected message: PGP/MIME, or a text that is armor.
func hasForm(p Protection, message Message) error {
	e, err := parse(message, Limits{}.withDefaults())
	if err != nil {
		return err
	}
	root := placed{message, e}
	switch {
	case len(named(root.fields, "content-type")) != 1:
		return errors.New("the message has not one type")
	case root.mediaType == "text/plain" && p == Signed:
		return isClearsigned(root)
	case root.mediaType == "text/plain":
		return isInlineEncrypted(root)
	case p == Signed:
		return isSigned(root)
	}
	return isEncrypted(root)
}

// twoPartsOf checks that a root of the given type has two parts.
func twoPartsOf(root placed, want string) error {
	switch {
	case root.mediaType != want:
		return fmt.Errorf("the message is %s, not %s", root.mediaType, want)
	case len(root.parts) != 2 || !root.closed:
		return errors.New("the message has not two parts")
	}
	return nothingAround(root)
}

// nothingAround checks that a multipart has neither preamble nor epilogue, where anything could stand in clear.
func nothingAround(root placed) error {
	delimiter := "--" + root.params["boundary"]
	first, last := delimiter+lineEnd, delimiter+"--"+lineEnd
	content := root.content()
	beginning, err := content.beginning(len(first))
	if err != nil {
		return err
	}
	end, err := content.slice(max(0, content.Size()-int64(len(last))), content.Size()).Bytes()
	if err != nil {
		return err
	}
	if string(beginning) != first || string(end) != last {
		return errors.New("there is text around the parts")
	}
	return nil
}

func isSigned(root placed) error {
	if err := twoPartsOf(root, "multipart/signed"); err != nil {
		return err
	}
	body, err := root.part(1).content().Bytes()
	if err != nil {
		return err
	}
	binary, ok := wholeObject(body, armor.Signature)
	if !ok || root.parts[1].mediaType != "application/pgp-signature" {
		return errors.New("the second part holds no signature")
	}
	if count, known := pgp.CountSignatures(binary); count == 0 || count != known {
		return errors.New("the second part holds no signature")
	}
	return nil
}

// isEncrypted checks that the second part is nothing but session keys for recipients and encrypted data with integrity
// protection.
func isEncrypted(root placed) error {
	if err := twoPartsOf(root, "multipart/encrypted"); err != nil {
		return err
	}
	version, err := root.part(0).content().Bytes()
	if err != nil {
		return err
	}
	if root.parts[0].mediaType != "application/pgp-encrypted" || string(bytes.TrimSpace(version)) != "Version: 1" {
		return errors.New("the first part is not that of an encrypted message")
	}
	return onlyArmor(root.part(1).content())
}

// isInlineEncrypted checks that a text is nothing but the armor of such a message.
func isInlineEncrypted(root placed) error { return onlyArmor(root.content()) }

// onlyArmor checks that a body is one armored OpenPGP message for recipients and nothing else.
func onlyArmor(body Message) error {
	beginning, err := body.beginning(len(beginMessage))
	if err != nil {
		return err
	}
	lines := &armorLines{}
	if _, err := body.WriteTo(lines); err != nil {
		return err
	}
	lines.end()
	if string(beginning) != beginMessage || !lines.ended || lines.after || lines.headed {
		return errors.New("there is something else than an OpenPGP message")
	}
	binary, ok := dearmor(body.Reader(), armor.Message)
	if !ok {
		return errors.New("the part holds no OpenPGP message")
	}
	return onlyForRecipients(binary)
}

// armorLines is a writer that looks for the line that ends armor, for anything but blanks after it, and for armor headers,
// which are in clear; we write none.
type armorLines struct {
	line                 []byte
	seen                 int // whole lines, up to 2
	ended, after, headed bool
}

func (a *armorLines) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		l := firstLine(rest)
		rest = rest[len(l):]
		if whole := l[len(l)-1] == '\n' && len(a.line) == 0; whole && l[0] != '-' && !a.ended && a.seen > 1 {
			continue // base64
		}
		if a.line = append(a.line, l[:min(len(l), 100)]...); l[len(l)-1] != '\n' {
			continue
		}
		a.end()
	}
	return len(p), nil
}

// end looks at the line.
func (a *armorLines) end() {
	a.headed = a.headed || a.seen == 1 && len(bytes.TrimSpace(a.line)) > 0
	a.seen = min(a.seen+1, 2)
	a.after = a.after || (a.ended && len(bytes.TrimSpace(a.line)) > 0)
	a.ended = a.ended || string(bytes.TrimSpace(a.line)) == endMessage
	a.line = a.line[:0]
}

// isClearsigned checks that a text begins with a cleartext signature and ends with it.
func isClearsigned(root placed) error {
	content, err := root.content().Bytes()
	if err != nil {
		return err
	}
	text := decodeTransfer(root.encoding(), content)
	found := blocks(text)
	if !whole(text, found) || found[0].kind != KindClearsigned {
		return errors.New("the text is not signed")
	}
	signed, err := pgp.ReadClearsigned(text)
	if count, known := pgp.CountSignatures(signed.Signature); err != nil || count == 0 || count != known {
		return errors.New("the text holds no signature")
	}
	return nil
}

// onlyForRecipients checks that an OpenPGP message is session keys for recipients and protected data, and nothing else.
func onlyForRecipients(message io.Reader) error {
	packets := packet.NewReader(message)
	for recipients := 0; ; recipients++ {
		p, err := packets.Next()
		if err != nil {
			return errors.New("the OpenPGP message is not complete")
		}
		switch p := p.(type) {
		case *packet.EncryptedKey:
		case *packet.SymmetricallyEncrypted:
			if recipients == 0 || !p.IntegrityProtected {
				return errors.New("the OpenPGP message has no recipients or no integrity protection")
			}
			if _, err := io.Copy(io.Discard, p.Contents); err != nil {
				return errors.New("the OpenPGP message is not complete")
			}
			if _, err := packets.Next(); err != io.EOF {
				return errors.New("something follows the encrypted data")
			}
			return nil
		default:
			return errors.New("the OpenPGP message is not encrypted")
		}
	}
}
