package pgpmime

import "errors"

// pass returns a message that is not the content of another: stripped and stamped.
func (op *opening) pass(message placed) (OpenedMessage, error) {
	s := op.stripper(message.source)
	stripped, fields, err := s.message(message.entity)
	if err != nil {
		return OpenedMessage{}, err
	}
	return stamp(stripped, op.verdict, first(fields, "subject")), nil
}

func (op *opening) stripper(source Message) *stripper {
	return &stripper{instance: op.options.Instance, ws: op.ws, source: source}
}

// over returns a message that was not looked into, stripped at the top.
func (op *opening) over(message Message, v Verdict) (OpenedMessage, error) {
	stripped, subject, err := op.stripper(message).top()
	if err != nil {
		return OpenedMessage{}, err
	}
	return stamp(stripped, v, subject), nil
}

// rebuild puts the opened content under the outer header: fields about the message stay as the sender's server sent
// them, fields about the body are the content's. An inner From never replaces the outer one. The outer header is not
// covered by any signature, so nothing in it may be taken for content: lines that are no fields, after which some
// readers believe that the body has begun, go.
func (op *opening) rebuild(message, content placed) (OpenedMessage, error) {
	op.leaveOutLegacyDisplay(content)
	s := op.stripper(content.source)
	fields := s.fields(op.openedFields(message.fields, content.fields), true)
	body := s.body(content.entity)
	if err := errors.Join(s.err, op.failure); err != nil {
		return OpenedMessage{}, err
	}
	if content.bareLF && content.encoding() != "binary" {
		var err error
		if body, err = op.withCRLF(body); err != nil {
			return OpenedMessage{}, err
		}
	}
	header := Of(join(withLineEnds(fields), []byte(lineEnd), nil))
	return stamp(joined(header, body), op.verdict, first(fields, "subject")), nil
}

// openedFields is the header of an opened message.
func (op *opening) openedFields(outer, inner []field) []field {
	var fields []field
	for _, f := range outer {
		if f = f.clean(); f.wellFormed() && !isContent(f) {
			fields = append(fields, field{name: f.name, raw: crlf(f.raw)})
		}
	}
	fields, from := protectedFields(withLineEnds(fields), inner, op.decrypted, op.verdict.Signature == Good)
	if from.Differs && op.verdict.Signature == Good {
		op.verdict.Signature, op.verdict.MatchedID = WrongSender, ""
		op.verdict.Reason = "The From that was signed is not the From outside."
	}
	if op.verdict.Signature == Good && forOthers(outer, inner) {
		op.verdict.Signature, op.verdict.MatchedID = Bad, ""
		op.verdict.Reason = "It was signed for other recipients."
	}
	fields = withMIMEVersion(fields)
	seen := map[string]bool{}
	for _, f := range inner {
		if f = f.clean(); isContent(f) && !seen[f.name] {
			if seen[f.name] = true; f.wellFormed() {
				fields = append(fields, field{name: f.name, raw: crlf(f.raw)})
			}
		}
	}
	return withLineEnds(fields)
}

// withCRLF rewrites line ends.
func (op *opening) withCRLF(m Message) (Message, error) {
	out := op.ws.sink()
	_, err := copyTo(out, canonicalLines(m.Reader()))
	rewritten, failed := out.message()
	return rewritten, errors.Join(err, failed)
}

// leaveOutLegacyDisplay takes out of a decrypted payload what repeats its protected header for programs that do not read
// it, so that nothing is shown twice.
func (op *opening) leaveOutLegacyDisplay(content placed) {
	if !op.decrypted || headerProtection(content.fields) == "" {
		return
	}
	if len(content.parts) > 1 {
		first := content.part(0)
		first.dropped = len(first.parts) == 0 && isLegacyDisplay(content.fields, first.fields, op.small(first))
	}
	left := 2 // the text, and its HTML form
	content.all("", func(e *entity, _ string) bool {
		if e.params["hp-legacy-display"] == "1" && len(e.parts) == 0 && !e.isAttachment() && left > 0 {
			op.withoutLegacyDisplay(content, placed{content.source, e})
			left--
		}
		return e.embedded == nil
	})
}

func (op *opening) withoutLegacyDisplay(content, leaf placed) {
	text := op.small(leaf)
	shorter := withoutLegacyDisplay(content.fields, leaf.fields, text)
	if len(shorter) == len(text) || op.failure != nil {
		return
	}
	out := op.ws.sink()
	err := sevenBitLeaf(out, textBody{Of(shorter), true}, contentFields(leaf.fields), "8bit", true)
	m, failed := out.message()
	op.fail(errors.Join(err, failed))
	if leaf.entity == content.entity {
		op.newBody(leaf, m)
		return
	}
	leaf.replaced = &m
}

// newBody gives the root another body.
func (op *opening) newBody(root placed, m Message) {
	if again := op.parsed(m); again != nil {
		body := again.content()
		root.fields, root.newContent = append(messageFields(root.fields), again.fields...), &body
	}
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
