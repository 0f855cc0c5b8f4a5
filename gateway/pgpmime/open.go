package pgpmime

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// Open opens one message in memory. What cannot be opened is not an error: the original comes back with a verdict. An
// error means that Keys or the spool failed, and that the message should be tried again later.
func Open(message []byte, keys Keys, o Options) (Opened, error) {
	opened, err := OpenMessage(Of(message), keys, o)
	if err != nil {
		return Opened{}, err
	}
	bytes, err := opened.Message.Bytes()
	if err = errors.Join(err, opened.Close()); err != nil {
		return Opened{}, err
	}
	return Opened{
		Message: bytes, Verdict: opened.Verdict, Changed: opened.Changed, WaitingFor: opened.WaitingFor,
		Subject: opened.Subject, PayloadHeader: opened.PayloadHeader,
	}, nil
}

// OpenMessage is Open for a message of any size: with a spool in the options it needs the same memory for all. The
// result must be closed.
func OpenMessage(message Message, keys Keys, o Options) (opened OpenedMessage, err error) {
	o.Limits = o.Limits.withDefaults()
	op := &opening{keys: keys, options: o, ws: &workspace{spool: o.Spool}}
	defer func() {
		// Everything is guarded once more: a panic reachable from input must not end more than this message.
		if recover() != nil {
			opened, err = op.over(message, Verdict{Encryption: EncryptionMalformed, Reason: "The message could not be read."})
		}
		if opened.workspace = op.ws; err != nil {
			err = errors.Join(err, op.ws.Close())
		}
	}()
	root, err := parse(message, o.Limits)
	if limit := new(overLimit); errors.As(err, limit) {
		return op.over(message, Verdict{Encryption: EncryptionRefused, Limit: limit.limit, Reason: "The message was not looked into: " + limit.words + "."})
	}
	if err != nil {
		return OpenedMessage{}, err
	}
	return op.open(placed{message, root})
}

// placed is an entity together with the message that its places count in.
type placed struct {
	source Message
	*entity
}

// part is an entity below.
func (p placed) part(i int) placed { return placed{p.source, p.parts[i]} }

// raw is the entity as it stands in its message, header and all.
func (p placed) raw() Message { return p.source.slice(p.start, p.end) }

// content is the body as it stands, not decoded.
func (p placed) content() Message { return p.source.slice(p.body, p.end) }

// opening is one Open in progress.
type opening struct {
	keys        Keys
	options     Options
	ws          *workspace
	from        string // the one sender address, canonical, or ""
	verdict     Verdict
	waiting     []string
	layers      []Layer   // those that are the whole message, from the outside in
	below       []Layer   // those found deeper
	files       []Message // opened from the text, to be attached
	decrypted   bool      // a layer of encryption was undone
	changed     bool      // something below was opened
	failure     error     // Keys or the spool failed: nothing of this opening counts
	plaintexts  int64     // bytes of all plaintexts of this opening: one limit holds for them together
	sessionKeys int       // of all encrypted parts, likewise
	inside      []byte    // header of the decrypted payload
}

func (op *opening) open(message placed) (OpenedMessage, error) {
	op.from = senderOf(message.fields)
	content, opens := op.unwrap(message)
	if op.failure != nil {
		return OpenedMessage{}, fmt.Errorf("open message: %w", op.failure)
	}
	op.verdict.Layers = nestedLayers(op.layers, op.below)
	var opened OpenedMessage
	var err error
	if opens {
		opened, err = op.rebuild(message, content)
	} else {
		opened, err = op.pass(message)
	}
	opened.Changed = opens || op.changed
	opened.WaitingFor = op.waiting
	if op.verdict.Encryption == Decrypted {
		opened.PayloadHeader = op.inside
	}
	return opened, err
}

// nestedLayers puts each layer into the one around it.
func nestedLayers(whole, below []Layer) []Layer {
	nested := below
	for i := len(whole) - 1; i >= 0; i-- {
		l := whole[i]
		l.Layers = nested
		nested = []Layer{l}
	}
	return nested
}

// unwrap undoes the PGP layers that are the whole message, from the outside in, and returns the content entity below.
// One layer of encryption is undone, and one signature on either side of it; what lies below that is content. What has
// siblings is never mixed with them: they could carry its plaintext away (EFAIL).
func (op *opening) unwrap(message placed) (content placed, opens bool) {
	content = message
	for {
		inner, is := op.layer(content)
		if !is && !opens {
			inner, is = op.mended(content)
		}
		if !is {
			return op.lookDeeper(content, opens)
		}
		if inner == nil || op.failure != nil {
			return content, opens
		}
		if inner = op.withHeader(*inner); inner == nil {
			return message, false
		}
		content, opens = *inner, true
	}
}

// withHeader returns content with a header of its own. Simple programs sign or encrypt a text without one: from the
// first line that is no field on, everything is text, so that nothing of it is lost.
func (op *opening) withHeader(content placed) *placed {
	at := content.start
	for i, f := range content.fields {
		if f.name == "" {
			header := Of(join(content.fields[:i], []byte(lineEnd), nil))
			return op.parsed(joined(header, content.source.slice(at, content.end)))
		}
		at += int64(len(f.raw))
	}
	return &content
}

// parsed cuts what was opened. It is nil, with the verdict set, when it is over a limit: the original stays closed then.
func (op *opening) parsed(m Message) *placed {
	e, err := parse(m, op.options.Limits)
	if err == nil {
		return &placed{m, e}
	}
	limit := new(overLimit)
	if !errors.As(err, limit) {
		op.fail(err)
		return nil
	}
	op.verdict, op.waiting = Verdict{
		Encryption: EncryptionRefused, EncryptedTo: op.verdict.EncryptedTo, Limit: limit.limit,
		Reason: "What was protected was not looked into: " + limit.words + ".",
	}, nil
	return nil
}

// layer undoes the outermost PGP layer of an entity. It is false when there is none, and returns nil for one that stays
// closed.
func (op *opening) layer(e placed) (inner *placed, is bool) {
	if len(named(e.fields, "content-type")) != 1 { // which of several counts is anybody's guess
		return nil, false
	}
	switch {
	case e.isEncrypted() && !op.decrypted:
		// A signature around an encryption covers the ciphertext only: whoever made it need not know what is inside, so it
		// counts as none.
		op.verdict, op.waiting = Verdict{}, nil
		return op.decryptParts(e), true
	case e.isSigned() && op.verdict.Signature == "":
		return op.verifyParts(e), true
	}
	return nil, false
}

func (e *entity) isEncrypted() bool {
	return e.mediaType == "multipart/encrypted" && isProtocol(e.params, "application/pgp-encrypted")
}

func (e *entity) isSigned() bool {
	return e.mediaType == "multipart/signed" && isProtocol(e.params, "application/pgp-signature")
}

// isProtocol compares the protocol parameter; a missing one is taken for PGP, as some clients send none, and the parts
// decide.
func isProtocol(params map[string]string, protocol string) bool {
	p := strings.ToLower(params["protocol"])
	return p == "" || p == protocol
}

// decryptParts opens a multipart/encrypted (RFC 3156, section 4) and returns the entity inside, or nil with the verdict
// set.
func (op *opening) decryptParts(e placed) *placed {
	if len(e.parts) != 2 {
		return op.closed(EncryptionMalformed, "An encrypted message has exactly two parts; this one does not.")
	}
	if e.parts[0].mediaType != "application/pgp-encrypted" {
		return op.closed(EncryptionMalformed, "The first part of an encrypted message is not where it should be.")
	}
	return op.decryptWhole(e.part(1), KindEncrypted, "")
}

// closed sets the verdict for something that stays closed.
func (op *opening) closed(e Encryption, reason string) *placed {
	op.verdict.Encryption, op.verdict.Reason = e, reason
	op.layers = append(op.layers, Layer{Kind: KindEncrypted, Encryption: e, Reason: reason})
	return nil
}

// decryptWhole opens the leaf that holds the ciphertext of the whole message. A signature inside the encryption is
// judged too, and replaces what an outer one said.
func (op *opening) decryptWhole(leaf placed, kind, repaired string) *placed {
	plaintext, d, mended, ok := op.decryptLeaf(leaf)
	if op.failure != nil {
		return nil
	}
	if !ok {
		return op.closed(EncryptionMalformed, "The encrypted part holds no OpenPGP message.")
	}
	l := encryptedLayer(kind, "", d)
	l.Repaired = firstOf(repaired, mended)
	op.verdict.Encryption, op.verdict.EncryptedTo = l.Encryption, d.KeyIDs
	op.verdict.Reason, op.verdict.Limit, op.verdict.Repaired = d.Reason, d.Limit, l.Repaired
	if d.Outcome == pgp.NoKey {
		op.wait(d.KeyIDs...)
	}
	if d.Signed {
		l.judged(op.judge(d.Signatures))
		op.speak(l.Signatures)
	}
	op.layers = append(op.layers, l)
	if d.Outcome != pgp.Decrypted {
		return nil
	}
	op.decrypted = true
	inner := op.parsed(plaintext)
	if inner != nil {
		op.inside = headerOf(inner.fields)
	}
	return inner
}

// headerOf is a header as it stands, up to the first line that is no field; never nil.
func headerOf(fields []field) []byte {
	if i := slices.IndexFunc(fields, func(f field) bool { return f.name == "" }); i >= 0 {
		fields = fields[:i]
	}
	return append([]byte{}, join(fields, nil, nil)...)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// wait notes key ids that would change the verdict if they were held.
func (op *opening) wait(keyIDs ...string) { op.waiting = append(op.waiting, keyIDs...) }

// fail notes an error of Keys or of the spool. Nothing is delivered then.
func (op *opening) fail(err error) {
	if err != nil {
		op.failure = errors.Join(op.failure, err)
	}
}
