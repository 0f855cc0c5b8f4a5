package armor_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// TestAwkwardArmor: each file in testdata says what is to become of it: the text that is read, or the error.
func TestAwkwardArmor(t *testing.T) {
	outcomes := map[string]error{"no block": armor.ErrNoBlock, "corrupt": armor.ErrCorrupt, "unexpected end": io.ErrUnexpectedEOF}
	for name, c := range awkward(t) {
		t.Run(name, func(t *testing.T) {
			got, err := read(c.text)
			if want, fails := outcomes[c.want]; fails {
				if !errors.Is(err, want) {
					t.Errorf("%q, %v, want %v", got, err, want)
				}
			} else if err != nil || string(got) != c.want {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
			if crlf := strings.ReplaceAll(c.text, "\n", "\r\n"); c.want != "corrupt" && !strings.Contains(c.text, "\r") {
				if again, _ := read(crlf); !bytes.Equal(again, got) { //nolint:errcheck // compared above
					t.Errorf("with CRLF %q", again)
				}
			}
		})
	}
}

type awkwardCase struct{ want, text string }

// awkward reads the case files: the first line is what is wanted, the text comes after an empty line. {CR} and the like
// stand for what an editor would lose.
func awkward(t testing.TB) map[string]awkwardCase {
	t.Helper()
	files, err := filepath.Glob("testdata/awkward/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases, %v", err)
	}
	cases := map[string]awkwardCase{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, text, _ := strings.Cut(string(b), "\n\n")
		want, ok := strings.CutPrefix(want, "want: ")
		if !ok {
			t.Fatalf("%s does not say what is wanted", file)
		}
		text = strings.NewReplacer("{CR}", "\r", "{TAB}", "\t", "{BLANK}", " ", "{END OF FILE}\n", "", "{NUL}", "\x00").Replace(text)
		cases[strings.TrimSuffix(filepath.Base(file), ".txt")] = awkwardCase{want, text}
	}
	return cases
}

// TestLimits: what is too long is refused, and a long text before the armor is not.
func TestLimits(t *testing.T) {
	begin, end := "-----BEGIN PGP MESSAGE-----\n", "-----END PGP MESSAGE-----\n"
	long := strings.Repeat("eHh4", 5000)
	header := "Comment: " + strings.Repeat("long ", 36) + "\n"
	for name, text := range map[string]string{
		"headers":        begin + strings.Repeat("A: b\n", 101) + "\neHh4\n" + end,
		"header bytes":   begin + strings.Repeat(header, 95) + "\neHh4\n" + end,
		"header's line":  begin + "A: " + long + "\n\neHh4\n" + end,
		"line":           begin + "\n" + long + "\n" + end,
		"not much more":  begin + "\n" + long[:4100] + "\n" + end,
		"later line":     begin + "\neHh4\n" + long + "\n" + end,
		"line of blanks": begin + "\neHh4" + strings.Repeat(" ", 20_000) + "\n" + end,
	} {
		t.Run(name, func(t *testing.T) {
			if b, err := read(text); !errors.Is(err, armor.ErrCorrupt) {
				t.Errorf("read %d bytes, %v", len(b), err)
			}
		})
	}
	for name, text := range map[string]string{
		"many headers":    begin + strings.Repeat("A: b\n", 99) + "\neHh4\n" + end,
		"long line":       begin + "\n" + long[:4000] + "\n" + end,
		"text before":     strings.Repeat("lines of text\n", 100_000) + begin + "\neHh4\n" + end,
		"a long line":     strings.Repeat("x", 1_000_000) + "\n" + begin + "\neHh4\n" + end,
		"inside of lines": strings.Repeat("x", 32<<10) + begin + strings.Repeat("x", 64<<10) + begin + begin + "\neHh4\n" + end,
	} {
		t.Run(name, func(t *testing.T) {
			if b, err := read(text); err != nil || !strings.HasPrefix(string(b), "xxx") {
				t.Errorf("%.10q, %v", b, err)
			}
		})
	}
}

// TestRest: what follows the armor can be read, with another armor in it.
func TestRest(t *testing.T) {
	first, second := object(100_000), object(10)
	source := bufio.NewReaderSize(strings.NewReader(armored(t, first)+"text\r\n"+armored(t, second)+"bye"), 64<<10)
	for _, want := range [][]byte{first, second} {
		r, err := armor.NewReader(source)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) || r.Rest() != io.Reader(source) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if rest, err := io.ReadAll(source); err != nil || string(rest) != "bye" {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestNothingIsReadAfterEnd: the source is not asked for more once END was seen, be it a connection that stays silent.
func TestNothingIsReadAfterEnd(t *testing.T) {
	asked := errors.New("asked for more")
	r, err := armor.NewReader(io.MultiReader(strings.NewReader(armored(t, object(1000))), failing{asked}))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := io.ReadAll(r); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatIsAtHandComesFirst: lines that are there are not held back until more come.
func TestWhatIsAtHandComesFirst(t *testing.T) {
	text := armored(t, object(480))
	half := len(text) / 2 / 66 * 66
	for name, first := range map[string]string{"whole lines": text[:len("-----BEGIN PGP MESSAGE-----\r\n\r\n")+5*66], "other lines": text[:half] + "\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			asked := false
			r, err := armor.NewReader(io.MultiReader(strings.NewReader(first), onRead(func() { asked = true })))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := r.Read(make([]byte, 1000)); n < 100 || err != nil || asked {
				t.Errorf("%d bytes, %v, asked for more: %t", n, err, asked)
			}
		})
	}
}

// onRead is an empty source that tells when it is read.
type onRead func()

func (f onRead) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// TestSourceErrors: an error of the source is neither an end nor a fault of the armor, wherever it comes.
func TestSourceErrors(t *testing.T) {
	broken := errors.New("broken")
	text := "before\n" + strings.Replace(armored(t, object(100)), "\r\n\r\n", "\r\nComment: no\r\n\r\n", 1)
	for at := range len(text) - len("\r\n") {
		r, err := armor.NewReader(io.MultiReader(strings.NewReader(text[:at]), failing{broken}))
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !errors.Is(err, broken) {
			t.Fatalf("after %d characters: %v", at, err)
		}
	}
}

// TestTypes: each type is known, and only a text with a signature has no armor of its own.
func TestTypes(t *testing.T) {
	for _, want := range []string{armor.Message, armor.Signature, armor.PublicKey, armor.PrivateKey, armor.SignedMessage} {
		r, err := armor.NewReader(strings.NewReader("-----BEGIN " + want + "-----\n\neHh4\n-----END " + want + "-----\n"))
		if err != nil || r.Type() != want {
			t.Fatalf("%s: %v", want, err)
		}
		got, err := io.ReadAll(r)
		if (want == armor.SignedMessage) != errors.Is(err, armor.ErrCorrupt) || (err == nil) != (string(got) == "xxx") {
			t.Errorf("%s: %q, %v", want, got, err)
		}
	}
}
