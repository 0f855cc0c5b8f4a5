package pgpmime

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
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
	if oldVersion(signature) {
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

// oldVersion finds a version 3 signature packet, which the library skips: unsupported is another answer than bad.
func oldVersion(signature []byte) bool {
	p, err := packet.NewOpaqueReader(bytes.NewReader(signature)).Next()
	return err == nil && p.Tag == 2 && len(p.Contents) > 0 && p.Contents[0] == 3
}

// judgement is what one signature says.
type judgement struct {
	signature Signature
	signer    string
	signerID  string
	signedAt  int64
	matched   string
}

// strength orders judgements: of several signatures the strongest speaks, and only for its own signer.
var strength = []Signature{
	SignatureMalformed, Unsupported, UnknownKey, Bad, Weak, ExpiredKey, RevokedKey, UnapprovedKey, WrongSender, Good,
}

// judge sets the verdict from all signatures of a message.
func (op *opening) judge(candidates []*openpgp.SignatureCandidate, r *ring) {
	best := judgement{signature: SignatureMalformed}
	for _, c := range candidates {
		if j := op.judgeOne(c, r); rank(j.signature) >= rank(best.signature) {
			best = j
		}
	}
	op.verdict.Signature, op.verdict.Signer, op.verdict.SignerID = best.signature, best.signer, best.signerID
	op.verdict.SignedAt, op.verdict.MatchedID = best.signedAt, best.matched
	if best.signature == UnknownKey {
		op.wait(best.signerID)
	}
}

func rank(s Signature) int {
	for i, known := range strength {
		if s == known {
			return i
		}
	}
	return -1
}

// judgeOne judges one signature. The library's IsVerified means "checked", not "good": only a nil error with a key
// counts.
func (op *opening) judgeOne(c *openpgp.SignatureCandidate, r *ring) judgement {
	j := judgement{signature: wordFor(c), signerID: keyIDText(c.IssuerKeyId)}
	if c.SignedByEntity == nil {
		return j
	}
	j.signer, j.signerID = fmt.Sprintf("%X", c.SignedByEntity.PrimaryKey.Fingerprint), ""
	if c.CorrespondingSig != nil {
		j.signedAt = c.CorrespondingSig.CreationTime.Unix()
	}
	if j.signature != Good {
		return j
	}
	signedAt := c.CorrespondingSig.CreationTime
	config := op.options.config()
	switch {
	case signedAt.After(op.options.Now.Add(clockSkew)):
		j.signature = Bad // from the future: nobody's clock is that wrong
	case c.SignedByEntity.Revoked(signedAt) || revokedForGood(c.SignedByEntity):
		j.signature = RevokedKey
	case !r.approved(c.IssuerKeyId, c.SignedByEntity):
		j.signature = UnapprovedKey
	default:
		j.matched = matchedUserID(c.SignedByEntity, op.from, signedAt, config)
		if j.matched == "" {
			j.signature = WrongSender
		}
	}
	return j
}

// clockSkew is how far a signer's clock may be ahead of ours.
const clockSkew = 24 * time.Hour

// wordFor reads the library's answer for one signature.
func wordFor(c *openpgp.SignatureCandidate) Signature {
	err := c.SignatureError
	switch {
	case err == nil && c.SignedBy != nil && c.CorrespondingSig != nil:
		return Good
	case c.SignedByEntity == nil || errors.Is(err, pgperrors.ErrUnknownIssuer):
		return UnknownKey
	case weakHash(c.HashAlgorithm), errors.As(err, new(pgperrors.WeakAlgorithmError)):
		return Weak
	case errors.Is(err, pgperrors.ErrKeyExpired), errors.Is(err, pgperrors.ErrSignatureExpired):
		return ExpiredKey
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return RevokedKey
	case errors.As(err, new(pgperrors.UnsupportedError)):
		return Unsupported
	case errors.As(err, new(pgperrors.StructuralError)):
		return SignatureMalformed
	}
	return Bad
}

func weakHash(h crypto.Hash) bool {
	return h == crypto.SHA1 || h == crypto.MD5 || h == crypto.RIPEMD160
}

// revokedForGood finds a revocation that reaches back before the signature: the key was compromised, or no reason was
// given (RFC 9580, section 5.2.3.31).
func revokedForGood(e *openpgp.Entity) bool {
	for _, revocation := range e.Revocations {
		if revocation.Packet == nil || revocation.Packet.RevocationReason == nil {
			return true
		}
		switch *revocation.Packet.RevocationReason {
		case packet.KeySuperseded, packet.KeyRetired:
		default:
			return true
		}
	}
	return false
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
