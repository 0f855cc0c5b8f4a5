package pgpmime

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"path"
	"strings"
	"time"
	"unicode"

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
// an attachment. Of a multipart/alternative it takes the text and the HTML; several texts of a message are joined.
func Look(message []byte) View {
	limits := Limits{}.withDefaults()
	if headerSize(message) > limits.HeaderBytes {
		return View{Text: tooComplex}
	}
	fields, _, _ := split(message)
	v := View{
		From: decodeWords(first(fields, "from")), To: decodeWords(first(fields, "to")), Cc: decodeWords(first(fields, "cc")),
		Subject: decodeWords(first(fields, "subject")),
	}
	if date, err := mail.ParseDate(first(fields, "date")); err == nil {
		v.Date = date
	}
	root, err := parse(Of(message), limits)
	if err != nil {
		v.Text = tooComplex
		return v
	}
	v.add(message, root, false)
	return v
}

const tooComplex = "This message is put together in too complex a way to be shown. Download it instead."

// add shows one entity. Inside a multipart/alternative a second text is another form of the first, not more of it.
func (v *View) add(message []byte, e *entity, alternative bool) {
	for _, p := range e.parts {
		v.add(message, p, e.mediaType == "multipart/alternative")
	}
	if len(e.parts) > 0 {
		return
	}
	t := e.mediaType
	if strings.HasPrefix(t, "multipart/") {
		t = "text/plain" // a multipart without parts: show what is there
	}
	content := decodeTransfer(e.encoding(), message[e.body:e.end])
	disposition, params := dispositionOf(e.fields)
	inline := disposition != "attachment" && params["filename"] == ""
	switch {
	case t == "text/plain" && inline && (v.Text == "" || !alternative):
		if v.Text != "" {
			v.Text += "\n\n"
		}
		v.Text += toUTF8(content, e.params["charset"])
	case t == "text/html" && inline && v.HTML == "":
		v.HTML = toUTF8(content, e.params["charset"])
	default:
		v.Attachments = append(v.Attachments, Attachment{Name: attachmentName(t, e.params, params), ContentType: t, Content: content})
	}
}

func dispositionOf(fields []field) (string, map[string]string) {
	d, params, err := mime.ParseMediaType(first(fields, "content-disposition"))
	if err != nil && d == "" {
		return "", nil
	}
	return strings.ToLower(d), params
}

// longestFileName is the most characters of an attachment's name; every file system takes it in UTF-8.
const longestFileName = 60

// attachmentName is a safe file name: no folder, no character that a system or a shell reads as an order, nothing that
// hides the ending (CVE-2018-12020 and the like begin with such names), never empty.
func attachmentName(mediaType string, contentType, disposition map[string]string) string {
	name := disposition["filename"]
	if name == "" {
		name = contentType["name"]
	}
	name = path.Base(strings.ReplaceAll(decodeWords(name), "\\", "/"))
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r):
			return -1
		case strings.ContainsRune("<>:\"/|?*", r), !unicode.IsGraphic(r):
			return '_'
		}
		return r
	}, name)
	name = strings.TrimRight(strings.TrimLeft(name, ". -"), ". ")
	switch {
	case name != "":
		return shortened(name)
	case mediaType == "message/rfc822":
		return "message.eml"
	case mediaType == "text/html":
		return "page.html"
	case mediaType == "text/plain":
		return "text.txt"
	}
	return "attachment"
}

// shortened cuts a long name in the middle, so that its ending stays.
func shortened(name string) string {
	runes := []rune(name)
	if len(runes) <= longestFileName {
		return name
	}
	const ending = 10
	return string(runes[:longestFileName-ending]) + string(runes[len(runes)-ending:])
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
