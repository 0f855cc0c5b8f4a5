package pgpmime

import (
	"encoding/base64"
	"fmt"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"
)

// headerPolicy says what of a header stays outside (RFC 9788, section 3). Without Encrypted everything does.
type headerPolicy struct {
	Encrypted   bool // Keywords and Comments are inside only
	HideSubject bool // the Subject is inside only, a stand-in is outside
	KeepTicket  bool // the ticket number stays in the stand-in
}

// hiddenSubject stands outside for a subject that is inside (RFC 9788, section 3.2.1).
const hiddenSubject = "[...]"

// protectHeader divides the header of a message that leaves (RFC 9788, section 5.2). inner goes into the header of the
// payload's root part, whose Content-Type withHP marks: every field that whoever wrote the message may have written,
// and, when it is encrypted, an HP-Outer line for each of them that is outside too. outer are the fields outside,
// without those of the content and without MIME-Version.
//
// RFC 9788 protects every field but the structural ones that the composer knows. A gateway gets fields of others too, so
// those that servers write stay outside only: they are no word of the sender. Blind copies and our control fields leave
// in no place. Of several Subjects, which readers could choose among, the first leaves.
//
// The fields must have been written for the way (asciiFields).
func protectHeader(message []field, hide headerPolicy) (outer, inner []field) {
	var records []field
	subjects, secret := 0, hide.secretOf(first(message, "subject"))
	for _, f := range message {
		f, ok := leaving(f)
		if ok && f.name == "subject" {
			subjects++
			ok = subjects == 1
		}
		if !ok {
			continue
		}
		outside, visible := hide.outside(f)
		if visible && secret != "" {
			outside, visible = without(secret, outside)
		}
		if visible {
			outer = append(outer, outside)
		}
		if byServers(f.name) {
			continue
		}
		inner = append(inner, f)
		if visible {
			records = append(records, line("HP-Outer", asWritten(outside)+": "+outside.value()))
		}
	}
	if hide.Encrypted {
		inner = append(inner, records...)
	}
	return outer, inner
}

// leaving returns a field as it may leave, in the one form that every reader takes for the same. It is false for what
// does not: blind copies, our control fields, marks that count inside only, fields of the content, lines that are no
// fields.
func leaving(f field) (field, bool) {
	switch f.name {
	case "", "bcc", "resent-bcc", "hp-outer", "mime-version":
		return field{}, false
	}
	if isContent(f) || strings.HasPrefix(f.name, "sealgate-") {
		return field{}, false
	}
	if !f.wellFormed() {
		return line(f.name, f.value()), true
	}
	return f, true
}

// outside returns the field as it stands outside. It is false for a field that is inside only.
func (p headerPolicy) outside(f field) (field, bool) {
	switch {
	case !p.Encrypted:
		return f, true
	case f.name == "keywords", f.name == "comments":
		return field{}, false
	case !p.HideSubject:
		return f, true
	case f.name == "subject":
		return p.standIn(f), true
	case f.name == "thread-topic", strings.HasSuffix(f.name, "-subject"):
		return field{}, false // QUIRK: Outlook and ticket systems repeat the subject here
	}
	return f, true
}

// standIn is the Subject that stands outside for a hidden one.
func (p headerPolicy) standIn(subject field) field {
	if token := ticketToken(decodeWords(subject.value())); p.KeepTicket && token != "" {
		return line("Subject", token+" "+hiddenSubject)
	}
	return line("Subject", hiddenSubject)
}

// byServers tells the fields that are written on the way, by servers and by whoever sends a message on (RFC 5322,
// sections 3.6.6 and 3.6.7), and those that vouch for others. Autocrypt is among them: what it holds is checked by its
// own means, and it is too large to be sent three times.
func byServers(name string) bool {
	switch name {
	case "return-path", "delivered-to", "envelope-to", "x-original-to", "authentication-results", "domainkey-signature", "autocrypt":
		return true
	}
	for _, prefix := range []string{"received", "x-received", "resent-", "dkim-", "arc-", "x-spam-", "x-virus-", "x-originating-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// asWritten is the name of a field in the case that it has.
func asWritten(f field) string {
	name, _, _ := strings.Cut(string(f.raw), ":")
	return strings.TrimSpace(name)
}

// withHP returns the value of the payload's Content-Type with its mark of header protection (RFC 9788, section 2.1),
// folded: hp="cipher" for what is encrypted, else hp="clear". Marks that it had before go, everything else stays as it
// is; "" is taken for text/plain (RFC 2045, section 5.2). A value that cannot be read is refused with ErrMalformed.
//
// QUIRK: programs before RFC 9788, Thunderbird, K-9 and mutt among them, show an encrypted subject only where
// protected-headers="v1" stands too.
func withHP(contentType string, cipher bool) (string, error) {
	kept := parameters(contentType)
	if len(kept) == 0 {
		kept = []string{"text/plain"}
	}
	kept = slices.DeleteFunc(kept, marksProtection)
	marks := []string{`hp="clear"`}
	if cipher {
		marks = []string{`hp="cipher"`, `protected-headers="v1"`}
	}
	marked := append(kept, marks...)
	if _, _, err := mime.ParseMediaType(strings.Join(marked, "; ")); err != nil {
		return "", fmt.Errorf("%w: the field Content-Type cannot be read", ErrMalformed)
	}
	return foldParameters(marked), nil
}

// parameters cuts a field value at the semicolons that are not quoted; the type comes first. Empty pieces are left out.
func parameters(value string) []string {
	var pieces []string
	start, quoted, escaped := 0, false, false
	value = withoutLineEnds(value)
	for i := 0; i <= len(value); i++ {
		switch {
		case i == len(value) || (value[i] == ';' && !quoted):
			if piece := strings.TrimSpace(value[start:i]); piece != "" {
				pieces = append(pieces, piece)
			}
			start = i + 1
		case escaped:
			escaped = false
		case value[i] == '\\' && quoted:
			escaped = true
		case value[i] == '"':
			quoted = !quoted
		}
	}
	return pieces
}

// marksProtection tells the parameters that say how a payload's header is protected, in the form of RFC 2231 too.
func marksProtection(parameter string) bool {
	name, _, ok := strings.Cut(parameter, "=")
	name, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(name)), "*")
	return ok && (name == "hp" || name == "protected-headers")
}

// foldParameters writes a Content-Type value, folded between its parameters.
func foldParameters(pieces []string) string {
	var b strings.Builder
	width := len("Content-Type:")
	for i, piece := range pieces {
		switch {
		case i == 0:
		case width+2+len(piece) > foldWidth:
			b.WriteString(";" + lineEnd + " ")
			width = 0
		default:
			b.WriteString("; ")
		}
		b.WriteString(piece)
		width += 2 + len(piece)
	}
	return b.String()
}

// textField writes a field of text that may hold anything: encoded where it is not plain ASCII, where a reader would
// take it for encoded words, and where it has a word too long for a line.
func textField(name, text string) field {
	if strings.Contains(text, "=?") || slices.ContainsFunc(strings.Split(text, " "), func(word string) bool { return len(word) > maxLine/2 }) {
		return line(name, encodedWords(text))
	}
	return line(name, encodeWords(text))
}

// encodedWords encodes all of a text (RFC 2047, section 2).
func encodedWords(text string) string {
	const size = 45 // bytes in one word: 60 characters of base64, below the 75 that are allowed
	var words []string
	for len(text) > 0 {
		n := min(size, len(text))
		for n < len(text) && n > size-utf8.UTFMax && !utf8.RuneStart(text[n]) {
			n--
		}
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(text[:n]))+"?=")
		text = text[n:]
	}
	return strings.Join(words, " ")
}
