package keyring

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Limits of RFC 5321, section 4.5.3.1, in octets.
const (
	maxLocalPart = 64
	maxDomain    = 253
	maxAddress   = 254
)

var (
	errNoAddrSpec = errors.New("not one mail address of the form local@domain")
	errBadDomain  = errors.New("the mail address has a domain that cannot exist")
)

// CanonicalAddress parses one addr-spec strictly and returns it with a lower-case A-label domain and its local part
// as it is; comparing addresses means comparing these with the local part folded to lower case by Fold. Angle
// brackets, comments, address literals, control and invisible characters are errors.
func CanonicalAddress(addrSpec string) (string, error) {
	if !printable(addrSpec) {
		return "", errNoAddrSpec
	}
	at := strings.LastIndexByte(addrSpec, '@')
	if at < 1 {
		return "", errNoAddrSpec
	}
	local, err := canonicalLocalPart(addrSpec[:at])
	if err != nil {
		return "", err
	}
	domain, err := canonicalDomain(addrSpec[at+1:])
	if err != nil {
		return "", err
	}
	if len(local) > maxLocalPart || len(local)+1+len(domain) > maxAddress {
		return "", errNoAddrSpec
	}
	return local + "@" + domain, nil
}

// Fold returns the form of a canonical address under which addresses are compared: all lower case.
func Fold(address string) string { return strings.ToLower(address) }

// lookupKey is the folded canonical form, or "" for what is no address.
func lookupKey(address string) string {
	canonical, err := CanonicalAddress(address)
	if err != nil {
		return ""
	}
	return Fold(canonical)
}

// printable refuses invalid UTF-8, control characters (line ends among them) and invisible format characters such as
// zero-width and direction marks: two addresses that look the same must be the same.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

func canonicalLocalPart(local string) (string, error) {
	local = norm.NFC.String(local)
	if isDotAtom(local) {
		return local, nil
	}
	content, ok := unquote(local)
	switch {
	case !ok || content == "":
		return "", errNoAddrSpec
	case isDotAtom(content):
		return content, nil // RFC 5321, section 4.1.2: "a"@x and a@x are the same mailbox
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(content) + `"`, nil
}

// isDotAtom follows RFC 5322, section 3.2.3, with the letters of RFC 6532.
func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for _, r := range atom {
			if !isAtext(r) {
				return false
			}
		}
	}
	return true
}

func isAtext(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	case r < utf8.RuneSelf:
		return strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
	}
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r)
}

// unquote returns the content of an ASCII quoted-string (RFC 5321, section 4.1.2).
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	var content strings.Builder
	for i := 1; i < len(s)-1; i++ {
		c := s[i]
		if c == '\\' {
			if i++; i == len(s)-1 {
				return "", false
			}
			c = s[i]
		} else if c == '"' {
			return "", false
		}
		if c < ' ' || c > '~' {
			return "", false
		}
		content.WriteByte(c)
	}
	return content.String(), true
}

// canonicalDomain returns the lower-case A-label form (RFC 5890).
func canonicalDomain(domain string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || len(ascii) > maxDomain {
		return "", errBadDomain
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if !isHostLabel(label) {
			return "", errBadDomain
		}
	}
	return ascii, nil
}

func isHostLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for _, c := range []byte(label) {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// userIDAddress extracts the one address of a user ID: `Name <a@b>`, a bare `a@b`, or `a@b <a@b>`, as programs write that
// know no name. What could be read as naming two addresses names none: nobody may get mail because of a guess.
func userIDAddress(text string) string {
	if !printable(text) {
		return ""
	}
	name, spec := "", strings.TrimSpace(text)
	if open := strings.IndexByte(spec, '<'); open >= 0 {
		if !strings.HasSuffix(spec, ">") {
			return ""
		}
		name, spec = spec[:open], spec[open+1:len(spec)-1]
	}
	if strings.ContainsAny(spec, "<>") {
		return ""
	}
	address, err := CanonicalAddress(spec)
	if err != nil || (holdsAddress(name) && !repeats(name, address)) {
		return ""
	}
	return address
}

// repeats tells whether a display name is an address and nothing else, and the same one.
func repeats(name, address string) bool {
	name = strings.TrimSpace(name)
	if content, ok := unquote(name); ok {
		name = content
	}
	return lookupKey(name) == Fold(address)
}

// holdsAddress tells whether a display name holds something that reads like an address.
func holdsAddress(name string) bool {
	for word := range strings.FieldsSeq(name) {
		if at := strings.IndexByte(word, '@'); at > 0 && at < len(word)-1 {
			return true
		}
	}
	return false
}

// displayText makes a user ID safe to show and to log: what is not printable becomes U+FFFD.
func displayText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}
