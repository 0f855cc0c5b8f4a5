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
	// The library is guarded as a whole: a panic reachable from input must not end more than this message.
	defer func() {
		if r := recover(); r != nil {
			opened, err = pass(message, o, Verdict{Encryption: EncryptionMalformed, Reason: "The message could not be read."}), nil
		}
	}()
	op := &opening{keys: keys, options: o}
	if err := o.Limits.check(message); err != nil {
		return pass(message, o, Verdict{Encryption: EncryptionRefused, Reason: sentence("The message was not looked into: " + err.Error() + ".")}), nil
	}
	op.from = senderOf(message)
	content, opens := op.unwrap(message)
	if op.failure != nil {
		return Opened{}, fmt.Errorf("look up keys: %w", op.failure)
	}
	if !opens {
		opened = pass(message, o, op.verdict)
	} else {
		opened = op.rebuild(message, content)
	}
	opened.WaitingFor = op.waiting
	return opened, nil
}

// opening is one Open in progress.
type opening struct {
	keys    Keys
	options Options
	from    string // the one sender address, canonical, or ""
	verdict Verdict
	waiting []string
	failure error // Keys failed: nothing of this opening counts
}

// layers bounds how often unwrapping may find another PGP layer below: encrypted, signed, and one more of each.
const layers = 4

// unwrap undoes the PGP layers that are the whole message, from the outside in, and returns the content entity below.
// Nothing is opened that has siblings: what stands beside a ciphertext could carry its plaintext away (EFAIL).
func (op *opening) unwrap(entity []byte) (content []byte, opens bool) {
	content = entity
	for range layers {
		fields, _, body := split(content)
		t, params := mediaType(fields)
		var inner []byte
		switch {
		case t == "multipart/encrypted" && isProtocol(params, "application/pgp-encrypted"):
			inner = op.decryptPart(cut(body, params["boundary"], 3))
		case t == "multipart/signed" && isProtocol(params, "application/pgp-signature") && op.verdict.Signature == "":
			inner = op.verifyPart(cut(body, params["boundary"], 3))
		default:
			op.lookDeeper(content, !opens)
			return content, opens
		}
		if inner == nil || op.failure != nil {
			return content, opens
		}
		content, opens = inner, true
		if err := op.options.Limits.check(content); err != nil {
			op.verdict = Verdict{Encryption: EncryptionRefused, Reason: sentence("What was encrypted was not looked into: " + err.Error() + ".")}
			return entity, false
		}
	}
	return content, opens
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

// pgpBelow finds PGP/MIME structures and inline armor below the top of an entity.
func pgpBelow(entity []byte, top bool) (encrypted, signed bool) {
	fields, _, body := split(entity)
	t, params := mediaType(fields)
	if !top {
		switch {
		case t == "multipart/encrypted" && isProtocol(params, "application/pgp-encrypted"):
			return true, false
		case t == "multipart/signed" && isProtocol(params, "application/pgp-signature"):
			signed = true
		}
	}
	switch {
	case strings.HasPrefix(t, "multipart/"):
		m := cut(body, params["boundary"], 1000)
		for i := range m.parts {
			e, s := pgpBelow(m.part(i), false)
			encrypted, signed = encrypted || e, signed || s
		}
	case strings.HasPrefix(t, "text/"):
		encrypted = hasLine(body, "-----BEGIN PGP MESSAGE-----")
		signed = signed || hasLine(body, "-----BEGIN PGP SIGNED MESSAGE-----")
	}
	return encrypted, signed
}

// hasLine finds an armor line that is not quoted.
func hasLine(body []byte, line string) bool {
	return bytes.HasPrefix(body, []byte(line)) || bytes.Contains(body, []byte("\n"+line))
}

// pass returns a message that was not opened: stripped and stamped.
func pass(message []byte, o Options, v Verdict) Opened {
	s := stripper{instance: o.Instance, limits: o.Limits}
	var stripped []byte
	if o.Limits.check(message) == nil {
		stripped = s.strip(message, true)
	} else { // over a limit: only the top is looked at
		fields, blank, body := split(message)
		stripped = join(s.fields(fields, true), blank, body)
	}
	return stamp(stripped, v)
}

// rebuild puts the opened content under the outer header: fields about the message stay as the sender's server sent
// them, fields about the body are the content's. An inner From never replaces the outer one.
func (op *opening) rebuild(message, content []byte) Opened {
	outer, _, _ := split(message)
	inner, _, body := split(content)
	var fields []field
	for _, f := range outer {
		if !isContent(f) {
			fields = append(fields, f)
		}
	}
	if subject, ok := op.protectedSubject(outer, inner); ok {
		fields = replace(fields, subject)
	}
	for _, f := range inner {
		if isContent(f) {
			fields = append(fields, field{name: f.name, raw: crlf(f.raw)})
		}
	}
	if transferEncoding(inner) != "binary" {
		body = crlf(body)
	}
	s := stripper{instance: op.options.Instance, limits: op.options.Limits}
	opened := stamp(s.strip(join(fields, []byte("\r\n"), body), true), op.verdict)
	opened.Changed = true
	return opened
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

// sentence keeps text that may come from an error on one line of printable ASCII.
func sentence(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}

// wait notes key ids that would change the verdict if they were held.
func (op *opening) wait(keyIDs ...string) { op.waiting = append(op.waiting, keyIDs...) }

// fail notes an error of Keys. Nothing is delivered then.
func (op *opening) fail(err error) {
	if err != nil {
		op.failure = errors.Join(op.failure, err)
	}
}
