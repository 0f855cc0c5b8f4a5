package pgpmime

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestTicketToken: the number of every ticket system, and nothing that somebody wrote.
func TestTicketToken(t *testing.T) {
	for subject, want := range map[string]string{
		"[Ticket#67002] printer":                "[Ticket#67002]",
		"Re: printer [Ticket#67002]":            "[Ticket#67002]",
		"AW: [Ticket#2015071510123456] printer": "[Ticket#2015071510123456]",
		"[Ticket: 2015071510123456] printer":    "[Ticket: 2015071510123456]",
		"[Ticket#: 1010138] printer":            "[Ticket#: 1010138]",
		"[TICKET #12] printer":                  "[TICKET #12]",
		"[Case 12] printer":                     "[Case 12]",
		"Re: [example.com #12] printer":         "[example.com #12]",
		"[rt.example-desk.org #12] printer":     "[rt.example-desk.org #12]",
		"[#123] printer":                        "[#123]",
		"[EXTERNAL] [#123] printer":             "[#123]",
		"[[#123]]":                              "[#123]",
		"[#1] [#2]":                             "[#1]",
		"[list] no number":                      "",
		"[Merger with Acme #12]":                "",
		"[Merger #12]":                          "",
		"[a.b c.d #12]":                         "",
		"[example.com#12]":                      "",
		"[#]":                                   "",
		"[12]":                                  "",
		"[Ticket#]":                             "",
		"[Ticket12]":                            "",
		"[Ticket## 12]":                         "",
		"[Ticket#12 secret]":                    "",
		"[secret Ticket#12]":                    "",
		"[Ticket#123456789012345678901]":        "",
		"[Ticket#\u0661\u0662]":                 "",
		"[Ticket#12":                            "",
		"Ticket#12":                             "",
		"":                                      "",
		"[":                                     "",
		"[" + strings.Repeat("a.", 50) + "example.com #12]": "",
		"[.com #12]":             "",
		"[ex\u00e4mple.com #12]": "",
	} {
		if got := ticketToken(subject); got != want {
			t.Errorf("%q has %q, want %q", subject, got, want)
		}
	}
}

// TestTicketTokenHoldsNoWords: whatever the subject is, what may stand outside is one of the known forms.
func TestTicketTokenHoldsNoWords(t *testing.T) {
	words := rapid.SampledFrom([]string{"canary", "[", "]", "#", ":", " ", "12", "Ticket", "ä", ".", "[Ticket#7]"})
	rapid.Check(t, func(r *rapid.T) {
		subject := strings.Join(rapid.SliceOf(words).Draw(r, "subject"), "")
		token := ticketToken(subject)
		if !strings.Contains(subject, token) {
			t.Fatalf("%q of %q is made up", token, subject)
		}
		if token == "" {
			return
		}
		if bare := strings.Trim(strings.ReplaceAll(token, "Ticket", ""), "[]#: 0123456789"); bare != "" && !strings.Contains(bare, ".") {
			t.Fatalf("%q of %q holds a word", token, subject)
		}
	})
}
