package pgpmime

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// senderOf returns the one sender address of a message, canonical; "" unless there is exactly one From field with
// exactly one address (RFC 5322, section 3.6.2 allows more; a verdict cannot) that shows no other.
func senderOf(fields []field) string {
	from := addressesOf(fields, "from")
	if len(named(fields, "from")) != 1 || len(from) != 1 || showsAnother(first(fields, "from"), from[0]) {
		return ""
	}
	return from[0]
}

// showsAnother tells whether a From value holds an address beside the one that counts, be it in the display name, in a
// comment or as the name of a group: people read whichever comes first. Characters that look like "@" are one.
func showsAnother(value, address string) bool {
	shown := norm.NFKC.String(decodeWords(value))
	if strings.Contains(shown, "=?") { // words that others may be able to decode
		return true
	}
	words := strings.FieldsFunc(shown, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("<>()[]\"',;:", r) })
	for i, word := range words {
		at := strings.IndexByte(word, '@')
		if at > 0 && at < len(word)-1 && !sameAddress(canonical(word), address) {
			return true
		}
		if word == "@" && i > 0 && i+1 < len(words) && strings.Contains(words[i+1], ".") { // blanks keep nobody from reading it
			return true
		}
	}
	return false
}

// addressesOf returns the canonical addr-specs of all fields of a name, in order. A field that cannot be parsed as a
// whole gives none.
func addressesOf(fields []field, name string) []string {
	var all []string
	parser := mail.AddressParser{WordDecoder: wordDecoder()}
	for _, f := range named(fields, name) {
		list, err := parser.ParseList(strings.ToValidUTF8(f.value(), "?"))
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
	if at <= 0 || !visible(addrSpec) {
		return ""
	}
	domain, err := idna.Lookup.ToASCII(strings.TrimSuffix(addrSpec[at+1:], "."))
	if err != nil || domain == "" {
		return ""
	}
	return norm.NFC.String(addrSpec[:at]) + "@" + strings.ToLower(domain)
}

// visible refuses invalid UTF-8, control characters and characters that do not show: two addresses that look the same
// must be the same.
func visible(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError
	})
}

// sameAddress compares canonical addresses; the local part's ASCII case does not count, as no mail provider keeps two
// people apart by it.
func sameAddress(a, b string) bool { return a != "" && folded(a) == folded(b) }

// folded is the form in which addresses are compared. Only ASCII letters are folded: the Kelvin sign is no k.
func folded(address string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, address)
}

// userIDAddress is the one address in a user ID, canonical: "Name <address>", the bare address, or the address twice, as
// programs write it that know no name. Anything ambiguous has none: a name with another address in it could be taken for
// that address.
func userIDAddress(id string) string {
	if !visible(id) {
		return ""
	}
	open := strings.IndexByte(id, '<')
	if open < 0 {
		if strings.ContainsAny(id, " >\"(),;:") || strings.Count(id, "@") != 1 {
			return ""
		}
		return canonical(id)
	}
	inside, ok := strings.CutSuffix(id[open+1:], ">")
	if !ok || strings.ContainsAny(inside, "<>(),;: ") || strings.Count(inside, "@") != 1 {
		return ""
	}
	address := canonical(inside)
	if name := strings.Trim(id[:open], " \""); strings.Contains(name, "@") && !sameAddress(canonical(name), address) {
		return ""
	}
	return address
}
