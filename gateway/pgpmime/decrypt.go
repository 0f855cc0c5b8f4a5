package pgpmime

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// decryptPart opens a multipart/encrypted body (RFC 3156, section 4) and returns the entity inside, or nil with the
// verdict set. A signature inside the encryption is judged too, and replaces what an outer one said.
func (op *opening) decryptPart(m multipart) []byte {
	if len(m.parts) != 2 {
		return op.closed(EncryptionMalformed, "An encrypted message has exactly two parts; this one does not.")
	}
	control, _, _ := split(m.part(0))
	if t, _ := mediaType(control); t != "application/pgp-encrypted" {
		return op.closed(EncryptionMalformed, "The first part of an encrypted message is not where it should be.")
	}
	fields, _, body := split(m.part(1))
	message, ok := dearmor(decodeTransfer(transferEncoding(fields), body), openpgp.MessageType)
	if !ok {
		return op.closed(EncryptionMalformed, "The encrypted part holds no OpenPGP message.")
	}
	named, ok := op.namedKeys(message)
	if !ok {
		return nil
	}
	secrets, err := op.keys.Secrets(named)
	if err != nil {
		op.fail(err)
		return nil
	}
	return op.decrypt(message, &ring{op: op, secrets: secrets})
}

// closed sets the verdict for something that stays closed.
func (op *opening) closed(e Encryption, reason string) []byte {
	op.verdict.Encryption, op.verdict.Reason = e, reason
	return nil
}

// namedKeys reads the beginning of an OpenPGP message: the keys it names, nil for "any" when a recipient is anonymous.
// What is not encrypted with integrity protection at all is turned away here.
func (op *opening) namedKeys(message []byte) (ids []string, ok bool) {
	packets := packet.NewReader(bytes.NewReader(message))
	anonymous := false
	for count := 0; ; count++ {
		p, err := packets.Next()
		switch {
		case err != nil:
			op.closed(EncryptionMalformed, "The encrypted part holds no complete OpenPGP message.")
			return nil, false
		case count > op.options.Limits.SessionKeys:
			op.closed(EncryptionRefused, "The message names too many recipients' keys.")
			return nil, false
		}
		switch p := p.(type) {
		case *packet.EncryptedKey:
			anonymous = anonymous || p.KeyId == 0
			ids = append(ids, keyIDText(p.KeyId))
			op.verdict.EncryptedTo = ids
		case *packet.SymmetricKeyEncrypted: // passphrases are not for mail; other recipients may be ours
		case *packet.SymmetricallyEncrypted:
			return op.openable(ids, anonymous, p.IntegrityProtected)
		case *packet.AEADEncrypted:
			return op.openable(ids, anonymous, true)
		default:
			op.closed(EncryptionMalformed, "The part that should be encrypted is not.")
			return nil, false
		}
	}
}

// openable judges what the packets before the encrypted data said.
func (op *opening) openable(ids []string, anonymous, protected bool) ([]string, bool) {
	switch {
	case !protected: // tag 9: anybody may have altered it (RFC 9580, section 13.7)
		op.closed(EncryptionRefused, "The encryption has no integrity protection.")
		return nil, false
	case len(ids) == 0:
		op.closed(NoKey, "The message is encrypted with a passphrase only.")
		return nil, false
	case anonymous:
		return nil, true
	}
	return ids, true
}

// maxTrials bounds session keys without a name times secret keys to try them with: each trial costs up to 3 ms.
const maxTrials = 1000

// decrypt opens an OpenPGP message. Its bytes are used only after the reader ended cleanly: before that neither
// integrity nor signature is known (EFAIL, CVE-2017-17688).
func (op *opening) decrypt(message []byte, r *ring) (plaintext []byte) {
	defer func() { // the library parses what anybody may have written
		if recover() != nil {
			plaintext = op.closed(Corrupt, "")
		}
	}()
	if op.anonymous()*len(r.secrets) > maxTrials {
		return op.closed(EncryptionRefused, "The message names too many recipients without saying who they are.")
	}
	md, err := openpgp.ReadMessage(bytes.NewReader(message), r, nil, op.options.config())
	if err != nil {
		return op.notDecrypted(err, r)
	}
	if !md.IsEncrypted {
		return op.closed(EncryptionMalformed, "The part that should be encrypted is not.")
	}
	limit := op.options.Limits.Decompressed
	plaintext, err = io.ReadAll(io.LimitReader(md.UnverifiedBody, limit+1))
	switch {
	case int64(len(plaintext)) > limit || errors.Is(err, pgperrors.ErrMessageTooLarge):
		return op.closed(EncryptionRefused, "What is encrypted is larger than allowed.")
	case err != nil:
		return op.closed(Corrupt, "")
	}
	op.verdict.Encryption, op.decrypted = Decrypted, true
	if md.IsSigned {
		op.judge(md.SignatureCandidates, r)
	}
	return plaintext
}

// anonymous counts the session keys whose recipient is not named.
func (op *opening) anonymous() int {
	count := 0
	for _, id := range op.verdict.EncryptedTo {
		if id == keyIDText(0) {
			count++
		}
	}
	return count
}

// notDecrypted tells a key that is not held from a message that is damaged. To the sender both look the same.
func (op *opening) notDecrypted(err error, r *ring) []byte {
	switch {
	case errors.Is(err, pgperrors.ErrMessageTooLarge):
		return op.closed(EncryptionRefused, "What is encrypted is larger than allowed.")
	case errors.Is(err, pgperrors.ErrKeyIncorrect) && !r.holdsNamed(op.verdict.EncryptedTo):
		op.wait(op.verdict.EncryptedTo...)
		return op.closed(NoKey, "")
	}
	return op.closed(Corrupt, "")
}

// dearmor returns the binary form of an armored or binary OpenPGP object of the given armor type.
func dearmor(b []byte, blockType string) ([]byte, bool) {
	trimmed := bytes.TrimLeft(b, " \t\r\n")
	if len(trimmed) == 0 {
		return nil, false
	}
	if trimmed[0]&0x80 != 0 { // every OpenPGP packet begins with this bit (RFC 9580, section 4.2)
		return trimmed, true
	}
	block, err := armor.Decode(bytes.NewReader(trimmed))
	if err != nil || block.Type != blockType {
		return nil, false
	}
	binary, err := io.ReadAll(block.Body)
	return binary, err == nil && len(binary) > 0
}

// decodeTransfer undoes a Content-Transfer-Encoding; what cannot be decoded comes back as far as it could.
func decodeTransfer(encoding string, body []byte) []byte {
	var r io.Reader
	switch encoding {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, bytes.NewReader(base64Only(body)))
	case "quoted-printable":
		r = quotedprintable.NewReader(bytes.NewReader(body))
	default:
		return body
	}
	decoded, _ := io.ReadAll(r) //nolint:errcheck // what was decoded before the damage is of use
	return decoded
}

// base64Only leaves out what is not of the alphabet, as RFC 2045, section 6.8 asks of readers.
func base64Only(body []byte) []byte {
	return bytes.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '+', r == '/', r == '=':
			return r
		}
		return -1
	}, body)
}
