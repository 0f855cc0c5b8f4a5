package pgpmime

import (
	"bytes"
	"io"
	"strings"

	"github.com/emersion/go-message/charset"
	"golang.org/x/net/html"
)

// maxLegacyDisplay is how much of a text is searched for a legacy display, in bytes.
const maxLegacyDisplay = 64 << 10

// withoutLegacyDisplay returns the text of a main body part without the header fields that the sender repeated in it
// for programs that read no protected header (RFC 9788, section 4.5.3): the first lines of a text/plain, one element of
// a text/html. protected is the header of the payload's root, part that of the part, text its decoded body.
//
// RFC 9788 would have it cut without another look. Here every line of it must repeat a protected field, so that nothing
// a person wrote is lost, and nothing is kept from us that others are shown. It is for decrypted payloads only.
func withoutLegacyDisplay(protected, part []field, text []byte) []byte {
	t, params := mediaType(part)
	if params["hp-legacy-display"] != "1" {
		return text
	}
	start, end, display := 0, 0, ""
	switch t {
	case "text/plain":
		end = firstParagraph(text)
		display = utf8Text(text[:end], params["charset"])
	case "text/html":
		start, end = legacyElement(text)
		display = elementText(text[start:end], params["charset"])
	}
	if !repeats(protected, display) {
		return text
	}
	return append(text[:start:start], text[end:]...)
}

// isLegacyDisplay tells whether a part below the root is nothing but a legacy display in the form of 2019: a part of its
// own, first in a multipart whose protected-headers is "v1", that repeats protected fields. Arguments are those of
// withoutLegacyDisplay. Such a part is left out.
func isLegacyDisplay(protected, part []field, text []byte) bool {
	t, params := mediaType(part)
	if headerProtection(protected) == "" || len(text) > maxLegacyDisplay {
		return false
	}
	if t != "text/rfc822-headers" && (t != "text/plain" || !strings.EqualFold(params["protected-headers"], "v1")) {
		return false
	}
	return repeats(protected, utf8Text(text, params["charset"]))
}

// firstParagraph is the end of the lines up to the first empty one, that one included; 0 when there is none.
func firstParagraph(text []byte) int {
	searched := text[:min(len(text), maxLegacyDisplay)]
	for at := 0; at < len(searched); {
		l := firstLine(searched[at:])
		at += len(l)
		if len(bytes.TrimSpace(l)) == 0 && bytes.HasSuffix(l, []byte("\n")) {
			return at
		}
	}
	return 0
}

// repeats tells whether a text is nothing but fields of a header.
func repeats(protected []field, text string) bool {
	repeated, blank, _ := split([]byte(strings.TrimSpace(text) + "\n"))
	if len(repeated) == 0 || len(blank) > 0 {
		return false
	}
	if len(repeated) > maxRepeated {
		return false
	}
	known := make(map[string]bool, len(protected))
	for _, f := range protected {
		known[f.name+":"+plain(f.value())] = true
	}
	for _, f := range repeated {
		if !f.wellFormed() || f.name == "hp-outer" || !known[f.name+":"+plain(f.value())] {
			return false
		}
	}
	return true
}

// maxRepeated is how many lines a legacy display has at most: RFC 9788 repeats the few fields that were hidden.
const maxRepeated = 50

// plain is text for comparing: decoded, every run of blanks one.
func plain(value string) string { return strings.Join(strings.Fields(decodeWords(value)), " ") }

// utf8Text turns text of a charset into UTF-8. A charset that is not known leaves it as it is.
func utf8Text(text []byte, name string) string {
	if r, err := charset.Reader(name, bytes.NewReader(text)); err == nil && name != "" {
		if converted, err := io.ReadAll(r); err == nil {
			text = converted
		}
	}
	return string(text)
}

// legacyClass is the class of the element (RFC 9788, section 5.2.3).
const legacyClass = "header-protection-legacy-display"

// legacyElement finds the first <div class="header-protection-legacy-display">; the two are 0 when there is none.
func legacyElement(text []byte) (start, end int) {
	z := html.NewTokenizer(bytes.NewReader(text[:min(len(text), maxLegacyDisplay)]))
	depth := 0
	for at := 0; ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			return 0, 0
		}
		size := len(z.Raw())
		token := z.Token()
		switch {
		case token.Data != "div":
		case kind == html.StartTagToken && depth > 0:
			depth++
		case kind == html.StartTagToken && hasClass(token, legacyClass):
			start, depth = at, 1
		case kind == html.EndTagToken && depth > 0:
			if depth--; depth == 0 {
				return start, at + size
			}
		}
		at += size
	}
}

func hasClass(token html.Token, class string) bool {
	for _, a := range token.Attr {
		if a.Key == "class" && strings.TrimSpace(a.Val) == class {
			return true
		}
	}
	return false
}

// elementText is the text of an element, without empty lines.
func elementText(element []byte, charset string) string {
	z := html.NewTokenizer(bytes.NewReader(element))
	var text strings.Builder
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		switch token := z.Token(); {
		case kind == html.TextToken:
			text.WriteString(token.Data)
		case token.Data == "br" || token.Data == "p" || token.Data == "div":
			text.WriteString("\n")
		}
	}
	var lines []string
	for l := range strings.Lines(utf8Text([]byte(text.String()), charset)) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}
