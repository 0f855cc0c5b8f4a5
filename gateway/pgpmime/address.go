package pgpmime

import (
	"net/mail"
	"strings"

	"golang.org/x/net/idna"
)

// senderOf returns the one sender address of a message, canonical; "" unless there is exactly one From field with
// exactly one address (RFC 5322, section 3.6.2 allows more; a verdict cannot).
func senderOf(message []byte) string {
	fields, _, _ := split(message)
	from := addressesOf(fields, "from")
	if len(named(fields, "from")) != 1 || len(from) != 1 {
		return ""
	}
	return from[0]
}

// addressesOf returns the canonical addr-specs of all fields of a name, in order. A field that cannot be parsed as a
// whole gives none.
func addressesOf(fields []field, name string) []string {
	var all []string
	for _, f := range named(fields, name) {
		list, err := mail.ParseAddressList(f.value())
		if err != nil {
			continue
		}
		for _, a := range list {
			if c := canonical(a.Address); c != "" {
				all = append(all, c)
			}
		}
	}
	return all
}

// canonical lower-cases the domain of an addr-spec and turns it into A-labels (RFC 5890); "" when it is none.
func canonical(addrSpec string) string {
	at := strings.LastIndexByte(addrSpec, '@')
	if at <= 0 || strings.ContainsAny(addrSpec, "\r\n\x00") {
		return ""
	}
	domain, err := idna.Lookup.ToASCII(strings.TrimSuffix(addrSpec[at+1:], "."))
	if err != nil || domain == "" {
		return ""
	}
	return addrSpec[:at] + "@" + strings.ToLower(domain)
}

// sameAddress compares canonical addresses; the local part's ASCII case does not count, as no mail provider keeps two
// people apart by it.
func sameAddress(a, b string) bool { return a != "" && strings.EqualFold(a, b) }

// userIDAddress is the one address in a user ID, canonical: "Name <address>" or the bare address. Anything ambiguous
// has none.
func userIDAddress(id string) string {
	if strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	open := strings.IndexByte(id, '<')
	if open < 0 {
		if strings.ContainsAny(id, " >\"(),;") || strings.Count(id, "@") != 1 {
			return ""
		}
		return canonical(id)
	}
	inside, ok := strings.CutSuffix(id[open+1:], ">")
	if !ok || strings.ContainsAny(inside, "<> ") || strings.Count(inside, "@") != 1 {
		return ""
	}
	return canonical(inside)
}
