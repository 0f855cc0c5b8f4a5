package pgpmime

import (
	"bytes"
	"fmt"
	"net/mail"
	"strings"
	"time"
)

// Summary is what the gateway reads from an outgoing message's header before it decides.
type Summary struct {
	From       []string // canonical addr-specs of the From field
	To         []string // To and Cc, canonical, in order, without repetition
	MessageID  string   // without angle brackets
	InReplyTo  string
	References []string
	Subject    string // decoded
	Date       time.Time
	Automatic  bool   // not written by a person: see automatic
	Policy     string // value of the one Sealgate-Policy field, or ""
	Received   int    // number of Received fields
	Verify     bool   // a Zammad channel verification mail (X-Zammad-Verify)
}

// Summarize reads a header. ErrMalformed for what cannot be a message; limits as in Limits.
func Summarize(message []byte) (Summary, error) {
	if headerSize(message) > (Limits{}).withDefaults().HeaderBytes {
		return Summary{}, fmt.Errorf("%w: its header is larger than 256 KiB", ErrMalformed)
	}
	fields, _, _ := split(message)
	switch {
	case len(named(fields, "from")) > 1:
		return Summary{}, fmt.Errorf("%w: it has more than one From field", ErrMalformed)
	case len(named(fields, "sealgate-policy")) > 1:
		return Summary{}, fmt.Errorf("%w: it has more than one Sealgate-Policy field", ErrMalformed)
	case len(fields) == 0 || len(named(fields, "from")) == 0:
		return Summary{}, fmt.Errorf("%w: it has no From field", ErrMalformed)
	}
	s := Summary{
		From:      addressesOf(fields, "from"),
		To:        unique(append(addressesOf(fields, "to"), addressesOf(fields, "cc")...)),
		MessageID: messageIDs(first(fields, "message-id")).first(),
		InReplyTo: messageIDs(first(fields, "in-reply-to")).first(),
		Subject:   decodeWords(first(fields, "subject")),
		Automatic: automatic(fields),
		Policy:    first(fields, "sealgate-policy"),
		Received:  len(named(fields, "received")),
		Verify:    len(named(fields, "x-zammad-verify")) > 0 && len(named(fields, "x-zammad-verify-time")) > 0,
	}
	s.References = messageIDs(first(fields, "references"))
	if date, err := mail.ParseDate(first(fields, "date")); err == nil {
		s.Date = date
	}
	return s, nil
}

// automatic tells mail that no person wrote: RFC 3834's Auto-Submitted, and the marks that ticket systems use.
func automatic(fields []field) bool {
	keyword, _, _ := strings.Cut(strings.NewReplacer(";", " ", "(", " ").Replace(first(fields, "auto-submitted")), " ")
	if keyword != "" && !strings.EqualFold(keyword, "no") {
		return true
	}
	switch strings.ToLower(first(fields, "precedence")) {
	case "bulk", "list", "junk", "auto_reply":
		return true
	}
	return first(fields, "x-loop") != "" || first(fields, "x-auto-response-suppress") != ""
}

// ids are Message-IDs without angle brackets.
type ids []string

func (i ids) first() string {
	if len(i) == 0 {
		return ""
	}
	return i[0]
}

// messageIDs reads the msg-ids of a field value, at most 200 of them.
func messageIDs(value string) ids {
	var found ids
	for len(found) < 200 {
		_, rest, ok := strings.Cut(value, "<")
		if !ok {
			break
		}
		id, after, ok := strings.Cut(rest, ">")
		if !ok {
			break
		}
		if id = strings.Join(strings.Fields(id), ""); id != "" {
			found = append(found, id)
		}
		value = after
	}
	return found
}

func unique(addresses []string) []string {
	var all []string
	known := make(map[string]bool, len(addresses))
	for _, a := range addresses {
		if !known[folded(a)] {
			known[folded(a)] = true
			all = append(all, a)
		}
	}
	return all
}

// bareLineEnds finds a CR or LF that stands alone: servers on the way would rewrite it, and a signature would break.
func bareLineEnds(message []byte) bool {
	return bareCR(message) || bytes.Count(message, []byte("\n")) != bytes.Count(message, []byte(lineEnd))
}
