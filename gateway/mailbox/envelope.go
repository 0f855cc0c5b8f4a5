package mailbox

import (
	"mime"
	"net/mail"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-message/charset"
)

// envelopeOf reads the fields of ENVELOPE, each for itself: one that is broken takes none of the others with it.
func envelopeOf(header []byte) *imap.Envelope {
	first := map[string]string{}
	for _, f := range headerFields(header) {
		name := strings.ToLower(f.name)
		if _, seen := first[name]; !seen {
			first[name] = toUTF8([]byte(f.value()))
		}
	}
	e := &imap.Envelope{
		Subject:   decodeWords(first["subject"]),
		From:      addressesOf(first["from"]),
		Sender:    addressesOf(first["sender"]),
		ReplyTo:   addressesOf(first["reply-to"]),
		To:        addressesOf(first["to"]),
		Cc:        addressesOf(first["cc"]),
		Bcc:       addressesOf(first["bcc"]),
		InReplyTo: messageIDs(first["in-reply-to"]),
	}
	if ids := messageIDs(first["message-id"]); len(ids) > 0 {
		e.MessageID = ids[0]
	}
	if date, err := mail.ParseDate(first["date"]); err == nil {
		e.Date = date
	}
	return e
}

// addressesOf reads an address list; from one that does not parse it takes whatever looks like an address.
func addressesOf(value string) []imap.Address {
	if value == "" {
		return nil
	}
	parser := mail.AddressParser{WordDecoder: wordDecoder()}
	parsed, err := parser.ParseList(value)
	if err != nil {
		return looseAddresses(value)
	}
	var found []imap.Address
	for _, a := range parsed {
		if local, domain, ok := cutLast(a.Address, "@"); ok {
			found = append(found, imap.Address{Name: a.Name, Mailbox: local, Host: domain})
		}
	}
	return found
}

func looseAddresses(value string) []imap.Address {
	var found []imap.Address
	for _, word := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune("<>,;:() \t\"", r) }) {
		local, domain, ok := cutLast(word, "@")
		if ok && local != "" && domain != "" {
			found = append(found, imap.Address{Mailbox: local, Host: domain})
		}
	}
	return found
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// messageIDs returns what stands in angle brackets.
func messageIDs(value string) []string {
	var ids []string
	for {
		_, rest, ok := strings.Cut(value, "<")
		if !ok {
			return ids
		}
		id, after, ok := strings.Cut(rest, ">")
		if !ok {
			return ids
		}
		ids = append(ids, id)
		value = after
	}
}

func wordDecoder() *mime.WordDecoder { return &mime.WordDecoder{CharsetReader: charset.Reader} }

// decodeWords decodes RFC 2047 words; what cannot be decoded stays as it is.
func decodeWords(s string) string {
	if decoded, err := wordDecoder().DecodeHeader(s); err == nil {
		return decoded
	}
	return s
}

// toUTF8 reads bytes as UTF-8, or as Latin-1 where they are not.
func toUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}
