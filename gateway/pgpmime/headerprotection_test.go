package pgpmime

import (
	"bytes"
	"errors"
	"mime"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// fieldsOf reads a header written as text.
func fieldsOf(header string) []field {
	fields, _, _ := split([]byte(strings.ReplaceAll(strings.TrimLeft(header, "\n"), "\n", lineEnd)))
	return fields
}

// textOf is a header as text.
func textOf(fields []field) string {
	return strings.ReplaceAll(string(join(fields, nil, nil)), lineEnd, "\n")
}

const answer = `
Received: from desk (desk [192.0.2.1]) by mail
DKIM-Signature: v=1; d=desk.test
From: Desk <support@desk.test>
To: Alice <alice@customer.test>
Cc: bob@customer.test
Bcc: boss@desk.test
Subject: Re: canary
 [Ticket#67002]
Thread-Topic: canary
Date: Mon, 23 Nov 2026 09:00:00 +0100
Message-ID: <2@desk.test>
In-Reply-To: <1@customer.test>
References: <0@customer.test> <1@customer.test>
Keywords: canary, birds
Comments: about a canary
Auto-Submitted: no
Sealgate-Policy: encrypt=on
HP-Outer: Subject: forged
MIME-Version: 1.0
Content-Type: text/plain
`

// TestProtectHeaderEncrypted: the subject and what repeats it are inside only; what the sender wrote is inside, with a
// record of what stayed outside; what servers wrote is outside only; control fields and blind copies are gone.
func TestProtectHeaderEncrypted(t *testing.T) {
	outer, inner := protectHeader(fieldsOf(answer), headerPolicy{Encrypted: true, HideSubject: true})
	if got, want := textOf(outer), `Received: from desk (desk [192.0.2.1]) by mail
DKIM-Signature: v=1; d=desk.test
From: Desk <support@desk.test>
To: Alice <alice@customer.test>
Cc: bob@customer.test
Subject: [...]
Date: Mon, 23 Nov 2026 09:00:00 +0100
Message-ID: <2@desk.test>
In-Reply-To: <1@customer.test>
References: <0@customer.test> <1@customer.test>
Auto-Submitted: no
`; got != want {
		t.Errorf("outside is\n%s", got)
	}
	if got, want := textOf(inner), `From: Desk <support@desk.test>
To: Alice <alice@customer.test>
Cc: bob@customer.test
Subject: Re: canary
 [Ticket#67002]
Thread-Topic: canary
Date: Mon, 23 Nov 2026 09:00:00 +0100
Message-ID: <2@desk.test>
In-Reply-To: <1@customer.test>
References: <0@customer.test> <1@customer.test>
Keywords: canary, birds
Comments: about a canary
Auto-Submitted: no
HP-Outer: From: Desk <support@desk.test>
HP-Outer: To: Alice <alice@customer.test>
HP-Outer: Cc: bob@customer.test
HP-Outer: Subject: [...]
HP-Outer: Date: Mon, 23 Nov 2026 09:00:00 +0100
HP-Outer: Message-ID: <2@desk.test>
HP-Outer: In-Reply-To: <1@customer.test>
HP-Outer: References: <0@customer.test> <1@customer.test>
HP-Outer: Auto-Submitted: no
`; got != want {
		t.Errorf("inside is\n%s", got)
	}
}

// TestProtectHeaderPolicies: what stands outside for the subject, and when.
func TestProtectHeaderPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		policy  headerPolicy
		subject string
		keyword bool
	}{
		"signed only":               {headerPolicy{}, "Re: canary [Ticket#67002]", true},
		"hidden, but not encrypted": {headerPolicy{HideSubject: true, KeepTicket: true}, "Re: canary [Ticket#67002]", true},
		"encrypted":                 {headerPolicy{Encrypted: true}, "Re: canary [Ticket#67002]", false},
		"hidden":                    {headerPolicy{Encrypted: true, HideSubject: true}, "[...]", false},
		"hidden but for the ticket": {headerPolicy{Encrypted: true, HideSubject: true, KeepTicket: true}, "[Ticket#67002] [...]", false},
	} {
		t.Run(name, func(t *testing.T) {
			outer, inner := protectHeader(fieldsOf(answer), c.policy)
			if got := first(outer, "subject"); got != c.subject {
				t.Errorf("outside the subject is %q", got)
			}
			if got := len(named(outer, "keywords")) > 0; got != c.keyword {
				t.Errorf("keywords outside: %v", got)
			}
			if got := len(named(inner, "hp-outer")) > 0; got != c.policy.Encrypted {
				t.Errorf("HP-Outer inside: %v", got)
			}
			if got := first(inner, "subject"); got != "Re: canary [Ticket#67002]" {
				t.Errorf("inside the subject is %q", got)
			}
		})
	}
}

// TestProtectHeaderOfOddMessages: no second subject, no subject made up, no subject in a name that readers may read.
func TestProtectHeaderOfOddMessages(t *testing.T) {
	hide := headerPolicy{Encrypted: true, HideSubject: true, KeepTicket: true}
	for header, want := range map[string][2]string{
		"From: a@x.test\n":                       {"From: a@x.test\n", "From: a@x.test\nHP-Outer: From: a@x.test\n"},
		"Subject: one\nsubject: two\n":           {"Subject: [...]\n", "Subject: one\nHP-Outer: Subject: [...]\n"},
		"Subject : one\n":                        {"Subject: [...]\n", "subject: one\nHP-Outer: Subject: [...]\n"},
		"Subject:\n":                             {"Subject: [...]\n", "Subject:\nHP-Outer: Subject: [...]\n"},
		"no field\n":                             {"", ""},
		"X-Original-Subject: one\n":              {"", "X-Original-Subject: one\n"},
		"Subject: =?utf-8?q?=5B=2312=5D_one?=\n": {"Subject: [#12] [...]\n", "Subject: =?utf-8?q?=5B=2312=5D_one?=\nHP-Outer: Subject: [#12] [...]\n"},
	} {
		outer, inner := protectHeader(fieldsOf(header), hide)
		if textOf(outer) != want[0] || textOf(inner) != want[1] {
			t.Errorf("%q is outside\n%s\ninside\n%s", header, textOf(outer), textOf(inner))
		}
	}
}

// TestHiddenSubjectComesBack: whatever a header holds, the hidden subject is nowhere outside, every line can be sent,
// and a reader gets back the subject and everything else.
func TestHiddenSubjectComesBack(t *testing.T) {
	others := rapid.SampledFrom([]string{
		"From: a@x.test\n", "To: b@y.test,\n c@z.test\n", "Received: by x\n", "Keywords: k\n", "Comments: c\n", "Message-ID: <1@x.test>\n",
		"X-Mailer: m\n", "Thread-Topic: canary\n", "References: <0@x.test>\n <1@x.test>\n", "Content-Type: text/html\n", "Bcc: d@x.test\n",
	})
	rapid.Check(t, func(r *rapid.T) {
		subject := plain(rapid.String().Draw(r, "before") + "canary" + rapid.String().Draw(r, "after"))
		header := append(fieldsOf(strings.Join(rapid.SliceOf(others).Draw(r, "header"), "")), textField("Subject", subject))
		message, err := asciiFields(header)
		if err != nil {
			t.Fatal(err)
		}
		outer, inner := protectHeader(message, headerPolicy{Encrypted: true, HideSubject: true, KeepTicket: rapid.Bool().Draw(r, "keep")})
		if wire := join(outer, nil, nil); bytes.Contains(wire, []byte("canary")) || !safe(wire) {
			t.Fatalf("outside is %q", wire)
		}
		if wire := join(inner, nil, nil); !safe(wire) || bytes.Contains(wire, []byte("d@x.test")) {
			t.Fatalf("inside is %q", wire)
		}
		payload := append(inner, line("Content-Type", `text/plain; hp="cipher"`))
		restored, record := protectedFields(outer, payload, true, false)
		if got := decodeWords(first(restored, "subject")); got != subject {
			t.Fatalf("%q comes back as %q", subject, got)
		}
		if record.Differs && len(named(outer, "from")) == 1 {
			t.Fatalf("the sender became another: %+v", record)
		}
		for _, name := range []string{"keywords", "comments"} {
			if len(named(restored, name)) != len(named(message, name)) {
				t.Fatalf("%s are lost", name)
			}
		}
	})
}

// TestWithHP: one mark, every other parameter as it was.
func TestWithHP(t *testing.T) {
	const cipher, v1 = `hp="cipher"`, `protected-headers="v1"`
	for contentType, want := range map[string]string{
		"":                          "text/plain; " + cipher + "; " + v1,
		"text/plain":                "text/plain; " + cipher + "; " + v1,
		"text/plain; charset=utf-8": "text/plain; charset=utf-8; " + cipher + "; " + v1,
		"text/plain; hp=clear; PROTECTED-HEADERS=v1; charset=utf-8":     "text/plain; charset=utf-8; " + cipher + "; " + v1,
		"text/plain; hp*=us-ascii''clear":                               "text/plain; " + cipher + "; " + v1,
		"text/plain;; charset=utf-8 ;":                                  "text/plain; charset=utf-8; " + cipher + "; " + v1,
		`multipart/mixed; boundary="a;hp=\"x\";b"`:                      `multipart/mixed; boundary="a;hp=\"x\";b"; ` + cipher + ";\r\n " + v1,
		"multipart/mixed; boundary=" + strings.Repeat("b", 60):          "multipart/mixed;\r\n boundary=" + strings.Repeat("b", 60) + ";\r\n " + cipher + "; " + v1,
		`multipart/mixed; boundary="` + strings.Repeat("b c", 23) + `"`: "multipart/mixed;\r\n boundary=\"" + strings.Repeat("b c", 23) + "\";\r\n " + cipher + "; " + v1,
	} {
		if got, err := withHP(contentType, true); err != nil || got != want {
			t.Errorf("%q becomes\n%q, %v, want\n%q", contentType, got, err, want)
		}
	}
	if got, err := withHP("text/plain; hp=cipher; protected-headers=v1", false); err != nil || got != `text/plain; hp="clear"` {
		t.Errorf("signed only it is %q, %v", got, err)
	}
	for _, unreadable := range []string{`text/plain; charset="utf-8`, "text/plain; a=1; a=2", "text/", "hp=clear", "text/plain; name=a b"} {
		if got, err := withHP(unreadable, true); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q becomes %q, %v", unreadable, got, err)
		}
	}
}

// FuzzWithHP: what comes out is read as what went in, and the mark.
func FuzzWithHP(f *testing.F) {
	for _, s := range []string{"", "text/plain; charset=utf-8", `a/b; c="d;e\"f"; g=h`, "a/b; hp=x; hp*0=y", "a/b; c*=utf-8''%20; d*0=x; d*1=y", "a/b;\r\n c=d"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, contentType string, cipher bool) {
		got, err := withHP(contentType, cipher)
		if err != nil {
			return
		}
		again, err := withHP(got, cipher)
		if err != nil || again != got {
			t.Fatalf("%q, then %q, %v", got, again, err)
		}
		if header, _, rest := split([]byte("Content-Type: " + got + lineEnd + lineEnd)); len(header) != 1 || len(rest) > 0 {
			t.Fatalf("%q is not one field", got)
		}
		_, params, err := mime.ParseMediaType(line("Content-Type", got).value())
		if want := map[bool]string{true: "cipher", false: "clear"}[cipher]; err != nil || params["hp"] != want {
			t.Fatalf("%q says %q, %v", got, params["hp"], err)
		}
	})
}

// TestTextField: any text becomes one field that can be sent, and is read as that text.
func TestTextField(t *testing.T) {
	for _, text := range []string{"plain", "Größe", "=?utf-8?q?not_a_word?=", strings.Repeat("x", 3000), strings.Repeat("ä", 3000), "a  b", "😀" + strings.Repeat("😀", 50)} {
		f := textField("Subject", text)
		if got := decodeWords(f.value()); got != text {
			t.Errorf("%q is read as %q", text, got)
		}
		if fields, _, rest := split(f.raw); !safe(f.raw) || len(fields) != 1 || len(rest) > 0 {
			t.Errorf("%q is written %q", text, f.raw)
		}
		for word := range strings.FieldsSeq(f.value()) { // RFC 2047, section 5: no character is cut in two
			if decoded, err := wordDecoder().Decode(word); err == nil && !utf8.ValidString(decoded) {
				t.Errorf("%q is not whole", word)
			}
		}
	}
}

// TestAHiddenSubjectIsRepeatedNowhere: other fields that hold it stay inside, and what servers wrote about it goes.
func TestAHiddenSubjectIsRepeatedNowhere(t *testing.T) {
	message := fieldsOf(`DKIM-Signature: v=1; d=desk.test; z=Subject:Top=20Secret
X-Spam-Report: subject "top secret" looks odd
From: Top Secret <boss@desk.test>
To: alice@customer.test
Subject: Re: [Ticket#67002] Top
 Secret
In-Reply-To: Your message "Top Secret" <1@customer.test>
References: <0@customer.test>
X-Ticket-Title: =?utf-8?q?Top_Secret?=
X-Topic: weather
`)
	outer, inner := protectHeader(message, headerPolicy{Encrypted: true, HideSubject: true, KeepTicket: true})
	if got, want := textOf(outer), `From: Top Secret <boss@desk.test>
To: alice@customer.test
Subject: [Ticket#67002] [...]
In-Reply-To: <1@customer.test>
References: <0@customer.test>
X-Topic: weather
`; got != want {
		t.Errorf("outside is\n%s", got)
	}
	if len(named(inner, "x-ticket-title")) != 1 {
		t.Errorf("inside is\n%s", textOf(inner))
	}
	for _, subject := range []string{"Re: x", "[Ticket#67002]", ""} { // too short to be told from other words
		if secret := (headerPolicy{Encrypted: true, HideSubject: true}).secretOf(subject); secret != "" {
			t.Errorf("%q: the secret is %q", subject, secret)
		}
	}
}
