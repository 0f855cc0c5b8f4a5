package pgpmime

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// modelPart cuts an entity the simple way, the outermost delimiters first, reading everything once for each level. The
// parser reads everything once in all, and is to come to the same.
func modelPart(entity []byte, depth int, missingType string) string {
	fields, blank, body := split(entity)
	t, params := mediaType(fields)
	boundary := strings.TrimRight(params["boundary"], " \t")
	if missingType != "" && first(fields, "content-type") == "" {
		t = missingType
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%*s%s header %d blank %d body %d", depth, "", t, len(entity)-len(blank)-len(body), len(blank), len(body))
	switch {
	case len(blank)+len(body) == 0: // there is nothing to cut
		b.WriteString("\n")
	case strings.HasPrefix(t, "multipart/") && boundary != "":
		parts, closed := modelCut(body, boundary)
		fmt.Fprintf(&b, " closed %v\n", closed)
		missing := map[string]string{"multipart/digest": "message/rfc822"}[t]
		for _, p := range parts {
			b.WriteString(modelPart(p, depth+1, missing))
		}
	case embedded(t, fields):
		b.WriteString("\n" + modelPart(body, depth+1, ""))
	default:
		b.WriteString("\n")
	}
	return b.String()
}

func modelCut(body []byte, boundary string) (parts [][]byte, closed bool) {
	open := -1
	for at := 0; at < len(body); {
		l := firstLine(body[at:])
		rest, is := bytes.CutPrefix(l, []byte("--"+boundary))
		rest = bytes.TrimRight(rest, " \t\r\n")
		if is && (len(rest) == 0 || string(rest) == "--") {
			if open >= 0 {
				parts = append(parts, withoutLineEnd(body[open:at]))
			}
			if open = at + len(l); len(rest) > 0 {
				return parts, true
			}
		}
		at += len(l)
	}
	if open >= 0 {
		parts = append(parts, body[open:])
	}
	return parts, false
}

func withoutLineEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

// treeOf writes a parsed entity in the same form.
func treeOf(e *entity, depth int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%*s%s header %d blank %d body %d", depth, "", e.mediaType, e.body-e.start-int64(len(e.blank)), len(e.blank), e.end-e.body)
	nothing := int64(len(e.blank))+e.end-e.body == 0
	if strings.HasPrefix(e.mediaType, "multipart/") && e.boundary() != "" && !nothing {
		fmt.Fprintf(&b, " closed %v", e.closed)
	}
	if b.WriteString("\n"); nothing {
		return b.String()
	}
	for _, p := range e.parts {
		b.WriteString(treeOf(p, depth+1))
	}
	if e.embedded != nil {
		b.WriteString(treeOf(e.embedded, depth+1))
	}
	return b.String()
}

// checkParse compares the parser with the model.
func checkParse(t interface{ Fatalf(string, ...any) }, message []byte) {
	e, err := parse(Of(message), Limits{Depth: 100, Parts: 10000, HeaderBytes: 1 << 20})
	if err != nil {
		return
	}
	if got, want := treeOf(e, 0), modelPart(message, 0, ""); got != want {
		t.Fatalf("%q is cut\n%s, want\n%s", message, got, want)
	}
	stripped, _, err := (&stripper{source: Of(message), ws: &workspace{}}).message(e)
	if err != nil {
		t.Fatalf("strip: %v", err)
	}
	again, err := stripped.Bytes()
	if err != nil {
		t.Fatalf("%v", err)
	}
	if e.loose || bytes.ContainsAny(message, "\x00\r") || bytes.HasPrefix(message, []byte(" ")) || bytes.HasPrefix(message, []byte("\t")) {
		return
	}
	if !bytes.HasPrefix(again, message) {
		t.Fatalf("%q becomes %q", message, again)
	}
}

// TestParseIsTheSimpleCut: for lines that are mostly delimiters and fields, in any order.
func TestParseIsTheSimpleCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{
			"--a", "--a--", "--b", "--b--", "--a ", "--ab", "--b \t", "", "", "", "text", " folded", "X: y",
			"Content-Type: multipart/mixed; boundary=a", "Content-Type: multipart/signed; boundary=b",
			"Content-Type: message/rfc822", "Content-Type: text/plain", "Content-Type: multipart/mixed; boundary=\"a--\"", "--a----",
			"Content-Type: multipart/digest; boundary=\"b \"",
		}), 0, 25).Draw(t, "lines")
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
		message := strings.Join(lines, end)
		if rapid.Bool().Draw(t, "last line ends") {
			message += end
		}
		checkParse(t, []byte(message))
	})
}

// TestLongLines: lines and headers of any length around the size that is read at once.
func TestLongLines(t *testing.T) {
	for _, n := range []int{longestLine - 3, longestLine - 2, longestLine - 1, longestLine, longestLine + 1, 2 * longestLine, 2*longestLine - 1} {
		for _, end := range []string{"\n", "\r\n"} {
			long := strings.Repeat("x", n)
			checkParse(t, []byte("Content-Type: multipart/mixed; boundary=a"+end+end+"--a"+end+end+long+end+"--a"+end+end+long+end+long+end+"--a--"+end+long))
			checkParse(t, []byte("A: "+long+end+end+long))
		}
	}
}

// TestDelimiterWithManyBlanks: what is a delimiter for some readers only is stripped for both.
func TestDelimiterWithManyBlanks(t *testing.T) {
	message := []byte("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a" + strings.Repeat(" ", 2*longestLine) +
		"\r\nSealgate-Signature: good\r\n\r\nx\r\n--a--\r\n")
	e, err := parse(Of(message), Limits{}.withDefaults())
	if err != nil || !e.parts[0].loose {
		t.Fatalf("%v, %+v", err, e)
	}
	stripped, _, err := (&stripper{source: Of(message), ws: &workspace{}}).message(e)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := stripped.Bytes(); err != nil || bytes.Contains(b, []byte("Sealgate-")) {
		t.Errorf("the imitation survives (%v)", err)
	}
}

// FuzzParse: any bytes are cut as the model cuts them.
func FuzzParse(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nX: y\r\n--a--\r\n"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\npre\n--b \nx\n--b\n\n--b--y\n--b--"))
	f.Fuzz(func(t *testing.T, message []byte) { checkParse(t, message) })
}
