package groups

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ContentRules require encryption by what a message says of itself. A pattern without * and ? is looked for anywhere;
// one with them must fit the whole text, * standing for any run of characters and ? for one. Case does not count.
type ContentRules struct {
	Subjects    []string // patterns for the subject
	Files       []string // patterns for the names of attachments
	Sensitivity bool     // a Sensitivity field other than Normal (RFC 4021, section 2.1.55) counts too
}

// Limits of content rules: every message is held against every pattern.
const (
	maxPatterns = 100
	maxPattern  = 200 // characters
)

// Meets returns in words which rule a message meets first, or "". It is linear in its arguments.
func (c ContentRules) Meets(subject string, files []string, sensitivity string) string {
	if s := strings.ToLower(strings.TrimSpace(sensitivity)); c.Sensitivity && s != "" && s != "normal" {
		return "it is marked " + s
	}
	for _, p := range c.Subjects {
		if fits(p, subject) {
			return "its subject matches " + p
		}
	}
	for _, p := range c.Files {
		for _, name := range files {
			if fits(p, name) {
				return "an attachment's name matches " + p
			}
		}
	}
	return ""
}

func fits(pattern, text string) bool {
	p, err := compile(pattern)
	return err != nil || p.MatchString(text) // what cannot be read must not weaken protection
}

func compile(pattern string) (*regexp.Regexp, error) {
	quoted := regexp.QuoteMeta(strings.TrimSpace(pattern))
	if strings.ContainsAny(pattern, "*?") {
		quoted = "^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(quoted) + "$"
	}
	return regexp.Compile("(?is)" + quoted)
}

// canonical trims the patterns, leaves out empty ones and repetitions, and checks what a person entered.
func (c ContentRules) canonical() (ContentRules, error) {
	c.Subjects, c.Files = trimmed(c.Subjects), trimmed(c.Files)
	return c, c.validate()
}

func trimmed(patterns []string) []string {
	var all []string
	for _, p := range patterns {
		if p = strings.TrimSpace(p); p != "" && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

func (c ContentRules) validate() error {
	if len(c.Subjects)+len(c.Files) > maxPatterns {
		return &Invalid{"content", fmt.Sprintf("A group has at most %d content patterns; put several into one with *.", maxPatterns)}
	}
	for _, p := range append(append([]string{}, c.Subjects...), c.Files...) {
		_, err := compile(p)
		switch {
		case strings.Trim(p, "*? ") == "":
			return &Invalid{"content", "A content pattern must hold more than * and ?: else every message would meet it; to require encryption always, choose the level required."}
		case len([]rune(p)) > maxPattern || err != nil || strings.ContainsAny(p, "\r\n"):
			return &Invalid{"content", fmt.Sprintf("The content pattern %q cannot be used; write one line of at most %d characters.", p, maxPattern)}
		}
	}
	return nil
}
