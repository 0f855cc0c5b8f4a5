package groups

import (
	"fmt"
	"strings"
)

// maxPolicy bounds the Sealgate-Policy header in bytes; the longest sensible one has 29.
const maxPolicy = 256

// ParsePolicy reads the value of the header Sealgate-Policy, "encrypt=on|off|auto; sign=on|off|auto", in any case and
// order, each at most once. "auto" and what is not named are Unset. Anything else is *Invalid: what was asked for and
// cannot be understood must not be sent as if it had not been asked for.
func ParsePolicy(header string) (sign, encrypt Toggle, err error) {
	if len(header) > maxPolicy {
		return Unset, Unset, badPolicy("it is too long")
	}
	seen := map[string]Toggle{}
	for part := range strings.SplitSeq(header, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if key != "sign" && key != "encrypt" {
			return Unset, Unset, badPolicy(fmt.Sprintf("%q is unknown", plain(key)))
		}
		if _, twice := seen[key]; twice {
			return Unset, Unset, badPolicy(key + " is named twice")
		}
		toggle, ok := parseToggle(strings.ToLower(strings.TrimSpace(value)))
		if !ok {
			return Unset, Unset, badPolicy(fmt.Sprintf("%s cannot be %q", key, plain(strings.TrimSpace(value))))
		}
		seen[key] = toggle
	}
	return seen["sign"], seen["encrypt"], nil
}

func parseToggle(value string) (Toggle, bool) {
	switch value {
	case "on":
		return ToggleOn, true
	case "off":
		return ToggleOff, true
	case "auto":
		return Unset, true
	}
	return Unset, false
}

func badPolicy(problem string) error {
	return &Invalid{Field: "Sealgate-Policy", Sentence: "the header Sealgate-Policy cannot be followed: " + problem +
		"; write it as encrypt=on|off|auto; sign=on|off|auto"}
}

// maxTag bounds the text between the brackets of what could be a mistyped tag, in bytes.
const maxTag = 16

// maxSubject bounds a subject in bytes.
const maxSubject = 64 << 10

// SubjectTags takes the tags [encrypt], [noencrypt], [sign] and [nosign] out of a subject, wherever they stand and in
// any case. Other brackets stay. Tags that contradict each other are *Invalid, and so is a bracket that is almost a
// tag, such as [encrpyt] or [no-sign]: sent as it is, it would leave unprotected what the agent wanted protected.
// rest is the subject to send: the same without its tags and their blanks.
func SubjectTags(subject string) (rest string, sign, encrypt Toggle, err error) {
	if len(subject) > maxSubject {
		return "", Unset, Unset, &Invalid{Field: "Subject", Sentence: "the subject is too long; shorten it to 64 KiB"}
	}
	found := tagged{}
	var out remainder
	for i := range len(subject) {
		out.write(subject[i])
		if subject[i] != ']' {
			continue
		}
		content, open := out.lastBracket()
		if open < 0 {
			continue
		}
		isTag, err := found.take(content)
		if err != nil {
			return "", Unset, Unset, err
		}
		if isTag {
			out.cut(open)
		}
	}
	if found == (tagged{}) {
		return subject, Unset, Unset, nil
	}
	return strings.TrimSpace(string(out.text)), found.sign, found.encrypt, nil
}

// tagged is what the tags of one subject ask for.
type tagged struct{ sign, encrypt Toggle }

// take looks at the text between two brackets.
func (t *tagged) take(content string) (isTag bool, err error) {
	switch strings.ToLower(content) {
	case "encrypt":
		return true, agree(&t.encrypt, ToggleOn)
	case "noencrypt":
		return true, agree(&t.encrypt, ToggleOff)
	case "sign":
		return true, agree(&t.sign, ToggleOn)
	case "nosign":
		return true, agree(&t.sign, ToggleOff)
	}
	if almostTag(content) {
		return false, &Invalid{Field: "Subject", Sentence: fmt.Sprintf(
			"the subject tag [%s] is unknown; write [encrypt], [noencrypt], [sign] or [nosign], or leave the brackets out", plain(content))}
	}
	return false, nil
}

func agree(toggle *Toggle, asked Toggle) error {
	if *toggle != Unset && *toggle != asked {
		return &Invalid{Field: "Subject", Sentence: "the subject tags contradict each other; keep one of them"}
	}
	*toggle = asked
	return nil
}

// almostTag tells whether the text is a tag but for blanks, hyphens or a slip of the fingers.
func almostTag(content string) bool {
	word := strings.NewReplacer(" ", "", "\t", "", "-", "", "_", "").Replace(strings.ToLower(content))
	return distance(word, "encrypt") <= 2 || distance(word, "noencrypt") <= 2 ||
		distance(word, "sign") <= 1 || distance(word, "nosign") <= 1
}

// distance counts the bytes to insert, delete or replace between two short words (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// remainder collects what is left of a subject.
type remainder struct {
	text  []byte
	blank bool // a tag with a blank beside it was cut at the end: one blank stands for it
}

func (r *remainder) write(c byte) {
	if r.blank {
		if isBlank(c) {
			return
		}
		if len(r.text) > 0 {
			r.text = append(r.text, ' ')
		}
		r.blank = false
	}
	r.text = append(r.text, c)
}

// lastBracket returns the text of the bracket that was just closed and where it opened, or -1 when it is none or too
// long for a tag.
func (r *remainder) lastBracket() (content string, open int) {
	end := len(r.text) - 1
	for i := end - 1; i >= 0 && i >= end-maxTag-1; i-- {
		if r.text[i] == '[' {
			return string(r.text[i+1 : end]), i
		}
	}
	return "", -1
}

// cut takes the tag that opened at open away, with the blanks around it.
func (r *remainder) cut(open int) {
	end := open
	for end > 0 && isBlank(r.text[end-1]) {
		end--
	}
	r.blank = end < open || end == 0
	r.text = r.text[:end]
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
