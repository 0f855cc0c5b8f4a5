package pgp

import (
	"bytes"
	"errors"
	"io"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Outcome is what became of an encrypted message: the words of the verdict.
type Outcome string

// The outcomes. The zero Outcome means that nothing was tried.
const (
	Decrypted        Outcome = "decrypted"
	NoKey            Outcome = "no-key"
	Corrupt          Outcome = "corrupt"
	Refused          Outcome = "refused"
	MalformedMessage Outcome = "malformed"
)

// The names of limits, as they stand in a verdict.
const (
	LimitDecompressed = "decompressed"
	LimitSessionKeys  = "session-keys"
	LimitTrials       = "trials"
	LimitSignatures   = "signatures"
)

// Decryption is what was found out about an encrypted message.
type Decryption struct {
	Outcome    Outcome
	Reason     string   // one sentence for people, free of input text, or ""
	Limit      string   // name of the limit that was hit, or ""
	KeyIDs     []string // of the recipients, 16 upper-case hex digits; sixteen zeros for one without a name
	Container  string   // SEIPDv1, SEIPDv2, OCB (GnuPG's packet 20), SED, or "" when it was not reached
	Cipher     string
	With       *openpgp.Key // the key that opened it
	SessionKey []byte       // with WithSessionKey only
	CipherID   uint8        // the cipher's number (RFC 9580, section 9.3), with WithSessionKey only
	Signed     bool
	Signatures []Signature
}

// Ring is the keys for one message: secret ones to decrypt with, certificates to verify with.
type Ring interface {
	openpgp.KeyRing
	Secrets() openpgp.EntityList
}

// Lookup returns the keys for a message that is encrypted to these key ids; nil means any, as a recipient has no name.
type Lookup func(keyIDs []string) (Ring, error)

// Decrypt reads one binary OpenPGP message and writes its plaintext, which must not be used unless the outcome is
// Decrypted. An error means that lookUp or out failed, never that the message is odd.
func Decrypt(out io.Writer, message io.Reader, lookUp Lookup, o Options) (Decryption, error) {
	d := &decryption{options: o, out: &faultyWriter{w: out}}
	d.options.Limits = o.Limits.WithDefaults()
	d.read(message, lookUp)
	return d.Decryption, errors.Join(d.failure, d.out.err)
}

// decryption is one Decrypt in progress.
type decryption struct {
	Decryption
	options     Options
	out         *faultyWriter
	ring        Ring
	sessionKeys []*packet.EncryptedKey
	failure     error
}

// faultyWriter remembers its error, which is then not mistaken for one of the message.
type faultyWriter struct {
	w   io.Writer
	err error
}

func (f *faultyWriter) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.err = errors.Join(f.err, err)
	return n, err
}

func (d *decryption) end(o Outcome, reason string) { d.Outcome, d.Reason = o, reason }

func (d *decryption) over(limit, reason string) {
	d.end(Refused, reason)
	d.Limit = limit
}

func (d *decryption) read(message io.Reader, lookUp Lookup) {
	defer func() { // the library parses what anybody may have written
		if recover() != nil {
			d.end(Corrupt, "")
		}
	}()
	var beginning bytes.Buffer
	counted := &countingReader{r: message}
	named, ok := d.recipients(io.TeeReader(io.LimitReader(counted, maxBeginning), &beginning))
	if !ok {
		return
	}
	if d.ring, d.failure = lookUp(named); d.failure != nil {
		return
	}
	if d.anonymous()*len(d.ring.Secrets()) > d.options.Limits.Trials {
		d.over(LimitTrials, "The message names too many recipients without saying who they are.")
		return
	}
	d.decrypt(io.MultiReader(&beginning, counted), counted)
}

// maxBeginning bounds what stands before the encrypted data.
const maxBeginning = 1 << 20

// countingReader counts the input, by which the plaintext is measured.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// recipients reads the beginning of an OpenPGP message: the keys it names, nil for any when a recipient has no name.
// What is not encrypted with integrity protection at all is turned away here.
func (d *decryption) recipients(beginning io.Reader) (ids []string, ok bool) {
	packets := packet.NewReader(beginning)
	for count := 0; ; count++ {
		p, err := packets.Next()
		switch {
		case err != nil:
			d.end(MalformedMessage, "The encrypted part holds no complete OpenPGP message.")
			return nil, false
		case count > d.options.Limits.SessionKeys:
			d.over(LimitSessionKeys, "The message names too many recipients' keys.")
			return nil, false
		}
		switch p := p.(type) {
		case *packet.EncryptedKey:
			ids = append(ids, KeyIDText(p.KeyId))
			d.KeyIDs, d.sessionKeys = ids, append(d.sessionKeys, p)
		case *packet.SymmetricKeyEncrypted: // other recipients may be ours
		case packet.Padding: // RFC 9580, section 5.14: to be ignored
		case *packet.SymmetricallyEncrypted:
			d.Container = container(p)
			return d.openable(p.IntegrityProtected)
		case *packet.AEADEncrypted:
			d.Container = "OCB"
			return d.openable(true)
		default:
			d.end(MalformedMessage, "The part that should be encrypted is not.")
			return nil, false
		}
	}
}

// container names the packet that holds the encrypted data (RFC 9580, sections 5.7 and 5.13).
func container(p *packet.SymmetricallyEncrypted) string {
	switch {
	case !p.IntegrityProtected:
		return "SED"
	case p.Version == 2:
		return "SEIPDv2"
	}
	return "SEIPDv1"
}

// openable judges what the packets before the encrypted data said.
func (d *decryption) openable(protected bool) ([]string, bool) {
	switch {
	case !protected: // tag 9: anybody may have altered it (RFC 9580, section 13.7)
		d.end(Refused, "The encryption has no integrity protection.")
		return nil, false
	case len(d.KeyIDs) == 0:
		d.end(NoKey, "The message is encrypted with a passphrase only.")
		return nil, false
	case d.anonymous() > 0:
		return nil, true
	}
	return d.KeyIDs, true
}

// anonymous counts the session keys whose recipient has no name (RFC 9580, section 5.1.8).
func (d *decryption) anonymous() int {
	count := 0
	for _, id := range d.KeyIDs {
		if id == KeyIDText(0) {
			count++
		}
	}
	return count
}

// copyBuffer is how much is decrypted at a time.
const copyBuffer = 8 << 10

func (d *decryption) decrypt(message io.Reader, counted *countingReader) {
	md, err := openpgp.ReadMessage(message, d.ring, nil, d.options.config())
	if err != nil {
		d.notDecrypted(err)
		return
	}
	if !md.IsEncrypted {
		d.end(MalformedMessage, "The part that should be encrypted is not.")
		return
	}
	if len(md.SignatureCandidates) > d.options.Limits.Signatures {
		d.over(LimitSignatures, "The message has too many signatures.")
		return
	}
	d.Cipher, d.With, d.SessionKey, d.CipherID = cipherName(md.DecryptedWithAlgorithm), &md.DecryptedWith, md.SessionKey, uint8(md.DecryptedWithAlgorithm)
	if !d.copy(md.UnverifiedBody, counted) {
		return
	}
	d.Outcome, d.Signed = Decrypted, md.IsSigned
	if md.IsSigned {
		d.Signatures = judge(md.SignatureCandidates, d.options.config())
	}
}

// copy writes the plaintext out, and is true when it ended cleanly.
func (d *decryption) copy(plaintext io.Reader, counted *countingReader) bool {
	buffer := make([]byte, copyBuffer)
	for written := int64(0); ; {
		n, err := plaintext.Read(buffer)
		written += int64(n)
		switch l := d.options.Limits; {
		case written > l.Decompressed, written > max(freeOfRatio, counted.n*l.Ratio), errors.Is(err, pgperrors.ErrMessageTooLarge):
			d.over(LimitDecompressed, "What is encrypted is larger than allowed.")
			return false
		case err != nil && !errors.Is(err, io.EOF):
			d.end(Corrupt, "")
			return false
		}
		if _, failed := d.out.Write(buffer[:n]); failed != nil {
			return false
		}
		if err != nil {
			return true
		}
	}
}

// notDecrypted tells a key that is not held from a message that is damaged. To the sender both look the same.
func (d *decryption) notDecrypted(err error) {
	switch {
	case errors.Is(err, pgperrors.ErrMessageTooLarge):
		d.over(LimitDecompressed, "What is encrypted is larger than allowed.")
	case errors.Is(err, pgperrors.ErrKeyIncorrect) && !d.holdsNamed():
		d.end(NoKey, "")
	case errors.Is(err, pgperrors.ErrKeyIncorrect) && d.namesUnknownCipher():
		d.end(Refused, "It is encrypted with a cipher that is not used here.")
	default:
		d.end(Corrupt, "")
	}
}

// namesUnknownCipher tells a session key that one of our keys opens, and that is for a cipher which the library does not
// know. Only whoever reads the verdict learns it, never the sender.
func (d *decryption) namesUnknownCipher() bool {
	for _, k := range d.sessionKeys {
		for _, e := range d.ring.Secrets() {
			for _, key := range (openpgp.EntityList{e}).KeysById(k.KeyId) {
				if key.PrivateKey != nil && !key.PrivateKey.Encrypted && errors.As(k.Decrypt(key.PrivateKey, nil), new(pgperrors.UnsupportedError)) {
					return true
				}
			}
		}
	}
	return false
}

// holdsNamed tells whether a key of one of the named recipients was there to decrypt with.
func (d *decryption) holdsNamed() bool {
	for _, named := range d.KeyIDs {
		for _, e := range d.ring.Secrets() {
			if named != KeyIDText(0) && holdsSecret(e, named) {
				return true
			}
		}
	}
	return false
}

func holdsSecret(e *openpgp.Entity, keyID string) bool {
	usable := func(p *packet.PrivateKey) bool {
		return p != nil && !p.Encrypted && !p.Dummy() && KeyIDText(p.KeyId) == keyID
	}
	if usable(e.PrivateKey) {
		return true
	}
	for _, s := range e.Subkeys {
		if usable(s.PrivateKey) {
			return true
		}
	}
	return false
}

// config is the library's configuration for reading. It asks for the time only to tell whether a signature is from the
// future or has run out; certificates are judged at the time of the signature.
func (o Options) config() *packet.Config {
	// The library cannot tell "too large" from "damaged" inside an encryption. Our own counter of the content is to come
	// first, so that the verdict can; the packets around the content are small.
	limit := o.Limits.Decompressed + o.Limits.Decompressed/8 + 1<<16
	return &packet.Config{
		Time:                       clock(o.Now.Add(clockSkew)),
		MaxDecompressedMessageSize: &limit,
		CacheSessionKey:            o.WithSessionKey,
	}
}

// cipherName is the cipher's name as people know it.
func cipherName(c packet.CipherFunction) string {
	switch c {
	case packet.Cipher3DES:
		return "3DES"
	case packet.CipherCAST5:
		return "CAST5"
	case packet.CipherAES128:
		return "AES-128"
	case packet.CipherAES192:
		return "AES-192"
	case packet.CipherAES256:
		return "AES-256"
	}
	return "unknown"
}
