package pgpmime

import "testing"

// TestUserIDAddress: a user ID names one address or none.
func TestUserIDAddress(t *testing.T) {
	for id, want := range map[string]string{
		"Alice <alice@x.test>": "alice@x.test", "alice@x.test": "alice@x.test", "<alice@x.test>": "alice@x.test",
		"Alice (work) <alice@x.test>": "alice@x.test", "alice@x.test <alice@x.test>": "alice@x.test",
		"Älice <alice@Bücher.test>": "alice@xn--bcher-kva.test",
		"Alice":                     "", "": "", "<>": "", "@x.test": "", "alice@": "",
		"Alice@X.test <alice@x.test>": "alice@x.test", "alice@x.test <Alice@X.TEST>": "Alice@x.test", "\"alice@x.test\" <alice@x.test>": "alice@x.test",
		"a@bücher.test <a@xn--bcher-kva.test>": "a@xn--bcher-kva.test", "alice@y.test <alice@x.test>": "", "\u0430lice@x.test <alice@x.test>": "",
		"Alice alice@x.test <alice@x.test>": "", "alice@x.test (work) <alice@x.test>": "", "alice@x.test, boss@x.test <alice@x.test>": "",
		"boss@x.test <alice@x.test>": "", "<alice@x.test> <boss@x.test>": "", "Alice <alice@x.test> boss": "",
		"Alice <alice@x.test\n>": "", "alice@x@y.test": "", "Alice <al ice@x.test>": "", "Alice <a,b@x.test>": "",
		"alice@x.test\u200b": "", "Alice <\xff@x.test>": "", "\u202eAlice <alice@x.test>": "", "Alice <alice@exa mple>": "",
	} {
		if got := userIDAddress(id); got != want {
			t.Errorf("%q has %q, want %q", id, got, want)
		}
	}
}

// TestSenderOf: one From field with one address that shows no other, or nobody.
func TestSenderOf(t *testing.T) {
	for header, want := range map[string]string{
		"From: a@x.test": "a@x.test", "FROM : A <a@X.Test>": "a@x.test", "From: \"a@x.test\" <a@x.test>": "a@x.test",
		"From: \"b@y.test\" <a@x.test>": "", "From: \"b @ y.test\" <a@x.test>": "", "From: =?utf-8?b?YkB5LnRlc3Q?= <a@x.test>": "",
		"From: a@x.test,\r\n b@x.test": "", "From: a@x.test\r\nFrom: a@x.test": "", "From:": "", "From: nobody": "", "From: <>": "",
		"From: a@x.test <b@y.test>": "", "From: \"a@x.test\"": "", "From: a@x.test (b@y.test)": "", "X: y": "",
		"From: =?utf-8?q?b=40y.test_=3C?= <a@x.test>": "", "From: a@x.test\r\nF\x00rom: b@y.test": "", "From: a@x.te\u200bst": "",
	} {
		fields, _, _ := split([]byte(header + "\r\n\r\n"))
		if got := senderOf(fields); got != want {
			t.Errorf("%q is sent by %q, want %q", header, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"a@x.test", "A@x.test", true},
		{"k@x.test", "\u212a@x.test", false},
		{"", "", false},
		{"a@x.test", "a@y.test", false},
		{"a.b@x.test", "ab@x.test", false},
		{"a+b@x.test", "a@x.test", false},
	} {
		if sameAddress(c.a, c.b) != c.same {
			t.Errorf("%q and %q", c.a, c.b)
		}
	}
}
