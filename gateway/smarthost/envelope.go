package smarthost

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/idna"
)

// sayable tells whether an address can stand between angle brackets and say nothing else there.
func sayable(address string) bool {
	if !utf8.ValidString(address) || strings.ContainsFunc(address, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return false
	}
	rest := address
	if strings.HasPrefix(address, `"`) {
		end := quotedEnd(address)
		if end < 0 {
			return false
		}
		rest = address[end:]
	}
	return rest != "" && !strings.ContainsAny(rest, " <>\"")
}

// quotedEnd is the index behind a quoted-string that s begins with, or -1.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// mailOptions carries what the library can say; it leaves out what the hop does not offer.
func (c *connection) mailOptions(e Envelope, size int) *smtp.MailOptions {
	o := &smtp.MailOptions{Size: int64(size), UTF8: c.offers("SMTPUTF8") && (e.SMTPUTF8 || anyNeedsUTF8(e)), RequireTLS: e.RequireTLS}
	if ret := smtp.DSNReturn(strings.ToUpper(e.Ret)); ret == smtp.DSNReturnFull || ret == smtp.DSNReturnHeaders {
		o.Return = ret
	}
	if printable(e.EnvID) {
		o.EnvelopeID = e.EnvID
	}
	return o
}

func anyNeedsUTF8(e Envelope) bool {
	return !ascii(inASCII(e.ReversePath)) || slices.ContainsFunc(e.Recipients, func(r Recipient) bool { return !ascii(inASCII(r.Address)) })
}

// inASCII writes the domain of an address as A-labels where that makes it ASCII, which every server understands (RFC 5891).
func inASCII(address string) string {
	at := strings.LastIndexByte(address, '@')
	if ascii(address) || at < 0 || !ascii(address[:at]) {
		return address
	}
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil {
		return address
	}
	return address[:at+1] + domain
}

// rcptOptions carries the DSN parameters. What the library would refuse to say is left out: it is no reason to fail.
func rcptOptions(r Recipient) *smtp.RcptOptions {
	o := &smtp.RcptOptions{Notify: notify(r.Notify)}
	kind, address, _ := strings.Cut(r.ORcpt, ";")
	switch t := smtp.DSNAddressType(strings.ToUpper(kind)); {
	case t == smtp.DSNAddressTypeRFC822 && printable(address), t == smtp.DSNAddressTypeUTF8 && utf8.ValidString(address):
		o.OriginalRecipientType, o.OriginalRecipient = t, address
	}
	return o
}

// notify reads a NOTIFY value; NEVER stands alone (RFC 3461, section 4.1).
func notify(value string) []smtp.DSNNotify {
	var known []smtp.DSNNotify
	for word := range strings.SplitSeq(strings.ToUpper(value), ",") {
		switch n := smtp.DSNNotify(word); n {
		case smtp.DSNNotifyNever:
			return []smtp.DSNNotify{n}
		case smtp.DSNNotifyDelayed, smtp.DSNNotifyFailure, smtp.DSNNotifySuccess:
			if !slices.Contains(known, n) {
				known = append(known, n)
			}
		}
	}
	return known
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
