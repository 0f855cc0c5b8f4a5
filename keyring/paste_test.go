package keyring

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// each line of a text, with something before it and something after.
func each(before, after string) func(string) string {
	return func(text string) string {
		return before + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", after+before) + after
	}
}

func every(old, instead string) func(string) string {
	return func(text string) string { return strings.ReplaceAll(text, old, instead) }
}

// everyTenth puts something into each run of ten characters.
func everyTenth(extra string) func(string) string {
	return func(text string) string {
		var out strings.Builder
		for i, r := range text {
			if out.WriteRune(r); i%10 == 9 {
				out.WriteString(extra)
			}
		}
		return out.String()
	}
}

// TestPasteTolerance: what mail programs, forms and pages do to a block on its way is undone, for a paste and for a dump.
func TestPasteTolerance(t *testing.T) {
	first := armored(t, "PUBLIC KEY BLOCK", ann(t).public())
	second := armored(t, "PUBLIC KEY BLOCK", bob(t).public())
	both := "My keys, old and new:\n\n" + first + "\n" + second
	for name, mangle := range map[string]func(string) string{
		"as it was":                     func(text string) string { return text },
		"leading blanks":                each("    ", "\n"),
		"leading tabs":                  each("\t\t", "\n"),
		"trailing blanks":               each("", "  \t\n"),
		"quoted once":                   each("> ", "\n"),
		"quoted without a blank":        each(">", "\n"),
		"quoted three times":            each("> > > ", "\n"),
		"quoted tightly":                each(">>> ", "\n"),
		"quoted with bars":              each("| | ", "\n"),
		"quoted and indented":           each("  > \t> ", "\n"),
		"no line end at the end":        func(text string) string { return strings.TrimRight(text, "\n") },
		"CRLF":                          every("\n", "\r\n"),
		"lone CR":                       every("\n", "\r"),
		"CR twice":                      every("\n", "\r\r\n"),
		"double spaced":                 every("\n", "\n\n"),
		"NBSP for blanks":               every(" ", "\u00a0"),
		"NBSP before lines":             each("\u00a0 \u00a0", "\n"),
		"NBSP in Latin-1":               each("\xa0\xa0", "\n"),
		"blanks of other widths":        each("\u2003\u2009\u202f\u3000", "\u2002\n"),
		"byte order marks":              each("\ufeff", "\n"),
		"zero-width blanks":             everyTenth("\u200b"),
		"joiners and soft hyphens":      everyTenth("\u2060\u00ad\u200d"),
		"direction marks":               everyTenth("\u200e\u202c"),
		"text on both sides":            func(text string) string { return "Hi,\n> see -----BEGIN PGP it\n" + text + "\n-- \nAnn\n" },
		"prose like a BEGIN line":       func(text string) string { return "-----BEGIN PGP PUBLIC KEY BLOCK----- is how it begins:\n" + text },
		"headers without a blank line":  every("BLOCK-----\n\n", "BLOCK-----\nVersion: X 1\nComment: https://x.example\nCharset: utf-8\n"),
		"headers with one":              every("BLOCK-----\n\n", "BLOCK-----\nVersion: X 1\nComment: a b c\n\n"),
		"no blank line":                 every("BLOCK-----\n\n", "BLOCK-----\n"),
		"dash-escaped":                  every("-----", "- -----"),
		"blanks in the lines":           everyTenthDigit,
		"one line each":                 oneLineEach,
		"all in one line":               func(text string) string { return strings.ReplaceAll(text, "\n", " ") },
		"quoted-printable":              every("=", "=3D"),
		"without checksum":              withoutChecksum,
		"wrapped anew at 40 characters": func(text string) string { return rewrapped(text, 40) },
		"UTF-16, little end first":      func(text string) string { return string(utf16le(text)) },
	} {
		t.Run(name, func(t *testing.T) {
			input := []byte(mangle(both))
			parsed, err := Parse(input, noon())
			if err != nil {
				t.Fatal(err)
			}
			for door, items := range map[string][]*Item{
				"paste": parsed, "dump": scanAll(t, bytes.NewReader(input)), "dump, octet by octet": scanAll(t, iotest.OneByteReader(bytes.NewReader(input))),
			} {
				if got := addressesOf(items); got != "ann@example.org bob@example.org " {
					t.Errorf("%s: %s", door, got)
				}
			}
		})
	}
}

// addressesOf tells items apart by their first address, or by their sentence.
func addressesOf(items []*Item) string {
	var out strings.Builder
	for _, i := range items {
		if i.Err != nil {
			fmt.Fprintf(&out, "(%v) ", i.Err)
			continue
		}
		out.WriteString(i.Certificate.UserIDs[0].Address + " ")
	}
	return out.String()
}

// everyTenthDigit puts blanks between the digits only: those in a BEGIN line count.
func everyTenthDigit(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "-") && !strings.HasPrefix(line, "=") {
			line = everyTenth(" ")(line)
		}
		out.WriteString(line)
	}
	return out.String()
}

func oneLineEach(text string) string {
	blocks := strings.SplitAfter(text, "END PGP PUBLIC KEY BLOCK-----")
	for i := range blocks {
		begin := max(0, strings.Index(blocks[i], "-----BEGIN"))
		blocks[i] = blocks[i][:begin] + strings.ReplaceAll(blocks[i][begin:], "\n", " ")
	}
	return strings.Join(blocks, "\n")
}

func withoutChecksum(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "=") {
			out.WriteString(line)
		}
	}
	return out.String()
}

func rewrapped(text string, width int) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		for len(line) > width+1 && !strings.HasPrefix(line, "-") {
			out.WriteString(line[:width] + "\n")
			line = line[width:]
		}
		out.WriteString(line)
	}
	return out.String()
}

// TestPasteDamage: what cannot be undone is said for the block that it hit, and its neighbour is taken, at both doors.
func TestPasteDamage(t *testing.T) {
	first := armored(t, "PUBLIC KEY BLOCK", ann(t).public())
	second := armored(t, "PUBLIC KEY BLOCK", bob(t).public())
	for name, c := range map[string]struct{ input, want string }{
		"END line lost":        {strings.Replace(first, "-----END PGP PUBLIC KEY BLOCK-----", "", 1) + second, "(" + errCutArmor.Error() + ") bob@example.org "},
		"second half lost":     {first[:len(first)/2] + "\n" + second, "(" + errCutArmor.Error() + ") bob@example.org "},
		"one wrong character":  {strings.Replace(first, "\nx", "\n*", 1) + second, "(" + errDamagedArmor.Error() + ") bob@example.org "},
		"nothing in the block": {"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n" + second, "(" + errCutBlock.Error() + ") bob@example.org "},
		"a signed text":        {string(clearsigned(t)), "(" + errSignedText.Error() + ") bob@example.org "},
	} {
		t.Run(name, func(t *testing.T) {
			items, err := Parse([]byte(c.input), noon())
			if got := addressesOf(items); err != nil || got != c.want {
				t.Errorf("paste: %s, %v", got, err)
			}
			if got := addressesOf(scanAll(t, strings.NewReader(c.input))); got != c.want {
				t.Errorf("dump: %s", got)
			}
		})
	}
}

// TestBothDoorsSayWhatNothingIs: an input without any block gets the same sentence as a paste and as a dump.
func TestBothDoorsSayWhatNothingIs(t *testing.T) {
	for name, input := range map[string]string{
		"empty":         " \r\n\u00a0",
		"garbage":       "Dear support, my key is attached.\n",
		"lost dashes":   "BEGIN PGP PUBLIC KEY BLOCK\n\nmDMEZ\n",
		"S/MIME":        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
		"SSH":           "ssh-ed25519 AAAAC3Nz ann@laptop\n",
		"pasted binary": strings.ToValidUTF8(string(ann(t).public()), "\ufffd"),
		"as Latin-1":    string(latin1(ann(t).public())),
		"long":          strings.Repeat("ä", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			_, pasted := Parse([]byte(input), noon())
			scanned := Scan(io.LimitReader(strings.NewReader(input), 1<<20), noon(), func(i *Item) error { t.Errorf("item %v", i); return nil })
			if pasted == nil || scanned == nil || pasted.Error() != scanned.Error() {
				t.Errorf("as a paste: %v\nas a dump: %v", pasted, scanned)
			}
		})
	}
}
