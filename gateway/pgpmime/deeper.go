package pgpmime

import (
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// lookDeeper looks for OpenPGP below the layers that are the whole message, and for armor in its text. What it finds is
// a part of the message at most: it is opened into attachments, apart from everything that stands around it, so that
// no text of others is mixed with it and no program that answers the message quotes it. It returns the content to show.
func (op *opening) lookDeeper(content placed, opens bool) (placed, bool) {
	if inline, is := op.inlineRoot(content, opens); is {
		if inline == nil || op.failure != nil {
			return content, opens
		}
		return *inline, true
	}
	d := &deeper{op: op, outermost: !opens, html: showsHTML(content.entity), control: hasControl(content.entity)}
	content.all("", func(e *entity, part string) bool { return d.visit(placed{content.source, e}, part) })
	op.reportPartial(d)
	if len(op.files) > 0 && op.failure == nil {
		if with := op.withFiles(content, op.files); with != nil {
			return *with, true
		}
	}
	return content, opens
}

// deeper is one walk below the layers.
type deeper struct {
	op        *opening
	outermost bool             // no layer was undone: the walk is over the message itself
	html      bool             // a reader would show HTML
	control   bool             // there is what is left of a multipart/encrypted
	more      bool             // there is more than is looked at
	sidecar   map[*entity]bool // signatures that were checked with the file beside them
	count     int              // of layers found, and so of attachments made
	encrypted bool
	signed    bool
}

// reportPartial gives the message the words of its parts, where it has none of its own.
func (op *opening) reportPartial(d *deeper) {
	if d.encrypted && op.verdict.Encryption == "" {
		op.verdict.Encryption = EncryptionPartial
	}
	if d.signed && op.verdict.Signature == "" && d.outermost {
		op.verdict.Signature = SignaturePartial
	}
	if d.more && (d.encrypted || d.signed) && op.verdict.Limit == "" {
		op.verdict.Limit, op.verdict.Reason = "layers", "Only the first parts with PGP were looked at."
	}
}

// showsHTML tells whether a message has HTML that a reader would show.
func showsHTML(e *entity) bool {
	found := false
	e.all("", func(e *entity, _ string) bool {
		found = found || e.isShownHTML()
		return !found
	})
	return found
}

// isShownHTML tells HTML, and what else loads things by itself, that is not clearly a file to be saved. What could be
// read as HTML by anybody is.
func (e *entity) isShownHTML() bool {
	for _, f := range named(e.fields, "content-type") {
		v := strings.ToLower(f.value())
		if strings.Contains(v, "html") || strings.Contains(v, "svg") || strings.Contains(v, "=?") {
			return !e.isSaved()
		}
	}
	return false
}

// isSaved tells whether every reader takes an entity for a file to be saved.
func (e *entity) isSaved() bool {
	disposition, _ := dispositionOf(e.fields)
	return disposition == "attachment" && len(named(e.fields, "content-disposition")) == 1
}

// hasControl tells whether there is a part that says Version: 1: what is encrypted beside it was a message, not a file.
func hasControl(e *entity) bool {
	found := false
	e.all("", func(e *entity, _ string) bool {
		found = found || e.mediaType == "application/pgp-encrypted"
		return !found
	})
	return found
}

// visit looks at one entity. It is false when what is inside is not to be looked at.
func (d *deeper) visit(e placed, part string) bool {
	top := part == ""
	switch {
	case d.op.failure != nil, d.tooMany():
		return false
	case e.isEncrypted() && !top:
		d.encryptedPart(e, part)
		return false
	case e.isEncrypted():
		d.leftClosed(part)
		return false
	case e.mediaType == "application/pgp-encrypted":
		d.found(Layer{Kind: KindEncrypted, Part: part, Encryption: EncryptionMalformed, Reason: "What is left of an encrypted message is not opened."})
	case e.isSigned() && !top:
		d.signedPart(e, part)
		d.reportOnly(e)
		return false
	case e.mediaType == "multipart/signed" && !e.isSigned():
		d.reportOnly(e)
		return false
	case strings.HasPrefix(e.mediaType, "multipart/"):
		d.sidecars(e, part)
	case e.embedded != nil: // a message of its own
		return false
	case e.mediaType == "application/pgp-signature" && !d.sidecar[e.entity]:
		d.found(Layer{Kind: KindSigned, Part: part, Signature: SignatureMalformed, Reason: "It is not known what this signature is about."})
	case d.sidecar[e.entity]:
	case strings.HasPrefix(e.mediaType, "text/") && !e.isAttachment():
		d.text(e, part)
	default:
		d.attachment(e, part)
	}
	return true
}

// leftClosed notes a whole multipart/encrypted that is no layer of the message.
func (d *deeper) leftClosed(part string) {
	l := Layer{Kind: KindEncrypted, Part: part, Encryption: EncryptionMalformed, Reason: "It is not known which of its types counts."}
	if d.op.decrypted {
		l.Encryption, l.Reason = EncryptionRefused, "What is encrypted once more inside is not opened."
	}
	d.found(l)
}

// reportOnly notes what is encrypted in a signed part. Nothing is opened there: what a signature covers stays as it is.
func (d *deeper) reportOnly(signed placed) {
	signed.all("", func(e *entity, _ string) bool {
		d.encrypted = d.encrypted || e.isEncrypted() || e.mediaType == "application/pgp-encrypted" || d.hasMessage(placed{signed.source, e})
		return e.embedded == nil && d.op.failure == nil
	})
}

func (d *deeper) hasMessage(e placed) bool {
	if !strings.HasPrefix(e.mediaType, "text/") {
		return false
	}
	for _, b := range blocks(d.op.armoredText(e)) {
		if b.kind == KindInlineEncrypted {
			return true
		}
	}
	return false
}

// tooMany tells that no more layers are looked at, which the verdict says then.
func (d *deeper) tooMany() bool {
	d.more = d.more || d.count >= maxLayers
	return d.count >= maxLayers
}

// found notes a layer.
func (d *deeper) found(l Layer) {
	d.count++
	d.op.below = append(d.op.below, l)
	d.encrypted = d.encrypted || l.Encryption != ""
	d.signed = d.signed || (l.Signature != "" && l.Encryption == "")
	if l.Encryption == NoKey {
		d.op.wait(l.KeyIDs...)
	}
}

// signedPart checks a signed part. It is shown as it is.
func (d *deeper) signedPart(e placed, part string) {
	if l, is := d.op.signedLayer(e, part); is {
		d.found(l)
	}
}

// encryptedPart opens an encrypted part into an attached message. Beside HTML it stays closed: some programs show
// attached messages and HTML in one page, where the HTML could carry the plaintext away (EFAIL, CVE-2017-17689).
func (d *deeper) encryptedPart(e placed, part string) {
	switch {
	case d.op.decrypted:
		d.found(Layer{Kind: KindEncrypted, Part: part, Encryption: EncryptionRefused, Reason: "An encrypted part of what was encrypted is not opened."})
		return
	case d.html:
		d.found(Layer{Kind: KindEncrypted, Part: part, Encryption: EncryptionRefused, Reason: "An encrypted part beside HTML is not opened."})
		return
	case len(e.parts) != 2 || e.parts[0].mediaType != "application/pgp-encrypted":
		d.found(Layer{Kind: KindEncrypted, Part: part, Encryption: EncryptionMalformed, Reason: "An encrypted part has exactly two parts; this one does not."})
		return
	}
	plaintext, decryption, mended, ok := d.op.decryptLeaf(e.part(1))
	if !ok {
		d.found(Layer{Kind: KindEncrypted, Part: part, Encryption: EncryptionMalformed, Reason: "The encrypted part holds no OpenPGP message."})
		return
	}
	l := d.layerOf(KindEncrypted, part, decryption)
	l.Repaired = mended
	d.found(l)
	if decryption.Outcome == pgp.Decrypted && d.op.failure == nil {
		d.replace(e, part, d.attachedMessage(plaintext))
	}
}

func (d *deeper) layerOf(kind, part string, decryption pgp.Decryption) Layer {
	l := encryptedLayer(kind, part, decryption)
	if decryption.Signed {
		l.judged(d.op.judge(decryption.Signatures))
	}
	return l
}

// replace puts an entity in the place of another.
func (d *deeper) replace(e placed, part string, by Message) {
	if d.op.changed = true; part == "" {
		d.op.newBody(e, by)
		return
	}
	e.replaced = &by
}

// attachedMessage wraps what was opened in a message of its own.
func (d *deeper) attachedMessage(entity Message) Message {
	stripped := d.op.strippedEntity(entity)
	return joined(Of(join([]field{
		line("Content-Type", "message/rfc822"),
		line("Content-Disposition", fmt.Sprintf("attachment; filename=\"opened-%d.eml\"", d.count)),
	}, []byte(lineEnd), []byte("Subject: Opened part "+fmt.Sprint(d.count)+"\r\nMIME-Version: 1.0\r\n"))), stripped)
}

// strippedEntity strips an entity that was opened. One that is over a limit becomes a text that says so.
func (op *opening) strippedEntity(m Message) Message {
	e, err := parse(m, op.options.Limits)
	if err != nil {
		if _, is := err.(overLimit); !is {
			op.fail(err)
		}
		return Of([]byte("Content-Type: text/plain\r\n\r\nThis part was not looked into: it is over a limit.\r\n"))
	}
	s := op.stripper(m)
	stripped := s.strip(e)
	op.fail(s.err)
	return stripped
}
