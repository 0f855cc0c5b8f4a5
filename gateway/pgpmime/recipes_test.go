package pgpmime_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// recipe tells how the message of a case is made, what it shows and what it wants. The lines before the first empty one
// are its head:
//
//	shows: what the case is about
//	verdict: the words for encryption and signature
//	signer: who speaks for the message
//	subject, changed, repaired, limit, reason, waiting: as in Opened and Verdict; waiting is a number of key ids
//	has, lacks: text that is, or is not, in the opened message, in its attachments too
//	layer: a line of the verdict tree that tells of a layer
//	held: NAME HOLDING, when a key is held in another way than people.txt says
//	inline: off or any
//	limits: name=number, other than the usual ones
//	at: when it is opened, other than usual
//	odd: what a reader may wonder about
//
// The rest is the message. Blocks stand for what is made of the lines up to their @@ end; recipes_blocks_test.go tells
// which there are. {CR}, {NUL}, {SP} and {x0C} stand for characters.
type recipe struct {
	name     string
	wants    []want
	holdings map[string]string
	inline   pgpmime.InlineMode
	limits   pgpmime.Limits
	at       time.Time
	lines    []string
}

// want is one line of what a recipe wants.
type want struct{ key, value string }

// casesOpened is when the cases are opened: later than when those who have no clock of ours to go by wrote them.
var casesOpened = time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)

// TestRecipes makes each message anew, with the programs that its recipe names, and opens it.
func TestRecipes(t *testing.T) {
	k := newKitchen(t)
	for _, r := range readRecipes(t) {
		t.Run(r.name, func(t *testing.T) {
			message := k.make(t, r)
			if r.asksPeers() && time.Now().After(r.at) { // they go by the clock on the wall
				r.at = time.Now().Add(time.Minute)
			}
			r.check(t, r.open(t, message, k.keys), k.keys.names())
		})
	}
}

func readRecipes(t testing.TB) []recipe {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/*.recipe")
	if err != nil || len(files) == 0 {
		t.Fatal("no recipes found", err)
	}
	var all []recipe
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, readRecipe(t, strings.TrimSuffix(filepath.Base(file), ".recipe"), string(text)))
	}
	return all
}

func readRecipe(t testing.TB, name, text string) recipe {
	t.Helper()
	r := recipe{name: name, holdings: map[string]string{}, at: casesOpened}
	head, message, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(head) {
		key, value, found := strings.Cut(line, ":")
		if !found || r.readHead(key, unescape(strings.TrimSpace(value))) != nil {
			t.Fatalf("%s: nobody understands %q", name, line)
		}
	}
	for line := range strings.Lines(message) {
		if line = strings.TrimSuffix(line, "\n"); !strings.HasPrefix(line, "@@ ") { // whose words are cut first
			line = unescape(line)
		}
		r.lines = append(r.lines, line)
	}
	return r
}

func (r *recipe) readHead(key, value string) (err error) {
	switch key {
	case "shows", "odd":
	case "held":
		name, holding, _ := strings.Cut(value, " ")
		r.holdings[name] = holding
	case "inline":
		r.inline = pgpmime.InlineMode(value)
	case "limits":
		err = r.readLimits(value)
	case "at":
		r.at, err = time.Parse(time.RFC3339, value)
	default:
		r.wants = append(r.wants, want{key, value})
	}
	return err
}

func (r *recipe) readLimits(value string) error {
	for _, limit := range strings.Fields(value) {
		name, number, _ := strings.Cut(limit, "=")
		n, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		switch name {
		case "depth":
			r.limits.Depth = n
		case "parts":
			r.limits.Parts = n
		case "header":
			r.limits.HeaderBytes = n
		case "decompressed":
			r.limits.Decompressed = int64(n)
		case "session-keys":
			r.limits.SessionKeys = n
		default:
			return fmt.Errorf("unknown limit %q", name)
		}
	}
	return nil
}

// unescape puts in characters that a readable file should not hold.
func unescape(text string) string {
	text = strings.NewReplacer("{CR}", "\r", "{LF}", "\n", "{NUL}", "\x00", "{SP}", " ").Replace(text)
	return regexp.MustCompile(`\{x[0-9A-F]{2}\}`).ReplaceAllStringFunc(text, func(hex string) string {
		n, _ := strconv.ParseUint(hex[2:4], 16, 8) //nolint:errcheck // the expression admits hex digits only
		return string([]byte{byte(n)})
	})
}

// check compares what was opened with what the recipe wants.
func (r recipe) check(t testing.TB, o pgpmime.Opened, names map[string]string) {
	t.Helper()
	checkStamp(t, o)
	_, below, _ := strings.Cut(string(o.Message), "Sealgate-Verdict:")
	below = strings.ToLower(below) + "\n" + strings.ToLower(shownBy(o.Message))
	facts := r.facts(o, names)
	for _, w := range r.wants {
		switch w.key {
		case "has":
			if !strings.Contains(string(o.Message)+shownBy(o.Message), w.value) {
				t.Errorf("%q is not in\n%s", w.value, o.Message)
			}
		case "lacks":
			if strings.Contains(below, strings.ToLower(w.value)) {
				t.Errorf("%q is in\n%s", w.value, o.Message)
			}
		case "layer":
			if shown := tree(o, names); !strings.Contains(shown, "- "+w.value+"\n") {
				t.Errorf("no layer %q in\n%s", w.value, shown)
			}
		case "reason":
			if !strings.Contains(o.Verdict.Reason, w.value) {
				t.Errorf("reason %q, want %q", o.Verdict.Reason, w.value)
			}
		default:
			got, known := facts[w.key]
			if !known {
				t.Fatalf("the case wants %q, which nobody knows; known are %v", w.key, slices.Sorted(maps.Keys(facts)))
			}
			if got != w.value {
				t.Errorf("%s: %q, want %q: %s", w.key, got, w.value, o.Verdict)
			}
		}
	}
}

// facts are what a recipe may want to be equal.
func (r recipe) facts(o pgpmime.Opened, names map[string]string) map[string]string {
	return map[string]string{
		"verdict":  fmt.Sprintf("%s %s", o.Verdict.Encryption, o.Verdict.Signature),
		"signer":   names[o.Verdict.Signer],
		"subject":  o.Subject,
		"changed":  fmt.Sprint(o.Changed),
		"waiting":  fmt.Sprint(len(o.WaitingFor)),
		"repaired": o.Verdict.Repaired,
		"limit":    o.Verdict.Limit,
		"matched":  o.Verdict.MatchedID,
	}
}

// shownBy is what a message shows once its parts are decoded.
func shownBy(message []byte) string {
	view := pgpmime.Look(message)
	shown := view.Text + "\n" + view.HTML
	for _, a := range view.Attachments {
		shown += "\n" + a.Name + "\n" + string(a.Content)
	}
	return shown
}
