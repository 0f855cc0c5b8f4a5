package pgpmime

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// The lines that begin and end inline PGP (RFC 9580, sections 6.2 and 7). Only a line that begins with one counts:
// armor in a quotation is not the sender's.
const (
	beginMessage   = "-----BEGIN PGP MESSAGE-----"
	endMessage     = "-----END PGP MESSAGE-----"
	beginClear     = "-----BEGIN PGP SIGNED MESSAGE-----"
	beginSignature = "-----BEGIN PGP SIGNATURE-----"
	endSignature   = "-----END PGP SIGNATURE-----"
)

// block is armor in a text.
type block struct {
	kind       string // KindInlineEncrypted or KindClearsigned
	start, end int
}

// maxBlocks is how many blocks of one text are looked at.
const maxBlocks = 20

// blocks finds armor that is not quoted: at most one more than is looked at.
func blocks(text []byte) []block {
	var found []block
	for at := 0; at < len(text) && len(found) <= maxBlocks; {
		l := firstLine(text[at:])
		kind, ending := KindInlineEncrypted, endMessage
		switch string(bytes.TrimRight(l, " \t\r\n")) {
		case beginClear:
			kind, ending = KindClearsigned, endSignature
		case beginMessage:
		default:
			at += len(l)
			continue
		}
		end := endOfBlock(text, at+len(l), ending)
		found = append(found, block{kind, at, end})
		at = end
	}
	return found
}

// endOfBlock is where the line ends that closes a block, or the text.
func endOfBlock(text []byte, at int, ending string) int {
	for at < len(text) {
		l := firstLine(text[at:])
		at += len(l)
		if string(bytes.TrimRight(l, " \t\r\n")) == ending {
			return at
		}
	}
	return len(text)
}

// whole tells whether a text is one block and nothing else.
func whole(text []byte, found []block) bool {
	return len(found) == 1 && len(bytes.TrimSpace(text[:found[0].start])) == 0 && len(bytes.TrimSpace(text[found[0].end:])) == 0
}

// inlineRoot opens a message whose whole text is inline PGP. It is false when there is nothing of the kind, and returns
// nil for what stays closed.
func (op *opening) inlineRoot(root placed, opens bool) (content *placed, is bool) {
	if op.options.Inline == InlineOff || opens {
		return nil, false
	}
	leaf, text, repaired := op.inlineText(root)
	found := blocks(text)
	if !whole(text, found) {
		return nil, false
	}
	if found[0].kind == KindClearsigned {
		return op.clearsignedRoot(root, leaf, text, repaired), true
	}
	return op.encryptedRoot(root, leaf, text, repaired), true
}

// inlineText finds the text of a message: its root, a text with an HTML twin, or the first text before files.
func (op *opening) inlineText(root placed) (leaf placed, text []byte, repaired string) {
	switch {
	case len(named(root.fields, "content-type")) > 1:
		return placed{}, nil, ""
	case root.mediaType == "text/plain":
		return root, op.armoredText(root), ""
	case root.mediaType == "text/html":
		return root, op.armoredText(root), repairedHTML
	case root.mediaType == "multipart/alternative" && len(root.parts) == 2 &&
		root.parts[0].mediaType == "text/plain" && root.parts[1].mediaType == "text/html":
		return op.twin(root)
	case root.mediaType == "multipart/mixed" && len(root.parts) > 1 && !root.parts[0].isAttachment() && onlyFiles(root.parts[1:]):
		return op.inlineText(root.part(0))
	}
	return placed{}, nil, ""
}

// armoredText is the text that a leaf shows, when there may be armor in it.
func (op *opening) armoredText(leaf placed) []byte {
	text := op.small(leaf)
	switch {
	case !bytes.Contains(text, []byte("-----BEGIN PGP ")):
		return nil
	case leaf.mediaType == "text/html":
		return htmlText(text)
	}
	return text
}

// onlyFiles tells whether all parts are files.
func onlyFiles(parts []*entity) bool {
	for _, p := range parts {
		if !p.isAttachment() || len(p.parts) > 0 || p.isShownHTML() {
			return false
		}
	}
	return true
}

// twin reads a text whose HTML form shows nothing else than the same armor.
func (op *opening) twin(root placed) (leaf placed, text []byte, repaired string) {
	text = op.armoredText(root.part(0))
	shown := op.armoredText(root.part(1))
	if !bytes.Equal(withoutBlanks(text), withoutBlanks(shown)) {
		return placed{}, nil, ""
	}
	return root, text, repairedHTMLTwin
}

func withoutBlanks(text []byte) []byte {
	return bytes.Join(bytes.Fields(bytes.ReplaceAll(text, []byte("\u00a0"), []byte(" "))), nil)
}

// encryptedRoot opens a message that is encrypted inline.
func (op *opening) encryptedRoot(root, leaf placed, text []byte, repaired string) *placed {
	binary, ok := dearmor(bytes.NewReader(text), armor.Message)
	if !ok {
		op.verdict.Encryption, op.verdict.Reason = EncryptionMalformed, "The armor in the text cannot be read."
		op.layers = append(op.layers, Layer{Kind: KindInlineEncrypted, Encryption: EncryptionMalformed})
		return nil
	}
	plaintext, d := op.decrypt(binary, int64(len(text)))
	if op.failure != nil {
		return nil
	}
	l := encryptedLayer(KindInlineEncrypted, "", d)
	l.Repaired = repaired
	op.verdict.Encryption, op.verdict.EncryptedTo = l.Encryption, d.KeyIDs
	op.verdict.Reason, op.verdict.Limit, op.verdict.Repaired = d.Reason, d.Limit, repaired
	if d.Signed {
		l.judged(op.judge(d.Signatures))
		op.speak(l.Signatures)
	}
	op.layers = append(op.layers, l)
	if d.Outcome != pgp.Decrypted {
		if d.Outcome == pgp.NoKey {
			op.wait(d.KeyIDs...)
		}
		return nil
	}
	opened, err := plaintext.Bytes()
	op.fail(err)
	return op.inlineOpened(root, leaf, opened)
}

// clearsignedRoot checks a message whose text has a cleartext signature. What was verified takes the place of the
// text. It counts as a part of the message at most: its header and its files are not signed, and programs do not agree
// on what is text (RFC 9580, section 7).
func (op *opening) clearsignedRoot(root, leaf placed, text []byte, repaired string) *placed {
	l, plain := op.clearsigned(text, "")
	l.Repaired = repaired
	op.verdict.Signature, op.verdict.Repaired = SignaturePartial, repaired
	if best := strongest(l.Signatures); best.Signature != Good {
		op.verdict.Reason = "The signature in the text does not count: " + string(best.Signature) + "."
	}
	op.layers = append(op.layers, l)
	if plain == nil {
		return nil
	}
	return op.inlineOpened(root, leaf, plain)
}

// clearsigned verifies one block with a cleartext signature; plain is its text when the signature fits.
func (op *opening) clearsigned(text []byte, part string) (l Layer, plain []byte) {
	l = Layer{Kind: KindClearsigned, Part: part, Signature: SignatureMalformed}
	c, err := pgp.ReadClearsigned(text)
	if err != nil {
		return l, nil
	}
	l.judged(op.verify(bytes.NewReader(c.Signed), c.Signature))
	switch l.Signature {
	case Good, UnapprovedKey, WrongSender:
		return l, c.Text
	}
	return l, nil
}

// inlineOpened puts an opened text in the place of its armor.
func (op *opening) inlineOpened(root, leaf placed, text []byte) *placed {
	if op.failure != nil {
		return nil
	}
	opened := op.textEntity(text)
	if leaf.entity == root.entity {
		return op.parsed(opened)
	}
	// Files came beside the text, and are no part of what was protected.
	if op.verdict.Encryption == Decrypted {
		op.verdict.Encryption = EncryptionPartial
	}
	if op.verdict.Signature != "" {
		op.verdict.Signature, op.verdict.MatchedID = SignaturePartial, ""
	}
	return op.withText(root, opened)
}

// withText replaces the text before the files of a message, and opens the files that are encrypted.
func (op *opening) withText(root placed, text Message) *placed {
	d := &deeper{op: op}
	root.parts[0].replaced = &text
	d.sidecars(root, "")
	for i := range root.parts[1:] {
		if d.count < maxLayers && op.failure == nil {
			d.attachment(root.part(i+1), fmt.Sprint(i+2))
		}
	}
	return &root
}

// textEntity is an entity with a text, in an encoding that every server passes on.
func (op *opening) textEntity(text []byte) Message {
	charset := "utf-8"
	if !utf8.Valid(text) {
		charset = "windows-1252" // what inline PGP was mostly written in
	}
	content := []field{line("Content-Type", "text/plain; charset="+charset)} // a part brings no fields of its own
	out := op.ws.sink()
	err := sevenBitLeaf(out, textBody{Of(text), true}, content, "8bit", true)
	m, failed := out.message()
	op.fail(errors.Join(err, failed))
	return m
}

// text looks for armor in a text below the top, or beside other text.
func (d *deeper) text(e placed, part string) {
	text := d.op.armoredText(e)
	found := blocks(text)
	d.more = d.more || len(found) > maxBlocks
	for _, b := range found[:min(len(found), maxBlocks)] {
		if d.op.failure != nil || d.tooMany() {
			return
		}
		armored := text[b.start:b.end]
		switch {
		case d.op.options.Inline != InlineAny || e.mediaType == "text/html":
			d.leftAlone(b.kind, part)
		case b.kind == KindClearsigned:
			l, _ := d.op.clearsigned(armored, part)
			d.found(l)
		default:
			d.inlineBlock(e, part, armored)
		}
	}
}

// leftAlone notes a block that is not opened, and that is there all the same.
func (d *deeper) leftAlone(kind, part string) {
	if kind == KindClearsigned {
		d.found(Layer{Kind: kind, Part: part, Signature: SignaturePartial, Reason: "A signature in the text was not checked."})
		return
	}
	d.found(Layer{Kind: kind, Part: part, Encryption: EncryptionRefused, Reason: "PGP in the text was left as it is."})
}

// inlineBlock opens one block among other text into a file after the text.
func (d *deeper) inlineBlock(e placed, part string, armored []byte) {
	binary, ok := dearmor(bytes.NewReader(armored), armor.Message)
	if !ok {
		d.found(Layer{Kind: KindInlineEncrypted, Part: part, Encryption: EncryptionMalformed})
		return
	}
	plaintext, decryption := d.op.decrypt(binary, int64(len(armored)))
	d.found(d.layerOf(KindInlineEncrypted, part, decryption))
	if decryption.Outcome == pgp.Decrypted && d.op.failure == nil {
		d.op.files = append(d.op.files, d.op.file(fmt.Sprintf("opened-%d.txt", d.count), plaintext))
	}
}
