package pgp

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"strings"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Verify checks binary detached signatures over the bytes of signed, which it reads to the end. It always returns at
// least one Signature. An error means that signed could not be read.
func Verify(signed io.Reader, signature []byte, ring openpgp.KeyRing, o Options) (found []Signature, err error) {
	o.Limits = o.Limits.WithDefaults()
	source := &faultyReader{r: signed}
	defer func() { // the library parses what anybody may have written
		if recover() != nil {
			found, err = []Signature{{State: Malformed}}, source.err
		}
	}()
	count, known, oldest := versions(signature)
	if weak, ok := weakOnly(signature); ok {
		return []Signature{weak}, nil
	}
	switch {
	case count == 0:
		return []Signature{{State: Malformed}}, nil
	case count > o.Limits.Signatures:
		return []Signature{{State: Unsupported, Reason: "It has too many signatures."}}, nil
	case known == 0:
		return []Signature{unsupported(oldest)}, nil
	}
	md, err := openpgp.VerifyDetachedSignatureReader(ring, source, bytes.NewReader(signature), o.config())
	if err == nil {
		_, err = io.CopyBuffer(io.Discard, onlyReader{md.UnverifiedBody}, make([]byte, copyBuffer))
	}
	switch {
	case source.err != nil:
		return nil, source.err
	case errors.As(err, new(pgperrors.UnsupportedError)), errors.Is(err, pgperrors.ErrUnknownIssuer):
		return []Signature{{State: Unsupported}}, nil // no signature packet of a kind that the library reads
	case err != nil:
		return []Signature{{State: Malformed}}, nil
	}
	return judge(md.SignatureCandidates, o.config()), nil
}

// onlyReader hides other methods, so that the buffer of a copy is used.
type onlyReader struct{ io.Reader }

// faultyReader remembers its error, which is then not mistaken for one of the message.
type faultyReader struct {
	r   io.Reader
	err error
}

func (f *faultyReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// unsupported names the version of a signature that nobody should make any more, or not yet.
func unsupported(version int) Signature {
	s := Signature{State: Unsupported, Version: version}
	switch version {
	case 3:
		s.Reason = "It is a version 3 signature, which current OpenPGP no longer knows; ask the sender to update his program."
	case 5:
		s.Reason = "It is a version 5 signature of LibrePGP, which is not in the OpenPGP standard."
	}
	return s
}

// versions counts the signature packets, and those of a version that the library reads. It skips the others (version
// 3 of old GnuPG, version 5 of LibrePGP): unsupported is another answer than bad.
func versions(binary []byte) (count, known, other int) {
	packets := packet.NewOpaqueReader(bytes.NewReader(binary))
	for {
		p, err := packets.Next()
		if err != nil {
			return count, known, other
		}
		if p.Tag != signatureTag || len(p.Contents) == 0 {
			continue
		}
		count++
		switch v := int(p.Contents[0]); v {
		case 4, 6:
			known++
		default:
			other = v
		}
	}
}

// weakOnly tells a single signature with a hash that is so weak that the library does not even know it.
func weakOnly(binary []byte) (Signature, bool) {
	packets := packet.NewOpaqueReader(bytes.NewReader(binary))
	p, err := packets.Next()
	if err != nil || p.Tag != signatureTag || len(p.Contents) < 4 || p.Contents[0] != 4 {
		return Signature{}, false
	}
	if _, err := packets.Next(); !errors.Is(err, io.EOF) {
		return Signature{}, false
	}
	switch p.Contents[3] { // RFC 9580, section 9.5
	case 1:
		return Signature{State: Weak, Version: 4, Hash: "md5"}, true
	case 3:
		return Signature{State: Weak, Version: 4, Hash: "ripemd160"}, true
	}
	return Signature{}, false
}

// signatureTag is the packet type of a signature (RFC 9580, section 5.2).
const signatureTag = 2

// CountSignatures counts the signature packets of a binary detached signature, and those of a version that can be read.
func CountSignatures(binary []byte) (count, known int) {
	count, known, _ = versions(binary)
	return count, known
}

// judge reads the library's word on all signatures of a message. Its IsVerified means "checked", not "good": only a nil
// error with a key counts. It checks the certificate and its subkey at the time of the signature, and knows a
// revocation for compromise at any time.
func judge(candidates []*openpgp.SignatureCandidate, config *packet.Config) []Signature {
	found := make([]Signature, 0, len(candidates))
	for _, c := range candidates {
		found = append(found, judgeOne(c, config))
	}
	if len(found) == 0 {
		return []Signature{{State: Malformed}}
	}
	return found
}

func judgeOne(c *openpgp.SignatureCandidate, config *packet.Config) Signature {
	s := Signature{
		Signer: c.SignedByEntity, IssuerID: c.IssuerKeyId, Key: c.SignedBy, Version: c.OPSVersion,
		Algorithm: AlgorithmName(c.PubKeyAlgo), Hash: hashName(c.HashAlgorithm), Text: c.SigType == packet.SigTypeText,
	}
	if c.CorrespondingSig != nil {
		s.Version, s.At = c.CorrespondingSig.Version, c.CorrespondingSig.CreationTime
	}
	switch {
	case isMismatch(c): // which of the two the library does not tell
		s.Version, s.State, s.Reason = 0, Unsupported, "It is a signature of version 3 (old GnuPG) or version 5 (LibrePGP), which cannot be checked."
	case c.SignedByEntity == nil:
		s.State = UnknownKey
	case c.SignatureError != nil || c.SignedBy == nil || c.CorrespondingSig == nil:
		s.State, s.Reason = failed(c, config)
	case weakBinding(c.SignedBy):
		s.State, s.Reason = Weak, "The signer's certificate is held together by SHA-1."
	default:
		s.State = Verified
	}
	return s
}

// lastSHA1 ends the time in which a self-signature with SHA-1 counts: later ones come from tools that should not be
// trusted to hash, or from somebody who dates back a collision. 2023-02-01, as for imports.
const lastSHA1 = 1675209600

// weakBinding tells whether what makes a key the signer's is a hash that does not count any more.
func weakBinding(key *openpgp.Key) bool {
	for _, s := range []*packet.Signature{key.PrimarySelfSignature, key.SelfSignature} {
		if s != nil && s.Hash == crypto.SHA1 && s.CreationTime.Unix() >= lastSHA1 {
			return true
		}
	}
	return false
}

// isMismatch tells a message that announces a signature and then holds one that the library skipped for its version.
func isMismatch(c *openpgp.SignatureCandidate) bool {
	return c.CorrespondingSig == nil && errors.As(c.SignatureError, new(pgperrors.StructuralError))
}

// failed reads the library's error for one signature of a known signer.
func failed(c *openpgp.SignatureCandidate, config *packet.Config) (State, string) {
	err := c.SignatureError
	switch {
	case outsideOpenPGP(c):
		return Unsupported, "It was made with a key on a curve that OpenPGP does not know."
	case weakHash(c.HashAlgorithm) && (c.SignedBy == nil || strings.Contains(err.Error(), "insecure")),
		errors.As(err, new(pgperrors.WeakAlgorithmError)):
		return Weak, ""
	case errors.Is(err, pgperrors.ErrSignatureExpired) && c.CorrespondingSig.CreationTime.After(config.Now()):
		return Bad, "The signature claims to be from the future."
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return ExpiredKey, "The signature itself has run out."
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return ExpiredKey, ""
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return RevokedKey, ""
	case errors.As(err, new(pgperrors.UnsupportedError)):
		return Unsupported, ""
	case strings.Contains(err.Error(), "unknown critical notation"):
		return Unsupported, "It has a condition that nobody here understands."
	case c.CorrespondingSig == nil:
		return Malformed, ""
	case c.SignedBy == nil && renewedSince(c, config):
		return Unsupported, "Our copy of the signer's certificate was renewed since and does not tell about that time."
	case c.SignedBy == nil:
		return subkeyState(c, config), ""
	case len(c.CorrespondingSig.IntendedRecipients) > 0 && strings.Contains(err.Error(), "intended recipients"):
		return Bad, "It was signed for other recipients."
	}
	return Bad, ""
}

// outsideOpenPGP tells a signature of a key on a curve that RFC 9580, section 9.2, does not list.
func outsideOpenPGP(c *openpgp.SignatureCandidate) bool {
	if c.PubKeyAlgo != packet.PubKeyAlgoECDSA || !errors.As(c.SignatureError, new(pgperrors.WeakAlgorithmError)) {
		return false
	}
	for _, k := range (openpgp.EntityList{c.SignedByEntity}).KeysById(c.IssuerKeyId) {
		if curve, err := k.PublicKey.Curve(); err == nil && curve == packet.CurveSecP256k1 {
			return true
		}
	}
	return false
}

// renewedSince tells whether the certificate has a self-signature, but none from the time of the signature: key servers
// hand out the newest one only. Whether the signature fits was then not checked.
func renewedSince(c *openpgp.SignatureCandidate, config *packet.Config) bool {
	e, at := c.SignedByEntity, c.CorrespondingSig.CreationTime
	if at.Before(e.PrimaryKey.CreationTime) {
		return false
	}
	if _, err := e.PrimarySelfSignature(at, config); err == nil {
		return false
	}
	newest, err := e.PrimarySelfSignature(time.Time{}, config)
	return err == nil && newest.CreationTime.After(at)
}

// subkeyState says why the subkey that a signature names could not make it: the library only says that there is none.
func subkeyState(c *openpgp.SignatureCandidate, config *packet.Config) State {
	for _, subkey := range c.SignedByEntity.Subkeys {
		if subkey.PublicKey.KeyId != c.IssuerKeyId {
			continue
		}
		_, err := subkey.Verify(c.CorrespondingSig.CreationTime, config)
		switch {
		case errors.Is(err, pgperrors.ErrKeyRevoked):
			return RevokedKey
		case errors.Is(err, pgperrors.ErrKeyExpired):
			return ExpiredKey
		}
	}
	return Bad
}

func weakHash(h crypto.Hash) bool {
	return h == crypto.SHA1 || h == crypto.MD5 || h == crypto.RIPEMD160
}

// hashName is the hash as it stands in micalg after "pgp-" (RFC 3156, section 5; RFC 9580, section 9.5).
func hashName(h crypto.Hash) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(h.String()), "sha-", "sha"), "sha3-", "sha3-")
}

// AlgorithmName is a public-key algorithm's name as people know it.
func AlgorithmName(a packet.PublicKeyAlgorithm) string {
	switch a {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoRSASignOnly:
		return "RSA"
	case packet.PubKeyAlgoElGamal:
		return "ElGamal"
	case packet.PubKeyAlgoDSA:
		return "DSA"
	case packet.PubKeyAlgoECDH:
		return "ECDH"
	case packet.PubKeyAlgoECDSA:
		return "ECDSA"
	case packet.PubKeyAlgoEdDSA:
		return "EdDSA"
	case packet.PubKeyAlgoX25519:
		return "X25519"
	case packet.PubKeyAlgoX448:
		return "X448"
	case packet.PubKeyAlgoEd25519:
		return "Ed25519"
	case packet.PubKeyAlgoEd448:
		return "Ed448"
	case packet.PubKeyAlgoMldsa65Ed25519:
		return "ML-DSA-65+Ed25519"
	case packet.PubKeyAlgoMldsa87Ed448:
		return "ML-DSA-87+Ed448"
	case packet.PubKeyAlgoMlkem768X25519:
		return "ML-KEM-768+X25519"
	case packet.PubKeyAlgoMlkem1024X448:
		return "ML-KEM-1024+X448"
	}
	return "unknown"
}
