package pgpmime_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"
)

// document is docs/interop.md in the making.
type document struct {
	WeWrite, TheyWrite, Kinds, Inline, Containers string // tables
	Notes                                         []string
}

var documentPath = filepath.Join("..", "..", "docs", "interop.md")

// versionsHeading begins the last section. It is not compared: other versions that do the same are as good.
const versionsHeading = "## Versions\n"

// checkDocument compares docs/interop.md with the tables that the run has proved, or writes it anew.
func checkDocument(t *testing.T, versions *sync.Map) {
	want := newDocument().String()
	if os.Getenv("SEALGATE_WRITE_DOCS") == "1" {
		if err := os.WriteFile(documentPath, []byte(want+versionsSection(t, versions)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := strings.Cut(string(is), versionsHeading); got != want {
		t.Errorf("docs/interop.md differs from what was tested; write it anew: SEALGATE_WRITE_DOCS=1 go test ./gateway/pgpmime -run TestInterop\n"+
			"first difference:\n%s", firstDifference(got, want))
	}
}

func versionsSection(t *testing.T, versions *sync.Map) string {
	t.Helper()
	rows := [][]string{{"program", "version"}}
	for _, p := range peers() {
		version, played := versions.Load(p.name)
		switch {
		case !played:
			t.Fatalf("%s was not there: install it, then write the document", p.name)
		case version != "":
			rows = append(rows, []string{p.name, version.(string)})
		}
	}
	return versionsHeading + "\nThe tables were last written with these; other versions may do better.\n\n" + table(rows)
}

func newDocument() *document {
	d := &document{}
	d.WeWrite, d.TheyWrite = d.keysTable(weWrite), d.keysTable(theyWrite)
	d.Kinds, d.Inline, d.Containers = d.kindsTable(), d.inlineTable(), d.containersTable()
	return d
}

func (d *document) String() string {
	functions := template.FuncMap{"inc": func(i int) int { return i + 1 }}
	t := template.Must(template.New("interop.md.tmpl").Funcs(functions).ParseFiles(filepath.Join("testdata", "interop.md.tmpl")))
	var b strings.Builder
	if err := t.Execute(&b, d); err != nil {
		panic(err)
	}
	return b.String()
}

// keysTable has a row for each kind of our keys and a column for each peer.
func (d *document) keysTable(direction string) string {
	rows := [][]string{{"our key"}}
	for _, p := range peers() {
		rows[0] = append(rows[0], p.name)
	}
	for _, ours := range ourKinds {
		row := []string{ours.name}
		for _, p := range peers() {
			row = append(row, d.cell(attempt{direction: direction, peer: p.name, theirs: p.kinds[0].name, ours: ours.name}))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// kindsTable has a row for each kind of their keys but the first.
func (d *document) kindsTable() string {
	rows := [][]string{{"program", "its key", weWrite, theyWrite}}
	for _, p := range peers() {
		for _, theirs := range p.kinds[1:] {
			a := attempt{peer: p.name, theirs: theirs.name, ours: ourKinds[0].name}
			row := []string{p.name, theirs.name}
			for _, a.direction = range []string{weWrite, theyWrite} {
				row = append(row, d.cell(a))
			}
			rows = append(rows, row)
		}
	}
	return table(rows)
}

// inlineTable has a row for each form of inline PGP in each direction.
func (d *document) inlineTable() string {
	rows := [][]string{{"form"}}
	for _, p := range peers() {
		rows[0] = append(rows[0], p.name)
	}
	for _, direction := range []string{weWrite, theyWrite} {
		who, _, _ := strings.Cut(direction, ",")
		for _, f := range inlineForms {
			row := []string{who + " " + strings.TrimPrefix(string(f), "inline, ")}
			for _, p := range peers() {
				word := "yes"
				if e, fails := expected(attempt{direction, p.name, p.kinds[0].name, ourKinds[0].name, f}); fails {
					word = "no" + d.notes([]string{e.why})
				}
				row = append(row, word)
			}
			rows = append(rows, row)
		}
	}
	return table(rows)
}

func (d *document) containersTable() string {
	rows := [][]string{{"container", "written by", "read by", "opens"}}
	for _, c := range containers() {
		cell := string(c.want)
		if c.why != "" {
			cell += d.notes([]string{c.why})
		}
		rows = append(rows, []string{c.name, c.writer, c.reader, cell})
	}
	return table(rows)
}

// cell sums up the forms of an attempt in the words that the document explains.
func (d *document) cell(a attempt) string {
	works := map[form]bool{}
	var whys []string
	for _, a.form = range formsOf(a.direction) {
		e, fails := expected(a)
		if works[a.form] = !fails; fails && !slices.Contains(whys, e.why) {
			whys = append(whys, e.why)
		}
	}
	switch text := works[encrypted]; {
	case len(whys) == 0:
		return "yes"
	case text && works[unverified]:
		return "text only" + d.notes(whys)
	case text:
		return "unsigned only" + d.notes(whys)
	case works[signed]:
		return "signed only" + d.notes(whys)
	}
	return "no" + d.notes(whys)
}

// notes are the numbers of reasons, in brackets.
func (d *document) notes(whys []string) string {
	var numbers []int
	for _, why := range whys {
		i := slices.Index(d.Notes, why)
		if i < 0 {
			i = len(d.Notes)
			d.Notes = append(d.Notes, why)
		}
		numbers = append(numbers, i+1)
	}
	slices.Sort(numbers)
	return " (" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(numbers)), ", "), "[]") + ")"
}

// table is a Markdown table with columns of even width; the first row is its head.
func table(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", width)
	}
	var b strings.Builder
	for _, row := range slices.Insert(slices.Clone(rows), 1, rule) {
		for i, cell := range row {
			fmt.Fprintf(&b, "| %-*s ", widths[i], cell)
		}
		b.WriteString("|\n")
	}
	return b.String()
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		is, should := lineAt(g, i), lineAt(w, i)
		if is != should {
			return fmt.Sprintf("line %d\n  is      %s\n  should  %s", i+1, is, should)
		}
	}
	return "none"
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end)"
}

// TestDocumentSumsUp: cells tell what the expectations tell.
func TestDocumentSumsUp(t *testing.T) {
	d := &document{}
	for _, c := range []struct {
		want, direction, peer, ours string
	}{
		{"yes", weWrite, "gpg", v4RSA},
		{"text only (1)", weWrite, "gpg", v4New},
		{"unsigned only (2, 3)", weWrite, "gpg", v6},
		{"no (1, 4)", weWrite, "PGPainless", v4New},
		{"yes", theyWrite, "PGPainless", v4P256},
		{"signed only (3)", theyWrite, "sq", v6Long},
	} {
		if got := d.cell(attempt{direction: c.direction, peer: c.peer, ours: c.ours}); got != c.want {
			t.Errorf("%s, %s, %s: %q, want %q", c.direction, c.peer, c.ours, got, c.want)
		}
	}
}
