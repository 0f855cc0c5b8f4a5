package pgp

import (
	"errors"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// SessionKey opens one message. Cipher is the number of its algorithm (RFC 9580, section 9.3).
type SessionKey struct {
	Cipher uint8
	Key    []byte
}

// DecryptWith is Decrypt for one who was handed the message's session key and needs no secret key. The intended
// recipients of its signatures are not checked, as it is not known who reads.
func DecryptWith(out io.Writer, message io.Reader, key SessionKey, ring openpgp.KeyRing, o Options) (Decryption, error) {
	d := &decryption{options: o, out: &faultyWriter{w: out}}
	d.options.Limits = o.Limits.WithDefaults()
	d.readWith(message, key, ring)
	return d.Decryption, errors.Join(d.failure, d.out.err)
}

func (d *decryption) readWith(message io.Reader, key SessionKey, ring openpgp.KeyRing) {
	defer func() { // the library parses what anybody may have written
		if recover() != nil {
			d.end(Corrupt, "")
		}
	}()
	counted := &countingReader{r: message}
	encrypted := d.encryptedData(counted)
	if encrypted == nil {
		return
	}
	content, err := encrypted.Decrypt(packet.CipherFunction(key.Cipher), key.Key)
	if err != nil {
		d.end(Corrupt, "")
		return
	}
	d.Cipher, d.CipherID = cipherName(packet.CipherFunction(key.Cipher)), key.Cipher
	if d.options.WithSessionKey {
		d.SessionKey = key.Key
	}
	d.content(content, counted, ring)
}

// encryptedData reads up to the encrypted data, nil where there is none that may be opened.
func (d *decryption) encryptedData(message io.Reader) packet.EncryptedDataPacket {
	packets := packet.NewReader(message)
	for count := 0; count <= d.options.Limits.SessionKeys; count++ {
		p, err := packets.Next()
		if err != nil {
			d.end(MalformedMessage, "The encrypted part holds no complete OpenPGP message.")
			return nil
		}
		switch p := p.(type) {
		case *packet.EncryptedKey:
			d.KeyIDs = append(d.KeyIDs, KeyIDText(p.KeyId))
		case *packet.SymmetricKeyEncrypted:
		case *packet.SymmetricallyEncrypted:
			if d.Container = container(p); !p.IntegrityProtected {
				d.end(Refused, "The encryption has no integrity protection.")
				return nil
			}
			return p
		case *packet.AEADEncrypted:
			d.Container = "OCB"
			return p
		default:
			d.end(MalformedMessage, "The part that should be encrypted is not.")
			return nil
		}
	}
	d.over(LimitSessionKeys, "The message names too many recipients' keys.")
	return nil
}

// content reads what was encrypted to its end, where its integrity is checked.
func (d *decryption) content(content io.ReadCloser, counted *countingReader, ring openpgp.KeyRing) {
	config := d.options.config()
	check := false
	config.CheckIntendedRecipients = &check
	md, err := openpgp.ReadMessage(content, ring, nil, config)
	if err != nil || md.IsEncrypted {
		d.end(Corrupt, "")
		return
	}
	if len(md.SignatureCandidates) > d.options.Limits.Signatures {
		d.over(LimitSignatures, "The message has too many signatures.")
		return
	}
	if !d.copy(md.UnverifiedBody, counted) {
		return
	}
	if content.Close() != nil {
		d.end(Corrupt, "")
		return
	}
	d.Outcome, d.Signed = Decrypted, md.IsSigned
	if md.IsSigned {
		d.Signatures = judge(md.SignatureCandidates, config)
	}
}
