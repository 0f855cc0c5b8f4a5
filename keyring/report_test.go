package keyring

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// report puts the result of a parse into text. Fingerprints differ from run to run, so they read KEY-1, KEY-2, … in
// the order in which they come up.
func report(items []*Item, err error) string {
	var out strings.Builder
	if err != nil {
		fmt.Fprintf(&out, "error: %v\n", err)
	}
	for _, item := range items {
		fmt.Fprintf(&out, "item %d", item.Index)
		if item.HasSecret {
			out.WriteString(", with secret key")
		}
		if item.Locked {
			out.WriteString(", locked")
		}
		if item.Err != nil {
			fmt.Fprintf(&out, "\n  error: %v\n", item.Err)
			continue
		}
		out.WriteString("\n" + reportCertificate(item.Certificate))
	}
	return nameKeys(out.String())
}

func reportCertificate(c *Certificate) string {
	var out strings.Builder
	fmt.Fprintf(&out, "  %s v%d %s, created %s, %s\n", c.Fingerprint, c.Version, c.Algorithm, day(c.Created), expires(c.Expires))
	if c.Revoked {
		out.WriteString("  revoked\n")
	}
	for _, u := range c.UserIDs {
		fmt.Fprintf(&out, "  user ID %q, address %q%s%s\n", u.Text, u.Address, word(u.Valid, "valid"), word(u.Revoked, "revoked"))
	}
	for _, s := range c.Subkeys {
		fmt.Fprintf(&out, "  subkey %s %s, created %s, %s%s%s%s\n", s.Fingerprint, s.Algorithm, day(s.Created), expires(s.Expires),
			word(s.CanSign, "signs"), word(s.CanEncrypt, "encrypts"), word(s.Revoked, "revoked"))
	}
	approved := *c
	approved.State = Approved
	fmt.Fprintf(&out, "  for encryption: %s\n  for signing: %s\n", usable(approved.ForEncryption(noon())), usable(approved.ForSigning(noon())))
	return out.String()
}

func day(t time.Time) string { return t.Format(time.DateOnly) }

func expires(t time.Time) string {
	if t.IsZero() {
		return "never expires"
	}
	return "expires " + day(t)
}

func word(on bool, text string) string {
	if on {
		return ", " + text
	}
	return ""
}

func usable(r Reason) string {
	if r == Usable {
		return "usable"
	}
	return string(r)
}

func nameKeys(text string) string {
	names := map[string]string{}
	return regexp.MustCompile(`\b([0-9A-F]{64}|[0-9A-F]{40})\b`).ReplaceAllStringFunc(text, func(fingerprint string) string {
		if names[fingerprint] == "" {
			names[fingerprint] = fmt.Sprintf("KEY-%d", len(names)+1)
		}
		return names[fingerprint]
	})
}

// golden compares got with a file in testdata. SEALGATE_GOLDEN=write writes the file instead.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if os.Getenv("SEALGATE_GOLDEN") == "write" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}
