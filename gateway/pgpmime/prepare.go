package pgpmime

import (
	"fmt"
	"strings"
	"time"
)

// Prepare normalises a submitted message before it is protected: strips Sealgate-* control headers, Bcc, and trust
// headers of ticket systems; adds Message-ID and Date when missing; replaces the Subject when subject is not nil. It
// refuses bare CR and LF (ErrMalformed).
func Prepare(message []byte, messageID string, date time.Time, subject *string) ([]byte, error) {
	if bareLineEnds(message) {
		return nil, fmt.Errorf("%w: it holds a bare CR or LF; end every line with CRLF", ErrMalformed)
	}
	if err := (Limits{}).withDefaults().check(message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	fields, blank, body := split(message)
	for _, f := range fields {
		if !f.wellFormed() {
			return nil, fmt.Errorf("%w: its header has a line that is no field; leave an empty line before the text", ErrMalformed)
		}
	}
	s := stripper{}
	fields = outerFields(s.fields(fields, true), true)
	if first(fields, "message-id") == "" {
		fields = replace(fields, line("Message-ID", "<"+messageID+">"))
	}
	if first(fields, "date") == "" {
		fields = replace(fields, line("Date", date.Format(time.RFC1123Z)))
	}
	if subject != nil {
		fields = replace(fields, line("Subject", encodeWords(*subject)))
	}
	if len(blank) == 0 {
		blank = []byte(lineEnd)
	}
	return join(fields, blank, body), nil
}

// Rethread gives an opened message a Message-ID of its own and threads it to parent (In-Reply-To, References); its
// Sealgate-Reopened field names the article that it is a later opening of. IDs are without angle brackets.
func Rethread(message []byte, messageID, parent, articleID string) ([]byte, error) {
	if messageID == "" || strings.ContainsAny(messageID+parent+articleID, "<>\r\n") {
		return nil, fmt.Errorf("%w: the message ids cannot be written", ErrMalformed)
	}
	fields, blank, body := split(message)
	fields = replace(fields, line("Message-ID", "<"+messageID+">"))
	if parent != "" {
		references := strings.TrimSpace(first(fields, "references") + " <" + parent + ">")
		fields = replace(fields, line("In-Reply-To", "<"+parent+">"))
		fields = replace(fields, foldedIDs("References", references))
	}
	fields = append([]field{line("Sealgate-Reopened", articleID)}, fields...)
	return join(fields, blank, body), nil
}

// foldedIDs writes one Message-ID a line, so that no line gets too long.
func foldedIDs(name, value string) field {
	return field{name: strings.ToLower(name), raw: []byte(name + ": " + strings.Join(strings.Fields(value), "\r\n ") + lineEnd)}
}

// Verification keeps a ticket system's channel verification mail recognisable (From, To, Subject, Date, Message-ID,
// X-Zammad-Verify, X-Zammad-Verify-Time) and replaces everything else by text.
func Verification(message []byte, text string) ([]byte, error) {
	if bareLineEnds(message) {
		return nil, fmt.Errorf("%w: it holds a bare CR or LF; end every line with CRLF", ErrMalformed)
	}
	fields, _, _ := split(message)
	var kept []field
	for _, name := range []string{"from", "to", "subject", "date", "message-id", "x-zammad-verify", "x-zammad-verify-time"} {
		if found := named(fields, name); len(found) > 0 {
			kept = append(kept, found[0])
		}
	}
	kept = append(withLineEnds(kept), line("MIME-Version", "1.0"), line("Content-Type", "text/plain; charset=us-ascii"))
	return join(kept, []byte(lineEnd), crlf([]byte(text))), nil
}
