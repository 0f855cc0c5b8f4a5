package mailbox

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

func messageFiles(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/messages/*.eml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no messages in testdata: %v", err)
	}
	messages := map[string][]byte{}
	for _, name := range names {
		if messages[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return messages
}

// TestStructures says in one line each what BODYSTRUCTURE tells: type, size in bytes, children in parentheses.
func TestStructures(t *testing.T) {
	want := map[string]string{
		"01-plain.eml":             "text/plain 7",
		"02-empty-multipart.eml":   "multipart/mixed (text/plain 0)",
		"03-no-boundary.eml":       "multipart/mixed (text/plain 0)",
		"04-broken-first-line.eml": "text/plain 6",
		"05-nul.eml":               "text/plain 7",
		"06-latin1-header.eml":     "text/plain 8",
		"07-no-header.eml":         "text/plain 13",
		"08-only-header.eml":       "text/plain 0",
		"09-empty.eml":             "text/plain 0",
		"10-bare-lf.eml":           "multipart/mixed (text/plain 3, text/html 10)",
		"11-mixed.eml":             "multipart/mixed (text/plain 18, message/rfc822 175 [multipart/alternative (text/plain 5, text/html 11)], application/pdf 8)",
		"12-unclosed.eml":          "multipart/mixed (text/plain 3, text/plain 5)",
		"13-encoded-message.eml":   "application/octet-stream 26",
		"14-digest.eml":            "multipart/digest (message/rfc822 21 [text/plain 3], text/plain 3)",
		"15-bad-type.eml":          "text/plain 6",
	}
	for name, message := range messageFiles(t) {
		t.Run(name, func(t *testing.T) {
			if got := outline(opened(message).structure()); got != want[name] {
				t.Errorf("got  %s\nwant %s", got, want[name])
			}
		})
	}
}

func outline(bs imap.BodyStructure) string {
	switch bs := bs.(type) {
	case *imap.BodyStructureSinglePart:
		line := fmt.Sprintf("%s %d", bs.MediaType(), bs.Size)
		if bs.MessageRFC822 != nil {
			line += " [" + outline(bs.MessageRFC822.BodyStructure) + "]"
		}
		return line
	case *imap.BodyStructureMultiPart:
		var children []string
		for _, child := range bs.Children {
			children = append(children, outline(child))
		}
		return bs.MediaType() + " (" + strings.Join(children, ", ") + ")"
	}
	return "?"
}

// TestSections cuts what RFC 9051, section 6.4.5.1 names out of one message with a message inside.
func TestSections(t *testing.T) {
	message := messageFiles(t)["11-mixed.eml"]
	for section, want := range map[string]string{
		"HEADER.FIELDS (SUBJECT)": "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n",
		"1":                       "Sch=F6ne Gr=FC=DFe",
		"1.MIME":                  "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
		"2.HEADER":                "From: inner@example.test\r\nSubject: inner\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n",
		"2.HEADER.FIELDS (FROM)":  "From: inner@example.test\r\n\r\n",
		"2.1":                     "alpha",
		"2.2":                     "<b>beta</b>",
		"2.2.MIME":                "Content-Type: text/html\r\n\r\n",
		"2.3":                     "",
		"3":                       "SGVsbG8=",
		"4":                       "",
		"1.1":                     "",
		"0":                       "",
	} {
		t.Run(section, func(t *testing.T) {
			if got := string(opened(message).section(parseSection(t, section))); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	t.Run("2.TEXT", func(t *testing.T) {
		got := string(opened(message).section(parseSection(t, "2.TEXT")))
		if !strings.HasPrefix(got, "--inner\r\n") || !strings.HasSuffix(got, "--inner--\r\n") {
			t.Errorf("got %q", got)
		}
	})
}

// parseSection reads the few forms that the table uses.
func parseSection(t *testing.T, s string) *imap.FetchItemBodySection {
	t.Helper()
	section := &imap.FetchItemBodySection{}
	name, fields, found := strings.Cut(s, " (")
	if found {
		section.HeaderFields = strings.Fields(strings.TrimSuffix(fields, ")"))
		name = strings.TrimSuffix(name, ".FIELDS")
	}
	for _, word := range strings.Split(name, ".") {
		var n int
		if _, err := fmt.Sscan(word, &n); err == nil {
			section.Part = append(section.Part, n)
		} else {
			section.Specifier = imap.PartSpecifier(word)
		}
	}
	return section
}

// TestEnvelopeSurvivesBrokenNeighbours: a broken line, raw 8-bit or half an address takes no other field with it.
func TestEnvelopeSurvivesBrokenNeighbours(t *testing.T) {
	messages := messageFiles(t)
	for name, want := range map[string]string{
		"04-broken-first-line.eml": "ada@example.test|broken first line",
		"06-latin1-header.eml":     "Jürgen Müller juergen@example.test|Grüße",
		"11-mixed.eml":             "Ada ada@example.test|Grüße",
		"15-bad-type.eml":          "ada@example.test|bad type",
	} {
		t.Run(name, func(t *testing.T) {
			end, _ := headerEnd(messages[name])
			e := envelopeOf(messages[name][:end])
			var from string
			if len(e.From) > 0 {
				from = strings.TrimSpace(e.From[0].Name + " " + e.From[0].Addr())
			}
			if got := from + "|" + e.Subject; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestLimitsOfTheTree: nesting and number of parts are bounded, in structure and in time.
func TestLimitsOfTheTree(t *testing.T) {
	var nested strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&nested, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	depth := 0
	for bs, ok := opened([]byte(nested.String())).structure().(*imap.BodyStructureMultiPart); ok; depth++ {
		bs, ok = bs.Children[0].(*imap.BodyStructureMultiPart)
	}
	if depth != maxDepth {
		t.Errorf("depth %d, want %d", depth, maxDepth)
	}
	many := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 5000)
	if n := len(opened([]byte(many)).structure().(*imap.BodyStructureMultiPart).Children); n != maxParts-1 {
		t.Errorf("%d parts, want %d", n, maxParts-1)
	}
}

// FuzzStructure: whatever the bytes are, every size that the structure tells is that of the section, header and text
// are the whole, and nothing panics.
func FuzzStructure(f *testing.F) {
	for _, message := range messageFiles(f) {
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) > 1<<16 {
			return
		}
		header := opened(message).section(&imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader})
		text := opened(message).section(&imap.FetchItemBodySection{Specifier: imap.PartSpecifierText})
		if !bytes.Equal(append(bytes.Clone(header), text...), message) {
			t.Fatal("header and text are not the message")
		}
		structure := opened(message).structure()
		sizesAgree(t, message, structure, nil)
		root := parseParts(message)
		bodyContains(root, "x")
		headerContains(header, "x")
		envelopeOf(header)
		oversizeNotice(header, 1, 1, "INBOX")
	})
}

// sizesAgree walks a structure as a client does.
func sizesAgree(t *testing.T, message []byte, bs imap.BodyStructure, path []int) {
	t.Helper()
	switch bs := bs.(type) {
	case *imap.BodyStructureMultiPart:
		if len(bs.Children) == 0 {
			t.Fatal("a multipart without parts") // the library would panic
		}
		for i, child := range bs.Children {
			sizesAgree(t, message, child, append(append([]int{}, path...), i+1))
		}
	case *imap.BodyStructureSinglePart:
		own := path
		if len(own) == 0 {
			own = []int{1}
		}
		if got := opened(message).section(&imap.FetchItemBodySection{Part: own}); uint32(len(got)) != bs.Size {
			t.Fatalf("part %v is told with %d bytes and has %d", own, bs.Size, len(got))
		}
		if bs.MessageRFC822 == nil {
			return
		}
		inner := bs.MessageRFC822.BodyStructure
		if _, single := inner.(*imap.BodyStructureSinglePart); single {
			own = append(append([]int{}, own...), 1)
		}
		sizesAgree(t, message, inner, own)
	}
}
