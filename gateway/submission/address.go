package submission

import (
	"errors"
	"strings"
	"unicode/utf8"
)

var (
	errAddress   = errors.New("the address is malformed; write it as local-part@domain")
	errNeedsUTF8 = errors.New("the address is not ASCII; say SMTPUTF8 with MAIL, or use the domain's A-label")
)

// maxPath is the longest path (RFC 5321, section 4.5.3.1.3), without its angle brackets.
const maxPath = 254

// mailbox checks an address and quotes its local part where RFC 5321, section 4.1.2 asks for it: the library hands it
// over unquoted, and lets through whatever else it finds between the angle brackets.
func mailbox(address string, smtputf8 bool) (string, error) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || len(address) > maxPath || hasControls(address) || !utf8.ValidString(address) || !isDomain(address[at+1:]) {
		return "", errAddress
	}
	if !smtputf8 && strings.ContainsFunc(address, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return "", errNeedsUTF8
	}
	return quoted(address[:at]) + address[at:], nil
}

func hasControls(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// isDomain accepts names, with underscores as found in the wild and letters beyond ASCII (RFC 6531), and address
// literals.
func isDomain(domain string) bool {
	if literal, ok := strings.CutPrefix(domain, "["); ok {
		literal, ok = strings.CutSuffix(literal, "]")
		return ok && literal != "" && !strings.ContainsAny(literal, "[]\\<>\" ")
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool {
			return r < utf8.RuneSelf && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			return false
		}
	}
	return true
}

// quoted writes a local part as a quoted-string unless it is a dot-string.
func quoted(local string) string {
	if isDotString(local) {
		return local
	}
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(local) + `"`
}

// isDotString tells whether a local part needs no quotes. Non-ASCII is fine (RFC 6531).
func isDotString(local string) bool {
	if local == "" || local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		return false
	}
	return !strings.ContainsAny(local, " ()<>[]:;@\\,\"")
}
