package pgpmime_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// seeds are messages of all kinds.
func seeds(f *testing.F) {
	c := newCast(f)
	for _, body := range bodies {
		f.Add([]byte(header + body))
	}
	for _, p := range []pgpmime.Protection{pgpmime.Signed, pgpmime.Encrypted, pgpmime.SignedEncrypted} {
		f.Add(protect(f, header+secretText, p, c.people["alice"], c.people["desk"]))
	}
	f.Add([]byte(header + rawEncrypted(f, literal(f))))
	files, err := filepath.Glob("testdata/cases/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal("no cases", err)
	}
	for _, file := range files {
		message, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(message) < 64<<10 {
			f.Add(message)
		}
	}
}

// emptyLine ends a header; imitation is a field of ours.
var (
	emptyLine = regexp.MustCompile(`\n\r?\n`)
	imitation = regexp.MustCompile(`(?i)\nsealgate-[^\n]*:`)
)

// FuzzOpen: no message brings Open down, gets a good verdict without a key, or keeps an imitation of our fields.
func FuzzOpen(f *testing.F) {
	seeds(f)
	keys := newCast(f).keys // made anew: none of the seeds is signed by these
	f.Fuzz(func(t *testing.T, message []byte) {
		o := open(t, message, keys)
		if o.Verdict.Signature == pgpmime.Good || o.Verdict.Encryption == pgpmime.Decrypted {
			t.Fatalf("%+v", o.Verdict)
		}
		_, below, _ := strings.Cut(string(o.Message), "Sealgate-Verdict:")
		end := emptyLine.FindStringIndex(below)
		if end == nil {
			t.Fatalf("the header has no end: %q", o.Message)
		}
		head, body := below[:end[0]], below[end[1]:]
		if imitation.MatchString(head) {
			t.Fatalf("%q", o.Message)
		}
		structured := strings.Contains(strings.ToLower(string(message)), "multipart") || strings.Contains(strings.ToLower(string(message)), "message/")
		if !o.Changed && !structured && !bytes.HasSuffix(message, []byte(body)) {
			t.Fatalf("the body was changed: %q, %q", message, body)
		}
		if again := open(t, o.Message, keys); again.Subject != o.Subject {
			t.Fatalf("opened twice: %q and %q", o.Subject, again.Subject)
		}
	})
}

// FuzzPayload: nothing inside an encryption or a signature does either.
func FuzzPayload(f *testing.F) {
	seeds(f)
	c := newCast(f)
	f.Fuzz(func(t *testing.T, entity []byte) {
		entity = bytes.ReplaceAll(bytes.ReplaceAll(entity, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
		encrypted := open(t, []byte(header+rawEncrypted(t, encryptedPackets(t, string(entity), c.people["desk"], c.people["alice"]))), c.keys)
		signed := open(t, []byte(header+rawSigned(t, string(entity), c.people["alice"], configAt(now))), c.keys)
		for _, o := range []pgpmime.Opened{encrypted, signed} {
			if o.Verdict.Signature == pgpmime.Bad {
				t.Fatalf("%+v", o.Verdict)
			}
			_, below, _ := strings.Cut(string(o.Message), "Sealgate-Verdict:")
			if end := emptyLine.FindStringIndex(below); end == nil || imitation.MatchString(below[:end[0]]) {
				t.Fatalf("%q", o.Message)
			}
			if from := pgpmime.Look(o.Message).From; from != "Alice <alice@customer.test>" {
				t.Fatalf("from %q", from)
			}
		}
	})
}

// FuzzLook: anything can be shown.
func FuzzLook(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, message []byte) {
		v := pgpmime.Look(message)
		for _, s := range []string{v.From, v.To, v.Cc, v.Subject, v.Text, v.HTML} {
			if !utf8.ValidString(s) {
				t.Fatalf("%q is not UTF-8", s)
			}
		}
		for _, a := range v.Attachments {
			if a.Name == "" || strings.ContainsAny(a.Name, "/\\\x00\r\n") || !utf8.ValidString(a.Name) {
				t.Fatalf("name %q", a.Name)
			}
		}
	})
}

// FuzzOut: what Prepare takes, Protect takes or refuses; what leaves is 7-bit with CRLF, and has no secrets outside.
func FuzzOut(f *testing.F) {
	seeds(f)
	c := newCast(f)
	f.Fuzz(func(t *testing.T, message []byte) {
		_, _ = pgpmime.Summarize(message) //nolint:errcheck // it may refuse
		prepared, err := pgpmime.Prepare(message, "id@x.test", now, nil)
		if err != nil {
			return
		}
		if again, err := pgpmime.Prepare(prepared, "id@x.test", now, nil); err != nil || !bytes.Equal(prepared, again) {
			t.Fatalf("%v\n%q\n%q", err, prepared, again)
		}
		o, err := pgpmime.Protect(prepared, pgpmime.ProtectRequest{Protection: pgpmime.Signed, Signer: c.people["alice"], Now: now, Random: zeros{}})
		if err != nil {
			if o.Bytes() != nil {
				t.Fatal("an error and a message")
			}
			return
		}
		for line := range bytes.Lines(o.Bytes()) {
			if len(line) > 1000 || !bytes.HasSuffix(line, []byte("\r\n")) || bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x80 || r == 0 }) {
				t.Fatalf("a server may change %q", line)
			}
		}
		if v := open(t, o.Bytes(), c.keys).Verdict; v.Signature == pgpmime.Bad || v.Signature == pgpmime.SignatureMalformed {
			t.Fatalf("%+v of\n%q", v, o.Bytes())
		}
	})
}

// zeros is randomness for fuzzing.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
