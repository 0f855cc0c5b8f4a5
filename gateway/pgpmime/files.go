package pgpmime

import (
	"bytes"
	"io"
	"path"
	"strings"

	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// encryptedNames are the endings of encrypted files.
var encryptedNames = []string{".pgp", ".gpg", ".asc"}

// attachment opens an encrypted file.
func (d *deeper) attachment(e placed, part string) {
	name := e.fileName()
	if d.op.decrypted || (d.html && d.control) || name == "" || !hasEnding(name, encryptedNames) || e.mediaType == "application/pgp-keys" {
		return
	}
	binary, mended, ok := d.op.object(e, armor.Message)
	if !ok {
		return
	}
	head := make([]byte, 64)
	n, err := io.ReadFull(binary, head)
	if !beginsEncrypted(head[:n]) || n < 3 {
		return
	}
	plaintext, decryption := d.op.decrypt(io.MultiReader(bytes.NewReader(head[:n]), unlessOver(binary, err)), e.end-e.body)
	l := d.layerOf(KindAttachment, part, decryption)
	l.Repaired = mended
	d.found(l)
	if decryption.Outcome == pgp.Decrypted && d.op.failure == nil {
		d.replace(e, part, d.op.file(strings.TrimSuffix(name, path.Ext(name)), plaintext))
	}
}

// unlessOver is r unless it ended already.
func unlessOver(r io.Reader, err error) io.Reader {
	if err != nil {
		return bytes.NewReader(nil)
	}
	return r
}

func hasEnding(name string, endings []string) bool {
	for _, e := range endings {
		if strings.EqualFold(path.Ext(name), e) {
			return true
		}
	}
	return false
}

// file is an attachment that no program shows by itself.
func (op *opening) file(name string, content Message) Message {
	out := op.ws.sink()
	out.Write(join([]field{ //nolint:errcheck // remembered by the sink
		line("Content-Type", "application/octet-stream"),
		line("Content-Transfer-Encoding", "base64"),
		line("Content-Disposition", dispositionAttachment(name)),
	}, []byte(lineEnd), nil))
	w := newBase64Writer(out)
	if _, err := content.WriteTo(w); err != nil {
		op.fail(err)
	}
	op.fail(w.Close())
	m, err := out.message()
	op.fail(err)
	return m
}

// isAttachment tells whether readers take a leaf for a file.
func (e *entity) isAttachment() bool {
	_, params := dispositionOf(e.fields)
	return e.isSaved() || (params["filename"] != "" && len(named(e.fields, "content-disposition")) == 1)
}

// fileName is the name of a leaf as a file, safe; "" when it has none.
func (e *entity) fileName() string {
	_, disposition := dispositionOf(e.fields)
	if disposition["filename"] == "" && e.params["name"] == "" {
		return ""
	}
	return attachmentName(e.mediaType, e.params, disposition)
}

// sidecars verifies the files of a multipart that have a signature beside them.
func (d *deeper) sidecars(e placed, part string) {
	files, taken := map[string]int{}, map[int]bool{}
	for i, p := range e.parts {
		if name := p.fileName(); name != "" {
			files[name] = i
		}
	}
	for i, p := range e.parts {
		name := p.fileName()
		signed, is := files[strings.TrimSuffix(name, path.Ext(name))]
		if !is || !hasEnding(name, []string{".sig", ".asc"}) || signed == i || taken[signed] || d.count >= maxLayers {
			continue
		}
		signature, _, ok := d.op.signature(e.part(i))
		if !ok || !isSignature(signature) {
			continue
		}
		if d.sidecar == nil {
			d.sidecar = map[*entity]bool{}
		}
		d.sidecar[e.parts[i]], taken[signed] = true, true // a file is read for one sidecar only
		l := Layer{Kind: KindSidecar, Part: partBelow(part, signed+1)}
		file := e.part(signed)
		l.judged(d.op.verify(decoded(file.encoding(), file.content().Reader()), signature))
		d.found(l)
	}
}

// isSignature tells whether binary data are detached signatures.
func isSignature(binary []byte) bool {
	count, _ := pgp.CountSignatures(binary)
	return count > 0
}
