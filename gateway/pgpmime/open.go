package pgpmime

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Open opens one message. What cannot be opened is not an error: the original comes back with a verdict. An error
// means that Keys failed, and that the message should be tried again later.
func Open(message []byte, keys Keys, o Options) (opened Opened, err error) {
	o.Limits = o.Limits.withDefaults()
	// Everything is guarded once more: a panic reachable from input must not end more than this message.
	defer func() {
		if r := recover(); r != nil {
			opened, err = pass(message, o, Verdict{Encryption: EncryptionMalformed, Reason: "The message could not be read."}), nil
		}
	}()
	if err := o.Limits.check(message); err != nil {
		return pass(message, o, Verdict{Encryption: EncryptionRefused, Reason: "The message was not looked into: " + err.Error() + "."}), nil
	}
	op := &opening{keys: keys, options: o, from: senderOf(message)}
	content, opens := op.unwrap(message)
	switch {
	case op.failure != nil:
		return Opened{}, fmt.Errorf("look up keys: %w", op.failure)
	case opens:
		opened = op.rebuild(message, content)
	default:
		opened = pass(message, o, op.verdict)
	}
	opened.WaitingFor = op.waiting
	return opened, nil
}

// opening is one Open in progress.
type opening struct {
	keys      Keys
	options   Options
	from      string // the one sender address, canonical, or ""
	verdict   Verdict
	waiting   []string
	decrypted bool  // a layer of encryption was undone
	failure   error // Keys failed: nothing of this opening counts
}

// unwrap undoes the PGP layers that are the whole message, from the outside in, and returns the content entity below.
// Nothing is opened that has siblings: what stands beside a ciphertext could carry its plaintext away (EFAIL). One layer
// of encryption is undone, and one signature on either side of it; what lies below that is content.
func (op *opening) unwrap(entity []byte) (content []byte, opens bool) {
	content = entity
	for {
		inner, is := op.layer(content)
		if !is {
			op.lookDeeper(content, !opens)
			return content, opens
		}
		if inner == nil || op.failure != nil {
			return content, opens
		}
		content, opens = inner, true
		if err := op.options.Limits.check(content); err != nil {
			op.verdict, op.waiting = Verdict{
				Encryption: EncryptionRefused, EncryptedTo: op.verdict.EncryptedTo,
				Reason: "What was protected was not looked into: " + err.Error() + ".",
			}, nil
			return entity, false
		}
	}
}

// layer undoes the outermost PGP layer of an entity. It is false when there is none, and returns nil for one that stays
// closed.
func (op *opening) layer(entity []byte) (inner []byte, is bool) {
	fields, _, body := split(entity)
	if len(named(fields, "content-type")) != 1 { // which of several counts is anybody's guess
		return nil, false
	}
	t, params := mediaType(fields)
	switch {
	case t == "multipart/encrypted" && isProtocol(params, "application/pgp-encrypted") && !op.decrypted:
		// A signature around an encryption covers the ciphertext only: whoever made it need not know what is inside, so it
		// counts as none.
		op.verdict, op.waiting = Verdict{}, nil
		return op.decryptPart(cut(body, params["boundary"], 3)), true
	case t == "multipart/signed" && isProtocol(params, "application/pgp-signature") && op.verdict.Signature == "":
		return op.verifyPart(cut(body, params["boundary"], 3)), true
	}
	return nil, false
}

// isProtocol compares the protocol parameter; a missing one is taken for PGP, as some clients send none, and the parts
// decide.
func isProtocol(params map[string]string, protocol string) bool {
	p := strings.ToLower(params["protocol"])
	return p == "" || p == protocol
}

// lookDeeper reports PGP parts below the top. They are left as they are: a part of a message is not the message.
func (op *opening) lookDeeper(entity []byte, outermost bool) {
	encrypted, signed := pgpBelow(entity, true)
	if encrypted && op.verdict.Encryption == "" {
		op.verdict.Encryption = EncryptionPartial
	}
	if signed && op.verdict.Signature == "" && outermost {
		op.verdict.Signature = SignaturePartial
	}
}

// pgpBelow finds PGP/MIME structures, and armor that begins a line of text, below the top of an entity.
func pgpBelow(entity []byte, top bool) (encrypted, signed bool) {
	fields, _, body := split(entity)
	t, params := mediaType(fields)
	switch {
	case t == "application/pgp-encrypted", !top && t == "multipart/encrypted" && isProtocol(params, "application/pgp-encrypted"):
		return true, false
	case t == "application/pgp-signature":
		return false, true
	case t == "multipart/encrypted" && isProtocol(params, "application/pgp-encrypted"): // of several types, or in our own
		encrypted = true
	case t == "multipart/signed" && isProtocol(params, "application/pgp-signature"):
		signed = !top
	}
	switch {
	case strings.HasPrefix(t, "multipart/"):
		m := cut(body, params["boundary"], (Limits{}).withDefaults().Parts)
		for i := range m.parts {
			e, s := pgpBelow(m.part(i), false)
			encrypted, signed = encrypted || e, signed || s
		}
	case strings.HasPrefix(t, "text/"):
		text := decodeTransfer(transferEncoding(fields), body)
		encrypted = hasLine(text, "-----BEGIN PGP MESSAGE-----")
		signed = hasLine(text, "-----BEGIN PGP SIGNED MESSAGE-----")
	}
	return encrypted, signed
}

// hasLine finds an armor line that is not quoted.
func hasLine(body []byte, line string) bool {
	return bytes.HasPrefix(body, []byte(line)) || bytes.Contains(body, []byte("\n"+line))
}

// pass returns a message that was not opened: stripped and stamped.
func pass(message []byte, o Options, v Verdict) Opened {
	return stamp(stripper{instance: o.Instance, limits: o.Limits}.message(message), v)
}

// rebuild puts the opened content under the outer header: fields about the message stay as the sender's server sent
// them, fields about the body are the content's. An inner From never replaces the outer one. The outer header is not
// covered by any signature, so nothing in it may be taken for content: lines that are no fields, after which some
// readers believe that the body has begun, go.
func (op *opening) rebuild(message, content []byte) Opened {
	outer, _, _ := split(message)
	inner, body := contentOf(content)
	var fields []field
	for _, f := range outer {
		if f = f.clean(); f.wellFormed() && !isContent(f) {
			fields = append(fields, field{name: f.name, raw: crlf(f.raw)})
		}
	}
	if subject, ok := op.protectedSubject(outer, inner); ok {
		fields = replace(fields, subject)
	}
	fields = withMIMEVersion(withLineEnds(fields))
	for i, f := range inner {
		if f = f.clean(); f.wellFormed() && isContent(f) && len(named(inner[:i], f.name)) == 0 {
			fields = append(fields, field{name: f.name, raw: crlf(f.raw)})
		}
	}
	if transferEncoding(inner) != "binary" {
		body = crlf(body)
	}
	opened := pass(join(withLineEnds(fields), []byte(lineEnd), body), op.options, op.verdict)
	opened.Changed = true
	return opened
}

// contentOf splits what was protected. Simple programs sign or encrypt a text without a header of its own: from the
// first line that is no field on, everything is text, so that nothing of it is lost.
func contentOf(content []byte) (fields []field, body []byte) {
	fields, _, body = split(content)
	at := 0
	for i, f := range fields {
		if f.name == "" {
			return fields[:i], content[at:]
		}
		at += len(f.raw)
	}
	return fields, body
}

// protectedSubject returns the Subject that travelled inside an encrypted payload, when the outer one only stands in
// for it (RFC 9788, and the older protected-headers="v1").
func (op *opening) protectedSubject(outer, inner []field) (field, bool) {
	_, params := mediaType(inner)
	if op.verdict.Encryption != Decrypted || (params["hp"] == "" && params["protected-headers"] == "") {
		return field{}, false
	}
	switch strings.TrimSpace(first(outer, "subject")) {
	case "...", "[...]", "":
	default:
		return field{}, false
	}
	subject := first(inner, "subject")
	if subject == "" {
		return field{}, false
	}
	return line("Subject", encodeWords(decodeWords(subject))), true
}

// replace puts f where the first field of its name stands, or at the end.
func replace(fields []field, f field) []field {
	out := make([]field, 0, len(fields)+1)
	done := false
	for _, old := range fields {
		switch {
		case old.name != f.name:
			out = append(out, old)
		case !done:
			out, done = append(out, f), true
		}
	}
	if !done {
		out = append(out, f)
	}
	return out
}

// wait notes key ids that would change the verdict if they were held.
func (op *opening) wait(keyIDs ...string) { op.waiting = append(op.waiting, keyIDs...) }

// fail notes an error of Keys. Nothing is delivered then.
func (op *opening) fail(err error) {
	if err != nil {
		op.failure = errors.Join(op.failure, err)
	}
}
