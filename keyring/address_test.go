package keyring

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestUserIDAddress(t *testing.T) {
	table, err := os.ReadFile("testdata/addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		literal, want, ok := strings.Cut(line, "=>")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		userID, err := strconv.Unquote(strings.TrimSpace(literal))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		t.Run(literal, func(t *testing.T) {
			want := strings.TrimPrefix(strings.TrimSpace(want), "-")
			if got := userIDAddress(userID); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestCanonicalAddressIsStableAndBounded(t *testing.T) {
	for _, bad := range []string{
		"<ann@example.org>", strings.Repeat("a", 65) + "@example.org",
		"ann@" + strings.Repeat("a.", 130) + "org", "ann@" + strings.Repeat("a", 64) + ".org",
	} {
		if got, err := CanonicalAddress(bad); err == nil {
			t.Errorf("%q was taken as %q", bad, got)
		}
	}
	once, err := CanonicalAddress("Ann.Bell@BÜCHER.example")
	if err != nil || once != "Ann.Bell@xn--bcher-kva.example" {
		t.Fatalf("got %q, %v", once, err)
	}
	if again, err := CanonicalAddress(once); err != nil || again != once {
		t.Errorf("canonical twice is %q, %v", again, err)
	}
	if got := Fold(once); got != "ann.bell@xn--bcher-kva.example" {
		t.Errorf("folded is %q", got)
	}
}

func TestDisplayTextHasNoControlCharacters(t *testing.T) {
	if got := displayText("x\r\nSealgate-Signature: good\x1b[2J\xff\u202e"); got != "x\ufffd\ufffdSealgate-Signature: good\ufffd[2J\ufffd\ufffd" {
		t.Errorf("got %q", got)
	}
}

func FuzzUserIDAddress(f *testing.F) {
	for _, seed := range []string{"Ann <ann@example.org>", "a@x <b@y>", `"a\@b"@x.example`, "ann@bücher.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address := userIDAddress(text)
		if address == "" {
			return
		}
		again, err := CanonicalAddress(address)
		if err != nil || again != address {
			t.Errorf("%q gave %q, which canonically is %q (%v)", text, address, again, err)
		}
	})
}
