package groups

import (
	"errors"
	"strings"
	"testing"
)

func TestContentRulesMeetWhatTheyName(t *testing.T) {
	rules := ContentRules{Subjects: []string{"diagnosis", "Fall ??-*", "a.c"}, Files: []string{"*.p12", "salary"}, Sensitivity: true}
	for _, c := range []struct {
		name, subject, file, sensitivity, want string
	}{
		{"nothing", "Hello", "photo.jpg", "", ""},
		{"a word anywhere, in any case", "Your DIAGNOSIS is ready", "", "", "its subject matches diagnosis"},
		{"a pattern fits the whole", "Fall 17-b", "", "", "its subject matches Fall ??-*"},
		{"a pattern does not fit a part", "Re: Fall 17-b", "", "", ""},
		{"no letter of a pattern is a wildcard of another language", "abc", "", "", ""},
		{"case counts for no alphabet", "Ärztliche DIAGNOSIS", "", "", "its subject matches diagnosis"},
		{"an attachment's name", "Hello", "my.KEY.P12", "", "an attachment's name matches *.p12"},
		{"sensitivity", "Hello", "", "Company-Confidential", "it is marked company-confidential"},
		{"a sensitivity that means nothing", "Hello", "", "normal", ""},
		{"a line end hides nothing", "Fall 17-b\nx", "", "", "its subject matches Fall ??-*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := rules.Meets(c.subject, []string{"first.txt", c.file}, c.sensitivity); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := (ContentRules{}).Meets("x", nil, "private"); got != "" {
		t.Errorf("without rules: %q", got)
	}
}

func TestPatternsThatWouldMeetEverythingAreRefused(t *testing.T) {
	for _, p := range []string{"", "*", " ?* ", strings.Repeat("a", 201), "a\nb"} {
		err := ContentRules{Subjects: []string{p}}.validate()
		var invalid *Invalid
		if !errors.As(err, &invalid) || invalid.Field != "content" {
			t.Errorf("%.20q: %v", p, err)
		}
	}
	if err := (ContentRules{Files: make([]string, 101)}).validate(); err == nil {
		t.Error("too many are taken")
	}
	if err := (ContentRules{Subjects: []string{"(["}, Files: []string{"*.p12"}}).validate(); err != nil {
		t.Errorf("an odd but harmless pattern: %v", err)
	}
}

// FuzzContentRules: no pattern and no text makes matching fail or disagree with the literal case.
func FuzzContentRules(f *testing.F) {
	f.Add("diagnosis", "Your Diagnosis")
	f.Add("*.p12", "a.p12")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		rules := ContentRules{Subjects: []string{pattern}}
		if rules.validate() != nil {
			return
		}
		met := rules.Meets(text, nil, "") != ""
		if !strings.ContainsAny(pattern, "*?") && strings.Contains(text, strings.TrimSpace(pattern)) && !met {
			t.Errorf("%q does not find itself in %q", pattern, text)
		}
	})
}
