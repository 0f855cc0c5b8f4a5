package pgpmime

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// The mangled shapes of PGP/MIME that are repaired. Servers on the way make them of a message that was well formed;
// draft-dkg-openpgp-pgpmime-message-mangling lists more of them.
const (
	repairedMixed    = "mixed-up"       // Exchange: multipart/mixed around the two parts, a text first
	repairedFooter   = "footer"         // lists, antivirus: multipart/mixed around the whole, a text beside it
	repairedLost     = "lost-structure" // the encrypted part is the only file of a message, as gateways of web mail make it
	repairedHTMLTwin = "html-twin"      // inline PGP with the same armor once more as HTML
	repairedHTML     = "html-armor"     // inline PGP that is there as HTML only
)

// mended repairs a message whose root is the ciphertext, or multipart/mixed with exactly one ciphertext in it that was the whole message
// when it was sent, and undoes that encryption. Text beside it was added on the way, or by an attacker: it is kept as a
// file, never in one page with the plaintext, and no signature counts for the whole message then.
func (op *opening) mended(root placed) (inner *placed, is bool) {
	if len(root.parts) == 0 && root.isFile() && looksLikeMIME(root.fileName()) && op.holdsMessage(root) {
		return op.decryptWhole(root, KindEncrypted, repairedLost), true
	}
	if root.mediaType != "multipart/mixed" || len(named(root.fields, "content-type")) != 1 || len(root.parts) > maxMangled {
		return nil, false
	}
	m, is := op.mangled(root)
	if !is {
		return nil, false
	}
	inner = op.decryptWhole(m.ciphertext, KindEncrypted, m.shape)
	if inner == nil || len(m.others) == 0 {
		return inner, true
	}
	op.verdict.Encryption = EncryptionPartial
	if op.verdict.Signature != "" {
		op.verdict.Signature, op.verdict.MatchedID = SignaturePartial, ""
	}
	op.verdict.Reason = "Text that was not protected came beside it; it is attached."
	return op.withTexts(*inner, m.others), true
}

// maxMangled is how many parts a mangled message has at most.
const maxMangled = 4

// mangledMessage is a message of a known shape.
type mangledMessage struct {
	shape      string
	ciphertext placed
	others     []placed // what is not empty beside it
}

// mangled finds the one ciphertext of a mangled message.
func (op *opening) mangled(root placed) (m mangledMessage, is bool) {
	controls, ciphertexts, wholes := 0, 0, 0
	for i := range root.parts {
		p := root.part(i)
		switch {
		case p.isEncrypted() && len(p.parts) == 2 && p.parts[0].mediaType == "application/pgp-encrypted":
			wholes++
			m.ciphertext = p.part(1)
		case p.mediaType == "application/pgp-encrypted" && op.isControl(p):
			controls++
		case p.isFile() && op.holdsMessage(p):
			ciphertexts++
			m.ciphertext = p
		case op.isText(p) && op.isSmall(p):
			if !op.isBlank(p) {
				m.others = append(m.others, p)
			}
		default:
			return mangledMessage{}, false
		}
	}
	switch {
	case len(m.others) > 1, op.failure != nil, wholes+ciphertexts != 1, controls > 1:
		return mangledMessage{}, false
	case wholes == 1 && controls == 0:
		m.shape = repairedFooter
	case ciphertexts == 1 && controls == 1:
		m.shape = repairedMixed
	case ciphertexts == 1 && len(m.others) == 0 && looksLikeMIME(m.ciphertext.fileName()):
		m.shape = repairedLost
	default:
		return mangledMessage{}, false
	}
	return m, true
}

// looksLikeMIME tells the file names that mail programs give to the ciphertext of a whole message.
func looksLikeMIME(name string) bool {
	switch name {
	case "encrypted.asc", "openpgp-encrypted-message.asc", "OpenPGP encrypted message.asc", "msg.asc", "message.asc", "PGPexch.htm.pgp", "PGPMIME.asc":
		return true
	}
	return false
}

// isControl tells the part that says Version: 1 (RFC 3156, section 4).
func (op *opening) isControl(p placed) bool {
	content := op.small(p)
	return bytes.Equal(bytes.TrimSpace(content), []byte("Version: 1"))
}

func (p placed) isFile() bool {
	switch p.mediaType {
	case "application/octet-stream", "application/pgp-encrypted", "application/pgp":
		return true
	}
	return p.isAttachment() && len(p.parts) == 0 && p.embedded == nil
}

func (op *opening) holdsMessage(p placed) bool {
	_, _, ok := op.object(p, armor.Message)
	return ok
}

// isText tells texts, and a text with its HTML twin.
func (op *opening) isText(p placed) bool {
	if p.mediaType == "multipart/alternative" {
		for i := range p.parts {
			if !op.isText(p.part(i)) {
				return false
			}
		}
		return true
	}
	return p.mediaType == "text/plain" || p.mediaType == "text/html"
}

// isSmall tells texts that are no larger than what is looked at: of a larger one nobody can say that it shows nothing.
func (op *opening) isSmall(p placed) bool { return p.end-p.body <= maxInline }

// isBlank tells texts that show nothing.
func (op *opening) isBlank(p placed) bool {
	for i := range p.parts {
		if !op.isBlank(p.part(i)) {
			return false
		}
	}
	if len(p.parts) > 0 {
		return true
	}
	text := op.small(p)
	if p.mediaType == "text/html" {
		return showsNothing(text)
	}
	return text != nil && len(bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\u00a0"), nil))) == 0
}

// maxInline is how large a text may be in which armor is looked for, in bytes.
const maxInline = 2 << 20

// small is the decoded content of a leaf; nil when it is larger than texts are.
func (op *opening) small(p placed) []byte {
	if !op.isSmall(p) {
		return nil
	}
	content, err := p.content().Bytes()
	op.fail(err)
	if text := decodeTransfer(p.encoding(), content); text != nil {
		return text
	}
	return []byte{}
}

// withTexts puts texts that came beside the content after it, as files that no program shows by itself.
func (op *opening) withTexts(content placed, texts []placed) *placed {
	var files []Message
	for i, t := range texts {
		name := fmt.Sprintf("unprotected-%d.txt", i+1)
		if t.mediaType != "text/plain" {
			name = fmt.Sprintf("unprotected-%d.html.txt", i+1)
		}
		for len(t.parts) > 0 {
			t = t.part(0)
		}
		files = append(files, op.file(name, Of(op.small(t))))
	}
	return op.withFiles(content, files)
}

// withFiles puts files after the content.
func (op *opening) withFiles(content placed, files []Message) *placed {
	s := op.stripper(content.source)
	part := joined(Of(join(contentFields(content.fields), []byte(lineEnd), nil)), s.body(content.entity))
	op.fail(s.err)
	boundary := op.boundaryFor(append(files, part))
	root := append(messageFields(content.fields), line("Content-Type", "multipart/mixed; boundary=\""+boundary+"\""+protectedParams(content.params)))
	pieces := []Message{Of(join(root, []byte(lineEnd), nil))}
	for _, p := range append([]Message{part}, files...) {
		pieces = append(pieces, Of([]byte("--"+boundary+lineEnd)), p, Of([]byte(lineEnd)))
	}
	return op.parsed(joined(append(pieces, Of([]byte("--"+boundary+"--"+lineEnd)))...))
}

// protectedParams are the parameters that say that a header is protected.
func protectedParams(params map[string]string) string {
	text := ""
	for _, name := range []string{"hp", "protected-headers"} {
		switch v := params[name]; v {
		case "clear", "cipher", "v1":
			text += "; " + name + "=\"" + v + "\""
		}
	}
	return text
}

// boundaryFor is a boundary that stands in none of the parts: it is their digest, which nobody can write into them.
func (op *opening) boundaryFor(parts []Message) string {
	digest := sha256.New()
	for _, p := range parts {
		_, err := p.WriteTo(digest)
		op.fail(err)
	}
	return fmt.Sprintf("=_sealgate_%x", digest.Sum(nil)[:16])
}

// messageFields are the fields of an entity that are not about its body, for a payload that carries some of the message.
func messageFields(fields []field) []field { return fieldsThat(fields, false) }

// contentFields are the fields of an entity that are about its body.
func contentFields(fields []field) []field { return fieldsThat(fields, true) }

func fieldsThat(fields []field, content bool) []field {
	var kept []field
	for _, f := range fields {
		if isContent(f) == content && f.wellFormed() {
			kept = append(kept, f)
		}
	}
	return withLineEnds(kept)
}

// hasLine finds an armor line that is not quoted.
func hasLine(body []byte, line string) bool {
	return bytes.HasPrefix(body, []byte(line)) || bytes.Contains(body, []byte("\n"+line))
}
