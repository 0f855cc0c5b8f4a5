package web

import (
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/microcosm-cc/bluemonday"
	"github.com/sealgate/sealgate/gateway"
)

// mailPolicy is for the HTML version of mail, which a stranger wrote: its frame runs nothing, loads nothing from
// elsewhere, and is of no origin. Only our page may frame it.
const mailPolicy = "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'self'; base-uri 'none'; " +
	"form-action 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"

// articleHTML answers with the HTML version, cleaned.
func articleHTML(v *visit) error {
	opened, err := v.Gateway.ReadArticle(v.r.Context(), v.actor(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if strings.TrimSpace(opened.View.HTML) == "" {
		return gateway.ErrNotFound
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", mailPolicy)
	io.WriteString(v.w, `<!doctype html><meta charset="utf-8"><title>HTML version</title>`+
		`<link rel="stylesheet" href="`+v.assets["mail.css"]+`"><main>`+clean(opened.View.HTML)+`</main>`)
	return nil
}

// clean keeps what structures text and drops the rest: scripts, styles, forms, frames, and every picture that is not
// in the message itself.
func clean(html string) string {
	p := bluemonday.NewPolicy()
	p.AllowStandardURLs()
	p.AllowURLSchemes("https", "http", "mailto")
	p.AllowStandardAttributes()
	p.AllowElements("p", "br", "hr", "div", "span", "h1", "h2", "h3", "h4", "h5", "h6", "b", "strong", "i", "em", "u", "s",
		"small", "sub", "sup", "code", "pre", "blockquote", "ul", "ol", "li", "dl", "dt", "dd", "center")
	p.AllowTables()
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("alt").OnElements("img")
	p.AllowAttrs("src").Matching(regexp.MustCompile(`^data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+$`)).OnElements("img")
	p.AllowDataURIImages()
	p.AddTargetBlankToFullyQualifiedLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.RequireNoFollowOnLinks(true)
	return p.Sanitize(html)
}

// attachment answers with one attachment, always as a file to save and never of its own type: it is a stranger's.
func attachment(v *visit) error {
	opened, err := v.Gateway.ReadArticle(v.r.Context(), v.actor(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(v.r.PathValue("n"))
	if err != nil || n < 0 || n >= len(opened.View.Attachments) {
		return gateway.ErrNotFound
	}
	a := opened.View.Attachments[n]
	return v.download(gateway.File{Name: safeName(a.Name), ContentType: "application/octet-stream", Content: a.Content})
}

// safeName is a stranger's file name without folders and without characters that mislead.
func safeName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ReplaceAll(name, `\`, "/"))
	name = strings.TrimLeft(path.Base(name), ".")
	if name == "" || name == "/" {
		return "attachment"
	}
	if runes := []rune(name); len(runes) > 150 {
		name = string(runes[:75]) + "…" + string(runes[len(runes)-74:])
	}
	return name
}

func rawArticle(v *visit) error      { return v.downloadArticle(false) }
func originalArticle(v *visit) error { return v.downloadArticle(true) }

func (v *visit) downloadArticle(original bool) error {
	f, err := v.Gateway.RawArticle(v.r.Context(), v.actor(), v.r.PathValue("id"), original)
	if err != nil {
		return err
	}
	return v.download(f)
}
