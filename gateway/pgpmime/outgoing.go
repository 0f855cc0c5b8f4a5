package pgpmime

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
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
	bytes      []byte
	protection Protection
}

// Bytes is the message, CRLF line ends, 7-bit unless Clear.
func (o Outgoing) Bytes() []byte { return o.bytes }

// Protection tells what was done; "" for the zero Outgoing.
func (o Outgoing) Protection() Protection { return o.protection }

// Restore brings back an Outgoing that was stored. It checks that the bytes really have the form that p claims, so
// that a mix-up in storage can never send a clear message as an encrypted one.
func Restore(p Protection, message []byte) (Outgoing, error) {
	var err error
	switch p {
	case Clear:
	case Signed:
		err = isSigned(message)
	case Encrypted, SignedEncrypted:
		err = isEncrypted(message)
	default:
		err = fmt.Errorf("unknown protection %q", p)
	}
	if err == nil && len(message) == 0 {
		err = errors.New("the message is empty")
	}
	if err != nil {
		return Outgoing{}, fmt.Errorf("not %s as it should be: %w", p, err)
	}
	return Outgoing{bytes: message, protection: p}, nil
}

// rootParts returns the two parts of a message whose root has the given type.
func rootParts(message []byte, want string) (multipart, error) {
	fields, _, body := split(message)
	t, params := mediaType(fields)
	if t != want || len(named(fields, "content-type")) != 1 {
		return multipart{}, fmt.Errorf("the message is %s, not %s", t, want)
	}
	m := cut(body, params["boundary"], 3)
	if len(m.parts) != 2 || !m.closed {
		return multipart{}, errors.New("the message has not two parts")
	}
	return m, nil
}

func isSigned(message []byte) error {
	m, err := rootParts(message, "multipart/signed")
	if err != nil {
		return err
	}
	fields, _, body := split(m.part(1))
	binary, ok := dearmor(body, openpgp.SignatureType)
	if t, _ := mediaType(fields); !ok || t != "application/pgp-signature" {
		return errors.New("the second part holds no signature")
	}
	if count, known := signatures(binary); count == 0 || count != known {
		return errors.New("the second part holds no signature")
	}
	return nil
}

// isEncrypted checks that the second part is nothing but session keys for recipients and encrypted data with integrity
// protection.
func isEncrypted(message []byte) error {
	m, err := rootParts(message, "multipart/encrypted")
	if err != nil {
		return err
	}
	control, _, version := split(m.part(0))
	if t, _ := mediaType(control); t != "application/pgp-encrypted" || string(bytes.TrimSpace(version)) != "Version: 1" {
		return errors.New("the first part is not that of an encrypted message")
	}
	_, _, body := split(m.part(1))
	binary, ok := dearmor(body, openpgp.MessageType)
	if !ok {
		return errors.New("the second part holds no OpenPGP message")
	}
	return onlyForRecipients(binary)
}

// onlyForRecipients checks that an OpenPGP message begins with session keys for recipients and that protected data follow.
func onlyForRecipients(message []byte) error {
	packets := packet.NewReader(bytes.NewReader(message))
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
			return nil
		default:
			return errors.New("the OpenPGP message is not encrypted")
		}
	}
}
