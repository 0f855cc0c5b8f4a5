package pgpmime

import (
	"bytes"
	"strings"
	"testing"
)

const shownTwice = `
Content-Type: multipart/mixed; boundary=x; hp="cipher"
From: Alice <alice@customer.test>
Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe_der?=
 =?utf-8?q?_Birne?=
HP-Outer: Subject: [...]
`

// TestWithoutLegacyDisplay: what repeats the header goes, whatever else a person may have written stays.
func TestWithoutLegacyDisplay(t *testing.T) {
	const (
		plainType = "Content-Type: text/plain; charset=utf-8; hp-legacy-display=\"1\"\n"
		htmlType  = "Content-Type: text/html; charset=utf-8; hp-legacy-display=\"1\"\n"
		element   = `<div class="header-protection-legacy-display"><pre>Subject: Größe der Birne</pre></div>`
	)
	for _, c := range []struct{ name, part, text, want string }{
		{"text", plainType, "Subject: Größe der Birne\r\n\r\nhello\r\n", "hello\r\n"},
		{"two lines, LF", plainType, "Subject: Größe\n der Birne\nFrom: Alice <alice@customer.test>\n\nhello\n", "hello\n"},
		{"another charset", "Content-Type: text/plain; charset=iso-8859-1; hp-legacy-display=1\n", "Subject: Gr\xf6\xdfe der Birne\n\nhello\n", "hello\n"},
		{"only the display", plainType, "Subject: Größe der Birne\n\n", ""},
		{"no mark", "Content-Type: text/plain\n", "Subject: Größe der Birne\n\nhello\n", "Subject: Größe der Birne\n\nhello\n"},
		{"another subject", plainType, "Subject: other\n\nhello\n", "Subject: other\n\nhello\n"},
		{"not a field", plainType, "Subject: Größe der Birne\nhello\n\nhello\n", "Subject: Größe der Birne\nhello\n\nhello\n"},
		{"a record", plainType, "HP-Outer: Subject: [...]\n\nhello\n", "HP-Outer: Subject: [...]\n\nhello\n"},
		{"no empty line", plainType, "Subject: Größe der Birne\n", "Subject: Größe der Birne\n"},
		{"empty line first", plainType, "\nSubject: Größe der Birne\n\nhello\n", "\nSubject: Größe der Birne\n\nhello\n"},
		{"nothing", plainType, "", ""},
		{"HTML", htmlType, "<html><body>\n" + element + "<p>hello</p></body></html>", "<html><body>\n<p>hello</p></body></html>"},
		{
			"HTML with entities", htmlType,
			`<body><div class="header-protection-legacy-display">Subject: Gr&ouml;&szlig;e der Birne<br>From: Alice &lt;alice@customer.test&gt;<div></div></div>hello`,
			"<body>hello",
		},
		{
			"HTML with more in it", htmlType,
			`<div class="header-protection-legacy-display">Subject: Größe der Birne<p>hello</p></div>`,
			`<div class="header-protection-legacy-display">Subject: Größe der Birne<p>hello</p></div>`,
		},
		{"HTML that does not end", htmlType, `<div class="header-protection-legacy-display">Subject: Größe der Birne`, `<div class="header-protection-legacy-display">Subject: Größe der Birne`},
		{"HTML without", htmlType, "<div>hello</div>", "<div>hello</div>"},
		{"another type", "Content-Type: text/markdown; hp-legacy-display=1\n", "Subject: Größe der Birne\n\nhello\n", "Subject: Größe der Birne\n\nhello\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := []byte(c.text)
			if got := withoutLegacyDisplay(fieldsOf(shownTwice), fieldsOf(c.part), text); string(got) != c.want {
				t.Errorf("it is %q", got)
			}
			if string(text) != c.text {
				t.Error("the text was written to")
			}
		})
	}
}

// TestIsLegacyDisplay: the part of its own in the form of 2019.
func TestIsLegacyDisplay(t *testing.T) {
	root := fieldsOf("Content-Type: multipart/mixed; boundary=x; protected-headers=\"v1\"\nSubject: =?utf-8?q?the_secret?=\n")
	for _, c := range []struct {
		part, text string
		want       bool
	}{
		{"Content-Type: text/rfc822-headers; protected-headers=\"v1\"\nContent-Disposition: inline\n", "Subject: the secret\r\n\r\n", true},
		{"Content-Type: text/rfc822-headers\n", "Subject: =?UTF-8?B?dGhlIHNlY3JldA==?=\n", true},
		{"Content-Type: text/plain; charset=us-ascii; protected-headers=\"v1\"\n", "Subject: the secret\n", true},
		{"Content-Type: text/plain\n", "Subject: the secret\n", false},
		{"Content-Type: text/plain; protected-headers=\"v1\"\n", "Subject: the secret\n\nhello\n", false},
		{"Content-Type: text/rfc822-headers\n", "Subject: other\n", false},
		{"Content-Type: text/rfc822-headers\n", "", false},
		{"Content-Type: text/rfc822-headers\n", strings.Repeat("Subject: the secret\n", 10000), false},
	} {
		if got := isLegacyDisplay(root, fieldsOf(c.part), []byte(c.text)); got != c.want {
			t.Errorf("%q with %.80q: %v", c.part, c.text, got)
		}
	}
	if isLegacyDisplay(fieldsOf("Content-Type: multipart/mixed; boundary=x\nSubject: a\n"), fieldsOf("Content-Type: text/rfc822-headers\n"), []byte("Subject: a\n")) {
		t.Error("the header of a delivery status notification was taken for a legacy display")
	}
}

// FuzzWithoutLegacyDisplay: the rest is a beginning and an end of the text, and what is gone was said in the header.
func FuzzWithoutLegacyDisplay(f *testing.F) {
	f.Add([]byte("Subject: Größe der Birne\r\n\r\nhello"), true)
	f.Add([]byte(`<div class=x><div class="header-protection-legacy-display"><p>Subject: Gr&ouml;&szlig;e der Birne</div>hello</div>`), false)
	f.Fuzz(func(t *testing.T, text []byte, plainText bool) {
		part := "Content-Type: text/html; hp-legacy-display=1\n"
		if plainText {
			part = "Content-Type: text/plain; hp-legacy-display=1\n"
		}
		got := withoutLegacyDisplay(fieldsOf(shownTwice), fieldsOf(part), text)
		if bytes.Equal(got, text) {
			return
		}
		same := 0
		for same < len(got) && got[same] == text[same] {
			same++
		}
		if gone := len(text) - len(got); gone < len("Subject: ") || !bytes.HasSuffix(text, got[same:]) {
			t.Fatalf("%q became %q", text, got)
		}
		if plainText && !bytes.HasSuffix(text, got) {
			t.Fatalf("%q is no end of %q", got, text)
		}
	})
}
