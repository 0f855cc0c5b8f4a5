package pgpmime

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"golang.org/x/net/html"
)

// htmlText is what HTML shows, with its lines; nil for HTML that cannot be read.
func htmlText(source []byte) []byte {
	var b strings.Builder
	z := html.NewTokenizer(bytes.NewReader(source))
	skip := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return []byte(b.String())
		case html.TextToken:
			if skip == 0 {
				b.Write(z.Text())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "br", "p", "div", "pre", "tr", "li":
				b.WriteByte('\n')
			case "style", "script", "head", "title":
				skip++
			case "img", "object", "iframe", "svg", "video": // shows something that is no text
				b.WriteString("\n\uFFFC\n")
			}
		case html.EndTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "p", "div", "pre", "tr", "li":
				b.WriteByte('\n')
			case "style", "script", "head", "title":
				skip = max(0, skip-1)
			}
		}
	}
}

// showsNothing tells whether HTML is well formed, shows nothing and loads nothing. What it cannot tell counts as shown.
func showsNothing(source []byte) bool {
	z := html.NewTokenizer(bytes.NewReader(source))
	for {
		switch z.Next() {
		case html.ErrorToken: // at the end: a tag that is not closed would go on in what follows
			return errors.Is(z.Err(), io.EOF) && len(z.Raw()) == 0
		case html.TextToken:
			if len(bytes.TrimSpace(bytes.ReplaceAll(z.Text(), []byte("\u00a0"), nil))) > 0 {
				return false
			}
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "html", "head", "meta", "body", "p", "br", "div", "span":
			default:
				return false
			}
		}
	}
}
