package pgpmime

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

const sentOutside = `
From: Alice <alice@customer.test>
To: support@desk.test
Subject: ...
Date: Mon, 23 Nov 2026 09:00:00 +0000
Message-ID: <1@customer.test>
`

// TestProtectedFields tells which fields come from inside. Each case is the header of a payload's root, as programs
// write it, and the fields of the opened message that differ from those outside.
func TestProtectedFields(t *testing.T) {
	const decrypted, good = "decrypted", "good"
	for _, c := range []struct{ name, proof, inner, want string }{
		{"RFC 9788", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nSubject: the secret\n", "Subject: the secret\n"},
		{"RFC 9788, not confidential", decrypted, "Content-Type: text/plain; HP=Clear\nSubject: the secret\n", "Subject: the secret\n"},
		{
			"Thunderbird", decrypted,
			"Content-Type: multipart/mixed; boundary=\"------------x\";\n protected-headers=\"v1\"\nFrom: Alice <alice@customer.test>\nTo: support@desk.test\nMessage-ID: <1@customer.test>\nSubject: =?UTF-8?Q?Gr=C3=B6=C3=9Fe?=\n",
			"Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\n",
		},
		{"K-9", decrypted, "Content-Type: text/plain;\n charset=utf-8; protected-headers=\"v1\"\nSubject: =?UTF-8?B?bW9uZXk=?=\n", "Subject: money\n"},
		{"signed, and the signature is good", good, "Content-Type: text/plain; hp=\"clear\"\nSubject: signed\n", "Subject: signed\n"},
		{"signed, and the signature is not good", "", "Content-Type: text/plain; hp=\"clear\"\nSubject: signed\n", ""},
		{"no mark", decrypted, "Content-Type: text/plain\nSubject: other\n", ""},
		{"a mark that nobody knows", decrypted, "Content-Type: text/plain; hp=\"secret\"\nSubject: other\n", ""},
		{"a version that nobody knows", decrypted, "Content-Type: text/plain; protected-headers=\"v2\"\nSubject: other\n", ""},
		{"two types", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nContent-Type: text/plain\nSubject: other\n", ""},
		{"two subjects", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nSubject: one\nSubject: two\n", ""},
		{"an empty subject", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nSubject:\n", ""},
		{"the same subject", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nSubject: =?utf-8?q?=2E=2E=2E?=\n", ""},
		{"line ends in an encoded word", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nSubject: =?utf-8?q?a=0D=0AX-B:_c?=\n", "Subject: aX-B: c\n"},
		{"an encoded word in an encoded word", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nSubject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=\n", "Subject: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?=\n"},
		{"people", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nFrom: b@x.test\nTo: c@x.test\nCc: d@x.test\nReply-To: e@x.test\nMessage-ID: <2@x.test>\n", ""},
		{
			"keywords and comments", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nKeywords: a, b\nComments: one\nComments: =?utf-8?q?zw=C3=B6lf?=\n",
			"Keywords: a, b\nComments: one\nComments: =?utf-8?q?zw=C3=B6lf?=\n",
		},
		{
			"hidden thread", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nIn-Reply-To: <2@desk.test>\nReferences: <1@desk.test>\n <2@desk.test>\n",
			"In-Reply-To: <2@desk.test>\nReferences: <1@desk.test>\n <2@desk.test>\n",
		},
		{"no message ids", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nIn-Reply-To: your mail\nReferences: <1@x.test> <2\n", ""},
		{
			"a date that was blurred", decrypted,
			"Content-Type: text/plain; hp=\"cipher\"\nDate: Mon, 23 Nov 2026 10:00:00 +0100\nHP-Outer: Date: Mon, 23 Nov 2026 09:00:00 +0000\n",
			"Date: Mon, 23 Nov 2026 10:00:00 +0100\n",
		},
		{"a date without a record", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nDate: Mon, 23 Nov 2026 10:00:00 +0100\n", ""},
		{"a date of 2019", decrypted, "Content-Type: text/plain; protected-headers=\"v1\"\nDate: Mon, 23 Nov 2026 10:00:00 +0100\nHP-Outer: Date: Mon, 23 Nov 2026 09:00:00 +0000\n", ""},
		{"a date that was changed on the way", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nDate: Mon, 23 Nov 2026 10:00:00 +0100\nHP-Outer: Date: Mon, 23 Nov 2026 08:00:00 +0000\n", ""},
		{"a date of another year", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nDate: Tue, 23 Nov 2027 10:00:00 +0100\nHP-Outer: Date: Mon, 23 Nov 2026 09:00:00 +0000\n", ""},
		{"no date at all", decrypted, "Content-Type: text/plain; hp=\"cipher\"\nDate: today\nHP-Outer: Date: Mon, 23 Nov 2026 09:00:00 +0000\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			outer := fieldsOf(sentOutside)
			restored, _ := protectedFields(outer, fieldsOf(c.inner), c.proof == decrypted, c.proof == good)
			if got := textOf(changed(outer, restored)); got != c.want {
				t.Errorf("from inside come\n%s", got)
			}
			if textOf(outer) != textOf(fieldsOf(sentOutside)) {
				t.Errorf("the header outside was written to:\n%s", textOf(outer))
			}
		})
	}
}

// changed are the fields that were not there before.
func changed(before, after []field) []field {
	return slices.DeleteFunc(slices.Clone(after), func(f field) bool {
		return slices.ContainsFunc(before, func(b field) bool { return bytes.Equal(b.raw, f.raw) })
	})
}

// TestProtectedFieldsReplace: what comes from inside takes the place of what was outside, of all of it.
func TestProtectedFieldsReplace(t *testing.T) {
	outer := fieldsOf("Subject: one\nKeywords: one\nSubject: two\nKeywords: two\nTo: a@x.test\nReferences: <1@x.test>\n")
	inner := fieldsOf("Content-Type: text/plain; hp=\"cipher\"\nSubject: three\nKeywords: three\nReferences: <2@x.test>\n")
	restored, _ := protectedFields(outer, inner, true, false)
	if got := textOf(restored); got != "Subject: three\nTo: a@x.test\nReferences: <1@x.test>\nKeywords: three\n" {
		t.Errorf("it is\n%s", got)
	}
}

// TestFromInside: the From outside stays, and whether the one inside is another is told.
func TestFromInside(t *testing.T) {
	for from, want := range map[string]fromRecord{
		"":                                    {},
		"From: Alice <alice@customer.test>\n": {Protected: true, Address: "alice@customer.test"},
		"From: A <ALICE@Customer.test>\n":     {Protected: true, Address: "ALICE@customer.test"},
		"From: boss@desk.test\n":              {Protected: true, Address: "boss@desk.test", Differs: true},
		"From: a@x.test, b@x.test\n":          {Protected: true, Differs: true},
		"From: nobody\n":                      {Protected: true, Differs: true},
		"From: alice@customer.test\nFrom: boss@desk.test\n": {Protected: true, Differs: true},
	} {
		inner := fieldsOf("Content-Type: text/plain; hp=\"clear\"\n" + from)
		restored, got := protectedFields(fieldsOf(sentOutside), inner, false, true)
		if got != want || first(restored, "from") != "Alice <alice@customer.test>" {
			t.Errorf("%q gives %+v and %q", from, got, first(restored, "from"))
		}
		if _, got := protectedFields(fieldsOf(sentOutside), inner, false, false); got != (fromRecord{}) {
			t.Errorf("%q without proof gives %+v", from, got)
		}
	}
	if _, got := protectedFields(nil, fieldsOf("Content-Type: text/plain; hp=\"clear\"\nFrom: a@x.test\n"), true, true); !got.Differs {
		t.Error("with no From outside it does not differ")
	}
}

// FuzzProtectedFields: nothing inside can add a field of another name, end the header, or touch what people and
// addresses are known by; and without proof it changes nothing.
func FuzzProtectedFields(f *testing.F) {
	for _, inner := range []string{
		"Content-Type: text/plain; hp=\"cipher\"\r\nSubject: a\r\n",
		"Content-Type: text/plain; protected-headers=v1\r\nSubject: =?utf-8?q?a=0D=0AFrom:_b?=\r\nFrom: c@x.test\r\n",
		"Content-Type: a/b; hp=cipher\nDate: Mon, 23 Nov 2026 10:00:00 +0100\nHP-Outer: Date: Mon, 23 Nov 2026 09:00:00 +0000\nKeywords: \x00\r\rb\n",
		"Content-Type: a/b; hp=clear\r\nReferences: <a>\r\n <b@c>\r\nIn-Reply-To:\r\n\t<a@b>\r\nComments: =?iso-2022-jp?b?GyRC?=\r\n",
	} {
		f.Add([]byte(strings.TrimLeft(sentOutside, "\n")), []byte(inner), true, true)
	}
	f.Fuzz(func(t *testing.T, outside, inside []byte, decrypted, signed bool) {
		all, _, _ := split(outside)
		var outer []field
		for _, f := range all { // as an opened message keeps them
			if f = f.clean(); f.wellFormed() {
				outer = append(outer, field{name: f.name, raw: crlf(f.raw)})
			}
		}
		outer = withLineEnds(outer)
		inner, _, _ := split(inside)
		restored, _ := protectedFields(outer, inner, decrypted, signed)
		if !decrypted && !signed && textOf(restored) != textOf(outer) {
			t.Fatal("changed without proof")
		}
		again, _, rest := split(join(restored, []byte(lineEnd), nil))
		if len(again) != len(restored) || len(rest) > 0 {
			t.Fatalf("%q is not the header that was put together", textOf(restored))
		}
		for _, f := range changed(outer, again) {
			switch f.name {
			case "subject", "keywords", "comments", "date", "in-reply-to", "references":
			default:
				t.Fatalf("%q came from inside", f.raw)
			}
			if !safe(f.raw) || !f.wellFormed() {
				t.Fatalf("%q cannot be sent", f.raw)
			}
		}
		for _, name := range []string{"from", "to", "cc", "reply-to", "sender", "message-id"} {
			if textOf(named(outer, name)) != textOf(named(restored, name)) {
				t.Fatalf("%s changed", name)
			}
		}
	})
}
