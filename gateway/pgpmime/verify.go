package pgpmime

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// verifyPart checks a multipart/signed body (RFC 3156, section 5) and returns the signed entity, or nil with the
// verdict set where the structure is not what it should be. The bytes are checked as received, line ends as CRLF.
func (op *opening) verifyPart(m multipart) []byte {
	if len(m.parts) != 2 {
		op.verdict.Signature = SignatureMalformed
		if len(m.parts) > 2 {
			op.verdict.Signature = SignaturePartial
		}
		op.verdict.Reason = "A signed message has exactly two parts; this one does not."
		return nil
	}
	fields, _, body := split(m.part(1))
	if t, _ := mediaType(fields); t != "application/pgp-signature" {
		if strings.HasPrefix(t, "application/") && strings.Contains(t, "pkcs7") {
			return nil // S/MIME: not ours to judge
		}
		op.verdict.Signature, op.verdict.Reason = SignatureMalformed, "The second part of a signed message holds no signature."
		return nil
	}
	signature, ok := dearmor(decodeTransfer(transferEncoding(fields), body), openpgp.SignatureType)
	if !ok {
		op.verdict.Signature, op.verdict.Reason = SignatureMalformed, "The signature part holds no OpenPGP signature."
		return m.part(0)
	}
	op.verify(crlf(m.part(0)), signature)
	return m.part(0)
}

// verify checks a detached signature.
func (op *opening) verify(signed, signature []byte) {
	defer func() { // the library parses what anybody may have written
		if recover() != nil {
			op.verdict = Verdict{Encryption: op.verdict.Encryption, EncryptedTo: op.verdict.EncryptedTo, Signature: SignatureMalformed}
		}
	}()
	count, known := signatures(signature)
	switch {
	case count == 0:
		op.verdict.Signature = SignatureMalformed
		return
	case count > maxSignatures:
		op.verdict.Signature, op.verdict.Reason = Unsupported, "It has too many signatures."
		return
	case known == 0:
		op.verdict.Signature = Unsupported
		return
	}
	r := &ring{op: op}
	md, err := openpgp.VerifyDetachedSignatureReader(r, bytes.NewReader(signed), bytes.NewReader(signature), op.options.config())
	if err == nil {
		_, err = io.Copy(io.Discard, md.UnverifiedBody)
	}
	switch {
	case errors.As(err, new(pgperrors.UnsupportedError)), errors.Is(err, pgperrors.ErrUnknownIssuer):
		op.verdict.Signature = Unsupported // no signature packet of a kind that the library reads
	case err != nil:
		op.verdict.Signature = SignatureMalformed
	default:
		op.judge(md.SignatureCandidates, r)
	}
}

// maxSignatures bounds the signatures checked on one message: each means one more hash of it.
const maxSignatures = 20

// signatures counts the signature packets, and those of a version that the library reads. It skips the others (version
// 3 of old GnuPG): unsupported is another answer than bad.
func signatures(binary []byte) (count, known int) {
	packets := packet.NewOpaqueReader(bytes.NewReader(binary))
	for {
		p, err := packets.Next()
		if err != nil {
			return count, known
		}
		if p.Tag != signatureTag || len(p.Contents) == 0 {
			continue
		}
		if count++; p.Contents[0] >= 4 {
			known++
		}
	}
}

// signatureTag is the packet type of a signature (RFC 9580, section 5.2).
const signatureTag = 2

// judgement is what one signature says.
type judgement struct {
	signature Signature
	signer    string
	signerID  string
	signedAt  int64
	matched   string
	reason    string
}

// strength orders judgements: of several signatures the strongest speaks, and only for its own signer.
func (j judgement) strength() int {
	return slices.Index([]Signature{
		SignatureMalformed, Unsupported, UnknownKey, Bad, Weak, ExpiredKey, RevokedKey, UnapprovedKey, WrongSender, Good,
	}, j.signature)
}

// judge sets the verdict from all signatures of a message.
func (op *opening) judge(candidates []*openpgp.SignatureCandidate, r *ring) {
	best := judgement{signature: SignatureMalformed}
	for _, c := range candidates {
		if j := op.judgeOne(c, r); j.strength() >= best.strength() {
			best = j
		}
	}
	op.verdict.Signature, op.verdict.Signer, op.verdict.SignerID = best.signature, best.signer, best.signerID
	op.verdict.SignedAt, op.verdict.MatchedID, op.verdict.Reason = best.signedAt, best.matched, best.reason
	if best.signature == UnknownKey {
		op.wait(best.signerID)
	}
}

// judgeOne judges one signature. The library's IsVerified means "checked", not "good": only a nil error with a key
// counts. The library checks the certificate and its subkey at the time of the signature, and knows a revocation for
// compromise at any time.
func (op *opening) judgeOne(c *openpgp.SignatureCandidate, r *ring) judgement {
	j := judgement{signerID: keyIDText(c.IssuerKeyId)}
	if c.SignedByEntity == nil {
		j.signature = UnknownKey
		return j
	}
	j.signer, j.signerID = fmt.Sprintf("%X", c.SignedByEntity.PrimaryKey.Fingerprint), ""
	if c.CorrespondingSig != nil {
		j.signedAt = c.CorrespondingSig.CreationTime.Unix()
	}
	if c.SignatureError != nil || c.SignedBy == nil || c.CorrespondingSig == nil {
		j.signature, j.reason = failed(c, op.options.config())
		return j
	}
	signedAt := c.CorrespondingSig.CreationTime
	switch {
	case !r.approved(c.IssuerKeyId, c.SignedByEntity):
		j.signature = UnapprovedKey
	default:
		j.signature = Good
		j.matched = matchedUserID(c.SignedByEntity, op.from, signedAt, op.options.config())
		if j.matched == "" {
			j.signature = WrongSender
		}
	}
	return j
}

// failed reads the library's error for one signature of a known signer.
func failed(c *openpgp.SignatureCandidate, config *packet.Config) (Signature, string) {
	err := c.SignatureError
	switch {
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
	case c.CorrespondingSig == nil:
		return SignatureMalformed, ""
	case c.SignedBy == nil && renewedSince(c, config):
		return Unsupported, "Our copy of the signer's certificate was renewed since and does not tell about that time."
	case c.SignedBy == nil:
		return subkeyState(c, config), ""
	case len(c.CorrespondingSig.IntendedRecipients) > 0 && strings.Contains(err.Error(), "intended recipients"):
		return Bad, "It was signed for other recipients."
	}
	return Bad, ""
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
func subkeyState(c *openpgp.SignatureCandidate, config *packet.Config) Signature {
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

// matchedUserID returns the address of a user ID that was valid when the message was signed and equals From, or "".
func matchedUserID(e *openpgp.Entity, from string, at time.Time, config *packet.Config) string {
	for _, id := range e.Identities {
		address := userIDAddress(id.Name)
		if !sameAddress(address, from) {
			continue
		}
		self, err := id.Verify(at, config)
		if err == nil && !id.Revoked(self, at, config) {
			return address
		}
	}
	return ""
}
