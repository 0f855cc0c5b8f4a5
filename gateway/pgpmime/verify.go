package pgpmime

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// verifyParts checks a multipart/signed that is the whole message (RFC 3156, section 5) and returns the signed entity,
// or nil with the verdict set where the structure is not what it should be.
func (op *opening) verifyParts(e placed) *placed {
	l, is := op.signedLayer(e, "")
	if !is {
		return nil
	}
	op.layers = append(op.layers, l)
	op.verdict.Signature, op.verdict.Reason = l.Signature, l.Reason
	if len(l.Signatures) > 0 {
		op.speak(l.Signatures)
	}
	if len(e.parts) != 2 || e.parts[1].mediaType != "application/pgp-signature" {
		return nil
	}
	signed := e.part(0)
	op.doubtDocument(signed)
	return &signed
}

// doubtDocument lowers a good signature over a text that was not written as a part of a mail: every mail program signs at
// least a Content-Type. Anybody can put a document of the sender's, with the signature published beside it, under a
// header of his own.
func (op *opening) doubtDocument(signed placed) {
	if op.verdict.Signature == Good && !slices.ContainsFunc(signed.fields, isContent) {
		op.verdict.Signature, op.verdict.MatchedID = SignaturePartial, ""
		op.verdict.Reason = "What is signed is a document and no mail: it has no header of its own, and the subject and date are not the signer's."
	}
}

// signedLayer checks one multipart/signed. It is false for S/MIME, which is not ours to judge.
func (op *opening) signedLayer(e placed, part string) (l Layer, is bool) {
	l = Layer{Kind: KindSigned, Part: part}
	switch {
	case len(e.parts) > 2:
		l.Signature, l.Reason = SignaturePartial, "A signed message has exactly two parts; this one does not."
		return l, true
	case len(e.parts) < 2:
		l.Signature, l.Reason = SignatureMalformed, "A signed message has exactly two parts; this one does not."
		return l, true
	}
	if t := e.parts[1].mediaType; t != "application/pgp-signature" {
		l.Signature, l.Reason = SignatureMalformed, "The second part of a signed message holds no signature."
		return l, !strings.HasPrefix(t, "application/") || !strings.Contains(t, "pkcs7")
	}
	signature, mended, ok := op.signature(e.part(1))
	if !ok {
		l.Signature, l.Reason = SignatureMalformed, "The signature part holds no OpenPGP signature."
		return l, true
	}
	l.Repaired = mended
	l.judged(op.verify(canonicalLines(e.part(0).raw().Reader()), signature))
	return l, true
}

// maxSignature is how large a detached signature may be in bytes.
const maxSignature = 256 << 10

// signature reads the detached signature in a leaf.
func (op *opening) signature(leaf placed) (binary []byte, mended string, ok bool) {
	r, mended, ok := op.object(leaf, armor.Signature)
	if !ok {
		return nil, "", false
	}
	binary, err := io.ReadAll(io.LimitReader(r, maxSignature+1))
	return binary, mended, err == nil && len(binary) > 0 && len(binary) <= maxSignature
}

// verify checks a detached signature over the bytes as received.
func (op *opening) verify(signed io.Reader, signature []byte) []LayerSignature {
	found, err := pgp.Verify(signed, signature, &ring{op: op}, pgp.Options{Now: op.options.Now, Limits: op.options.Limits.pgp()})
	op.fail(err)
	return op.judge(found)
}

// strength orders signatures.
func (s LayerSignature) strength() int {
	return slices.Index([]Signature{
		SignatureMalformed, Unsupported, UnknownKey, Bad, Weak, ExpiredKey, RevokedKey, UnapprovedKey, WrongSender, Good,
	}, s.Signature)
}

// speak makes the strongest of the signatures that cover the whole message the verdict.
func (op *opening) speak(signatures []LayerSignature) {
	best := strongest(signatures)
	op.verdict.Signature, op.verdict.Signer, op.verdict.SignerID = best.Signature, best.Signer, ""
	op.verdict.SignedAt, op.verdict.MatchedID, op.verdict.Reason = best.SignedAt, best.MatchedID, best.Reason
	if best.Signer == "" {
		op.verdict.SignerID = best.KeyID
	}
}

// judge says of each signature who made it to the reader: an accepted key, and the one sender of the message.
func (op *opening) judge(found []pgp.Signature) []LayerSignature {
	signed := make([]LayerSignature, 0, len(found))
	for _, s := range found {
		signed = append(signed, op.judgeOne(s))
	}
	if strongest(signed).Signature == Good {
		return signed
	}
	for _, s := range signed {
		if s.Signature == UnknownKey { // it may say more than the others do
			op.wait(s.KeyID)
		}
	}
	return signed
}

func (op *opening) judgeOne(s pgp.Signature) LayerSignature {
	j := LayerSignature{Signature: Signature(s.State), Version: s.Version, Algorithm: s.Algorithm, Hash: s.Hash, Reason: s.Reason}
	if s.IssuerID != 0 {
		j.KeyID = s.KeyID()
	}
	if s.Signer != nil {
		j.Signer = fmt.Sprintf("%X", s.Signer.PrimaryKey.Fingerprint)
		if !s.At.IsZero() {
			j.SignedAt = s.At.Unix()
		}
	}
	if s.State != pgp.Verified {
		return j
	}
	r := &ring{op: op}
	switch j.MatchedID = matchedUserID(s.Signer, op.from, s.At); {
	case !r.approved(s.IssuerID, s.Signer):
		j.Signature, j.MatchedID = UnapprovedKey, ""
	case j.MatchedID == "":
		j.Signature = WrongSender
	default:
		j.Signature = Good
	}
	return j
}

// matchedUserID returns the address of a user ID that was valid when the message was signed and equals From, or "".
func matchedUserID(e *openpgp.Entity, from string, at time.Time) string {
	config := &packet.Config{Time: func() time.Time { return at }}
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

// canonicalLines reads text with every line end as CRLF, as signatures are made (RFC 3156, section 5).
func canonicalLines(r io.Reader) io.Reader { return &crlfReader{r: r} }

// crlfReader turns bare LF into CRLF. Bare CR stays.
type crlfReader struct {
	r    io.Reader
	in   []byte
	out  []byte
	last byte
	err  error
}

func (c *crlfReader) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		c.fill()
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

func (c *crlfReader) fill() {
	if c.in == nil {
		c.in = make([]byte, copyBuffer)
	}
	n, err := c.r.Read(c.in)
	c.err = err
	if n == 0 {
		return
	}
	if needsCR(c.last, c.in[:n]) {
		c.out = c.rewrite(c.in[:n])
	} else {
		c.out = c.in[:n]
	}
	c.last = c.in[n-1]
}

// needsCR finds a LF without a CR before it.
func needsCR(last byte, b []byte) bool {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return false
		}
		at += i
		if (at == 0 && last != '\r') || (at > 0 && b[at-1] != '\r') {
			return true
		}
		at++
	}
}

func (c *crlfReader) rewrite(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/16+16)
	last := c.last
	for _, x := range b {
		if x == '\n' && last != '\r' {
			out = append(out, '\r')
		}
		out, last = append(out, x), x
	}
	return out
}
