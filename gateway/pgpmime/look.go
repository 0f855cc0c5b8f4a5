package pgpmime

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"path"
	"strings"
	"time"

	"github.com/emersion/go-message/charset"
)

// View is a message taken apart for people: text first, HTML as it came (to be cleaned by the page), attachments named.
type View struct {
	From, To, Cc, Subject string
	Date                  time.Time
	Text                  string
	HTML                  string
	Attachments           []Attachment
}

// Attachment is one part that is not shown as text.
type Attachment struct {
	Name        string
	ContentType string
	Content     []byte
}

// Look takes a message apart for display. It tolerates anything and never fails: what it cannot read becomes text or
// an attachment.
func Look(message []byte) View {
	fields, _, body := split(message)
	v := View{
		From: decodeWords(first(fields, "from")), To: decodeWords(first(fields, "to")), Cc: decodeWords(first(fields, "cc")),
		Subject: decodeWords(first(fields, "subject")),
	}
	if date, err := mail.ParseDate(first(fields, "date")); err == nil {
		v.Date = date
	}
	if (Limits{}).withDefaults().check(message) != nil {
		v.Text = "This message is too deeply nested to be shown. Download it instead."
		return v
	}
	v.add(fields, body)
	return v
}

// add shows one entity.
func (v *View) add(fields []field, body []byte) {
	t, params := mediaType(fields)
	if strings.HasPrefix(t, "multipart/") {
		m := cut(body, params["boundary"], (Limits{}).withDefaults().Parts)
		for i := range m.parts {
			inner, _, innerBody := split(m.part(i))
			v.add(inner, innerBody)
		}
		if len(m.parts) > 0 {
			return
		}
		t = "text/plain" // a multipart without parts: show what is there
	}
	content := decodeTransfer(transferEncoding(fields), body)
	disposition, dispositionParams := dispositionOf(fields)
	attached := disposition == "attachment"
	switch {
	case t == "text/plain" && !attached && v.Text == "":
		v.Text = toUTF8(content, params["charset"])
	case t == "text/html" && !attached && v.HTML == "":
		v.HTML = toUTF8(content, params["charset"])
	default:
		v.Attachments = append(v.Attachments, Attachment{Name: attachmentName(params, dispositionParams), ContentType: t, Content: content})
	}
}

func dispositionOf(fields []field) (string, map[string]string) {
	d, params, err := mime.ParseMediaType(first(fields, "content-disposition"))
	if err != nil {
		return "", nil
	}
	return strings.ToLower(d), params
}

// attachmentName is a safe file name: no folder, no control characters, never empty.
func attachmentName(contentType, disposition map[string]string) string {
	name := disposition["filename"]
	if name == "" {
		name = contentType["name"]
	}
	name = strings.ToValidUTF8(decodeWords(name), "_")
	name = path.Base(strings.ReplaceAll(name, "\\", "/"))
	name = strings.TrimLeft(name, ".")
	if name == "" || name == "/" {
		return "attachment"
	}
	if runes := []rune(name); len(runes) > 120 {
		name = string(runes[:120])
	}
	return name
}

// toUTF8 decodes text; an unknown charset is shown as far as it is UTF-8.
func toUTF8(content []byte, name string) string {
	if name != "" {
		if r, err := charset.Reader(name, bytes.NewReader(content)); err == nil {
			if decoded, err := io.ReadAll(r); err == nil {
				content = decoded
			}
		}
	}
	return strings.ToValidUTF8(string(content), "\uFFFD")
}
