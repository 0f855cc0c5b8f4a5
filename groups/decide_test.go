package groups

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// testCase is one row of testdata/decisions.txt; the head of that file explains the columns.
type testCase struct {
	line                   int
	name                   string
	request                Request
	encrypt, sign          string
	refusals, notices      []string
	whyEncrypt, whySigning string // "" when the row does not say
	would                  string // in shadow mode
}

func TestDecisions(t *testing.T) {
	cases := readCases(t)
	if len(cases) < 40 {
		t.Fatalf("only %d cases were read", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := Decide(c.request)
			expect(t, c.line, "encrypt", ruling(d.Encrypt), c.encrypt)
			expect(t, c.line, "sign", ruling(d.Sign), c.sign)
			expect(t, c.line, "notices", strings.Join(d.Notices, " "), strings.Join(c.notices, " "))
			expect(t, c.line, "refusals", strings.Join(sentences(d), "\n"), strings.Join(c.refusals, "\n"))
			if c.whyEncrypt != "" {
				expect(t, c.line, "encrypt because", d.Encrypt.Because, c.whyEncrypt)
			}
			if (d.Would != nil) != c.request.Shadow {
				t.Errorf("line %d: it tells what would happen: %v", c.line, d.Would)
			} else if d.Would != nil {
				expect(t, c.line, "would", ruling(d.Would.Encrypt)+" | "+ruling(d.Would.Sign), c.would)
			}
			if c.whySigning != "" {
				expect(t, c.line, "sign because", d.Sign.Because, c.whySigning)
			}
		})
	}
}

func expect(t *testing.T, line int, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("line %d: %s\n got  %s\n want %s", line, what, got, want)
	}
}

func sentences(d Decision) []string {
	var all []string
	for _, r := range d.Refusals {
		all = append(all, r.Sentence)
	}
	return all
}

// ruling writes a ruling as the table does.
func ruling(u Ruling) string {
	text := "no, "
	if u.Do {
		text = "yes, "
	}
	text += string(u.Rule)
	var button []string
	for _, state := range []struct {
		word string
		is   bool
	}{{"preselected", u.Default}, {"possible", u.Possible}, {"locked", u.Locked}} {
		if state.is {
			button = append(button, state.word)
		}
	}
	if len(button) > 0 {
		text += " (" + strings.Join(button, ", ") + ")"
	}
	return text
}

func readCases(t *testing.T) []testCase {
	t.Helper()
	f, err := os.Open("testdata/decisions.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []testCase
	lines := bufio.NewScanner(f)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "  "):
			if err := cases[len(cases)-1].consequence(strings.TrimSpace(line)); err != nil {
				t.Fatalf("line %d: %v", number, err)
			}
		default:
			c, err := readCase(line)
			if err != nil {
				t.Fatalf("line %d: %v", number, err)
			}
			c.line = number
			cases = append(cases, c)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

func readCase(line string) (testCase, error) {
	columns := strings.Split(line, " | ")
	if len(columns) != 6 {
		return testCase{}, fmt.Errorf("%d columns, want 6", len(columns))
	}
	c := testCase{name: columns[0], encrypt: columns[4], sign: columns[5]}
	r := &c.request
	r.CanSign = true
	for word := range strings.FieldsSeq(columns[1]) {
		if err := r.readPolicy(word); err != nil {
			return c, err
		}
	}
	r.readRecipients(columns[2])
	for word := range strings.FieldsSeq(columns[3]) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "encrypt":
			r.ToggleEncrypt = Toggle(value)
		case "sign":
			r.ToggleSign = Toggle(value)
		case "admin":
			r.ByAdmin = true
		case "-":
		default:
			return c, fmt.Errorf("asked: %q", word)
		}
	}
	return c, nil
}

func (r *Request) readPolicy(word string) error {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "encrypt":
		r.Encrypt = Level(value)
	case "sign":
		r.Sign = Level(value)
	case "split":
		r.Mixed = MixedSplit
	case "shadow":
		r.Shadow = true
	case "thread":
		r.ThreadEncrypted = true
	case "house":
		sign, encrypt, _ := strings.Cut(value, ":")
		r.HouseSign, r.HouseEncrypt = Level(sign), Level(encrypt)
	case "content":
		r.Content = strings.ReplaceAll(value, "_", " ")
	case "nosigner":
		r.CanSign, r.SignProblem = false, "no secret key for help@desk.test"
	default:
		rule := strings.Split(word, ":")
		if len(rule) != 3 {
			return fmt.Errorf("policy: %q", word)
		}
		r.Rules = append(r.Rules, DomainRule{Domain: rule[0], Sign: Level(rule[1]), Encrypt: Level(rule[2])})
	}
	return nil
}

// readRecipients reads "+ann@a.test -bob@b.test(expired on 2026-01-02)"; \n in a problem is a line end.
func (r *Request) readRecipients(column string) {
	var problem *string
	for word := range strings.FieldsSeq(column) {
		if problem != nil {
			*problem += " " + word
		} else if word != "-" {
			address, why, _ := strings.Cut(word[1:], "(")
			r.Recipients = append(r.Recipients, Recipient{Address: address, Encrypted: word[0] == '+', Problem: why})
			problem = &r.Recipients[len(r.Recipients)-1].Problem
		}
		if problem == nil || *problem == "" || strings.HasSuffix(*problem, ")") {
			if problem != nil {
				*problem = strings.ReplaceAll(strings.TrimSuffix(*problem, ")"), `\n`, "\n")
			}
			problem = nil
		}
	}
}

func (c *testCase) consequence(line string) error {
	mark, text, _ := strings.Cut(line, " ")
	switch mark {
	case "!":
		c.refusals = append(c.refusals, text)
	case ">":
		c.notices = append(c.notices, text)
	case "=":
		c.whyEncrypt = text
	case "%":
		c.would = text
	case "~":
		c.whySigning = text
	default:
		return fmt.Errorf("mark %q", mark)
	}
	return nil
}

func TestARefusalNamesItsRecipient(t *testing.T) {
	d := Decide(Request{Encrypt: On, Sign: On, Recipients: []Recipient{{Address: "dave@d.test"}}})
	got := []string{}
	for _, r := range d.Refusals {
		got = append(got, r.Recipient)
	}
	if want := []string{"dave@d.test", ""}; !slices.Equal(got, want) {
		t.Errorf("refusals name %q, want %q", got, want)
	}
}
