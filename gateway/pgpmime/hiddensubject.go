package pgpmime

import (
	"strings"
	"unicode/utf8"
)

// shortestSecret is how long a subject must be for its repetition elsewhere to mean something, in characters.
const shortestSecret = 4

// secretOf is what of a hidden subject must not stand outside in any field, in lower case: without the ticket number, and
// without what answers put before it. It is "" when nothing is hidden.
func (p headerPolicy) secretOf(subject string) string {
	if !p.Encrypted || !p.HideSubject {
		return ""
	}
	text := decodeWords(subject)
	if token := ticketToken(text); token != "" {
		text = strings.ReplaceAll(text, token, " ")
	}
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for {
		before, after, answered := strings.Cut(text, ":")
		if !answered || utf8.RuneCountInString(before) > 4 || strings.Contains(before, " ") { // re, aw, fwd, antw and the like
			break
		}
		text = strings.TrimSpace(after)
	}
	if utf8.RuneCountInString(text) < shortestSecret {
		return ""
	}
	return text
}

// without returns a field as it stands outside when it repeats a hidden subject. It is false for one that then is inside
// only, or nowhere: a server's signature or report about the subject is of no use to anybody any more. Addresses and times
// stay, though a name may be the subject too.
func without(secret string, f field) (field, bool) {
	text := strings.ReplaceAll(decodeWords(f.value()), "=20", " ") // RFC 6376, section 3.5: z= is quoted-printable
	if f.name == "subject" || !strings.Contains(strings.ToLower(strings.Join(strings.Fields(text), " ")), secret) {
		return f, true
	}
	switch f.name {
	case "from", "to", "cc", "sender", "reply-to", "date", "message-id", "auto-submitted":
		return f, true
	case "in-reply-to", "references": // RFC 822 allowed words here
		if ids := messageIDs(f.value()); len(ids) > 0 {
			return line(asWritten(f), "<"+strings.Join(ids, "> <")+">"), true
		}
	}
	return field{}, false
}
