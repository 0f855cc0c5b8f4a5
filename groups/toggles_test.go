package groups

import (
	"errors"
	"strings"
	"testing"
)

func TestParsePolicy(t *testing.T) {
	for _, c := range []struct {
		header        string
		sign, encrypt Toggle
	}{
		{"encrypt=on; sign=on", ToggleOn, ToggleOn},
		{"sign=off;encrypt=on", ToggleOff, ToggleOn},
		{"encrypt=off", Unset, ToggleOff},
		{"encrypt=auto; sign=auto", Unset, Unset},
		{" Encrypt = ON ;\r\n\tSIGN=Off ", ToggleOff, ToggleOn},
		{"sign=on;", ToggleOn, Unset},
		{"", Unset, Unset},
	} {
		sign, encrypt, err := ParsePolicy(c.header)
		if err != nil || sign != c.sign || encrypt != c.encrypt {
			t.Errorf("%q: sign %q, encrypt %q, %v", c.header, sign, encrypt, err)
		}
	}
}

func TestPolicyThatCannotBeFollowedIsInvalid(t *testing.T) {
	for header, part := range map[string]string{
		"encrypt=yes":                  `encrypt cannot be "yes"`,
		"encrypt":                      `encrypt cannot be ""`,
		"encrypt=on; encrypt=off":      "encrypt is named twice",
		"encrypt=on; encrypt=on":       "encrypt is named twice",
		"encrypt=auto; encrypt=on":     "encrypt is named twice",
		"encrypt=on, sign=on":          `encrypt cannot be "on, sign=on"`,
		"encrpyt=on":                   `"encrpyt" is unknown`,
		"on":                           `"on" is unknown`,
		"encrypt=on; compress=on":      `"compress" is unknown`,
		strings.Repeat("sign=on;", 40): "too long",
	} {
		sign, encrypt, err := ParsePolicy(header)
		expectInvalid(t, err, header, part)
		if sign != Unset || encrypt != Unset {
			t.Errorf("%q: an error came with sign %q, encrypt %q", header, sign, encrypt)
		}
	}
}

func TestSubjectTags(t *testing.T) {
	for _, c := range []struct {
		subject, rest string
		sign, encrypt Toggle
	}{
		{"Your order", "Your order", Unset, Unset},
		{"[encrypt] Your order", "Your order", Unset, ToggleOn},
		{"Re: [Encrypt] Your order", "Re: Your order", Unset, ToggleOn},
		{"Your order [NOENCRYPT]", "Your order", Unset, ToggleOff},
		{"Your [sign] order [noencrypt]", "Your order", ToggleOn, ToggleOff},
		{"[nosign][encrypt]Your order", "Your order", ToggleOff, ToggleOn},
		{"[nosign] [encrypt]  Your order", "Your order", ToggleOff, ToggleOn},
		{"[sign] [sign] twice", "twice", ToggleOn, Unset},
		{"Your[sign]order", "Yourorder", ToggleOn, Unset},
		{"[Ticket#42] [encrypt] Your order", "[Ticket#42] Your order", Unset, ToggleOn},
		{"[Ticket#42]  two  blanks", "[Ticket#42]  two  blanks", Unset, Unset},
		{"[encrypt]", "", Unset, ToggleOn},
		{"] [ encrypt", "] [ encrypt", Unset, Unset},
		{"[", "[", Unset, Unset},
		{"[en[sign]crypt] nested", "nested", ToggleOn, ToggleOn},
		{"[Signature required] Größe [encrypt]", "[Signature required] Größe", Unset, ToggleOn},
		{"[design] [align] [signal]", "[design] [align] [signal]", Unset, Unset},
	} {
		rest, sign, encrypt, err := SubjectTags(c.subject)
		if err != nil || rest != c.rest || sign != c.sign || encrypt != c.encrypt {
			t.Errorf("%q: rest %q, sign %q, encrypt %q, %v", c.subject, rest, sign, encrypt, err)
		}
	}
}

func TestSubjectTagsThatCannotBeFollowedAreInvalid(t *testing.T) {
	for subject, part := range map[string]string{
		"[encrypt] and [noencrypt]":   "contradict",
		"[nosign] [SIGN]":             "contradict",
		"[encrpyt] mistyped":          "[encrpyt] is unknown",
		"[no-encrypt] with a hyphen":  "[no-encrypt] is unknown",
		"[ encrypt ] with blanks":     "[ encrypt ] is unknown",
		"[no sign]":                   "[no sign] is unknown",
		"[encrypted]":                 "[encrypted] is unknown",
		"[Enсrypt] with a Cyrillic с": "is unknown",
		strings.Repeat("x", 1<<17):    "too long",
	} {
		_, sign, encrypt, err := SubjectTags(subject)
		expectInvalid(t, err, subject, part)
		if sign != Unset || encrypt != Unset {
			t.Errorf("%q: an error came with sign %q, encrypt %q", subject, sign, encrypt)
		}
	}
}

func expectInvalid(t *testing.T, err error, input, part string) {
	t.Helper()
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		t.Errorf("%.40q: error %v, want *Invalid", input, err)
		return
	}
	if !strings.Contains(invalid.Sentence, part) {
		t.Errorf("%.40q: %q is missing in: %s", input, part, invalid.Sentence)
	}
}

func FuzzParsePolicy(f *testing.F) {
	for _, seed := range []string{"encrypt=on; sign=on", "sign=off", "encrypt=auto;", "x=y", "=;=", "encrypt=on;encrypt=off"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		sign, encrypt, err := ParsePolicy(header)
		if err != nil {
			expectInvalid(t, err, header, "")
			return
		}
		lower := strings.ToLower(header)
		for key, toggle := range map[string]Toggle{"sign": sign, "encrypt": encrypt} {
			if toggle != Unset && !(strings.Contains(lower, key) && strings.Contains(lower, string(toggle))) {
				t.Errorf("%q: %s is %q without being asked", header, key, toggle)
			}
		}
	})
}

func FuzzSubjectTags(f *testing.F) {
	for _, seed := range []string{"[encrypt] hello", "Re: [NoSign] x [encrypt]", "[en[sign]crypt]", "[[[]]]", "[encrpyt]", "ü[sign]ü"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		rest, sign, encrypt, err := SubjectTags(subject)
		if err != nil {
			expectInvalid(t, err, subject, "")
			return
		}
		if sign == Unset && encrypt == Unset && rest != subject {
			t.Errorf("%q became %q without a tag", subject, rest)
		}
		again, moreSign, moreEncrypt, err := SubjectTags(rest)
		if err != nil || again != rest || moreSign != Unset || moreEncrypt != Unset {
			t.Errorf("%q: the rest %q still has tags (%q, %q, %v)", subject, rest, moreSign, moreEncrypt, err)
		}
		if len(rest) > len(subject) {
			t.Errorf("%q grew to %q", subject, rest)
		}
	})
}
