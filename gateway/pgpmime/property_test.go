package pgpmime_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"pgregory.net/rapid"
)

// forged are fields that imitate ours, as a sender may write them.
var forged = []string{
	"Sealgate-Signature", "Sealgate-Verdict", "Sealgate-Encryption", "Sealgate-Signer", "Sealgate-Anything",
	"X-Zammad-Ticket-Priority", "X-OTRS-Queue", "X-Znuny-State",
}

// forge draws such a field in random case, with blanks, folds and characters that do not show. Its value is FORGED.
func forge(t *rapid.T) string {
	var name strings.Builder
	for _, r := range rapid.SampledFrom(forged).Draw(t, "name") {
		if rapid.Bool().Draw(t, "upper") {
			name.WriteString(strings.ToUpper(string(r)))
		} else {
			name.WriteString(strings.ToLower(string(r)))
		}
		if rapid.IntRange(0, 15).Draw(t, "odd") == 0 {
			name.WriteString(rapid.SampledFrom([]string{" ", "\t", "\x00", "\x01", "\r", "\r\n ", "\n\t", "\u200b", "\xff"}).Draw(t, "what"))
		}
	}
	colon := rapid.SampledFrom([]string{":", " :", "\t:", "\r\n :", ":\r\n ", ":\r\n\t\r\n "}).Draw(t, "colon")
	return name.String() + colon + "FORGED" + rapid.SampledFrom([]string{"\r\n", "\n", "\r\n more FORGED\r\n"}).Draw(t, "end")
}

// forgedEntity draws a MIME entity with forged fields at any place of any header.
func forgedEntity(t *rapid.T, depth int) string {
	var b strings.Builder
	fields := func(others ...string) {
		for _, f := range others {
			for range rapid.IntRange(0, 2).Draw(t, "forged") {
				b.WriteString(forge(t))
			}
			b.WriteString(f)
		}
		if rapid.Bool().Draw(t, "forged last") {
			b.WriteString(forge(t))
		}
		b.WriteString("\r\n")
	}
	kind := rapid.SampledFrom([]string{"text", "multipart", "message"}).Draw(t, "kind")
	switch {
	case kind == "multipart" && depth < 4:
		boundary := fmt.Sprintf("b%d", depth)
		fields("MIME-Version: 1.0\r\n", "Content-Type: multipart/mixed; boundary="+boundary+"\r\n", "X-Other: kept\r\n")
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			b.WriteString("--" + boundary + "\r\n" + forgedEntity(t, depth+1) + "\r\n")
		}
		b.WriteString("--" + boundary + "--\r\n")
	case kind == "message" && depth < 4:
		fields("Content-Type: message/rfc822\r\n")
		b.WriteString(forgedEntity(t, depth+1))
	default:
		fields("Content-Type: text/plain\r\n", "X-Other: kept\r\n")
		b.WriteString("hello\r\n")
	}
	return b.String()
}

// TestForgedFieldsNeverSurvive: at no level, in no spelling, protected or not.
func TestForgedFieldsNeverSurvive(t *testing.T) {
	c := newCast(t)
	named := regexp.MustCompile(`(?mi)^(sealgate|x-zammad|x-otrs|x-znuny)-`)
	rapid.Check(t, func(r *rapid.T) {
		entity := forgedEntity(r, 0)
		message := "From: alice@customer.test\r\nSubject: s\r\n" + entity
		switch rapid.IntRange(0, 2).Draw(r, "protection") {
		case 1:
			message = header + rawEncrypted(t, encryptedPackets(t, entity, c.people["desk"], nil))
		case 2:
			message = header + rawSigned(t, entity, c.people["alice"], configAt(now))
		}
		o, err := pgpmime.Open([]byte(message), c.keys, pgpmime.Options{Now: now, Instance: "sealgate.test"})
		if err != nil {
			r.Fatal(err)
		}
		if bytes.Contains(o.Message, []byte("FORGED")) {
			r.Fatalf("survived: %q", o.Message)
		}
		if _, below, _ := bytes.Cut(o.Message, []byte("Sealgate-Verdict:")); named.Match(below) {
			r.Fatalf("survived: %q", o.Message)
		}
		if n := bytes.Count(o.Message, []byte("X-Other: kept")); n != strings.Count(entity, "X-Other: kept") && !strings.HasPrefix(message, header) {
			r.Fatalf("other fields are lost: %q", o.Message)
		}
	})
}

// TestContentComesBack: whatever is protected comes back with the same content, for random MIME.
func TestContentComesBack(t *testing.T) {
	c := newCast(t)
	rapid.Check(t, func(t *rapid.T) {
		message := header + randomEntity(t, 0)
		p := rapid.SampledFrom([]pgpmime.Protection{pgpmime.Signed, pgpmime.Encrypted, pgpmime.SignedEncrypted}).Draw(t, "protection")
		out, err := pgpmime.Protect([]byte(message), pgpmime.ProtectRequest{
			Protection: p, Signer: c.people["alice"], To: []*openpgp.Entity{c.people["desk"]}, Now: now, Random: rand.Reader,
		})
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(out.Bytes()) {
			if len(line) > 1000 || bytes.HasPrefix(line, []byte("From ")) || !bytes.HasSuffix(line, []byte("\r\n")) ||
				(p == pgpmime.Signed && bytes.HasSuffix(bytes.TrimRight(line, "\r\n"), []byte(" "))) ||
				bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x80 }) {
				t.Fatalf("a server may change %q", line)
			}
		}
		o, err := pgpmime.Open(out.Bytes(), c.keys, pgpmime.Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		if (p != pgpmime.Encrypted) != (o.Verdict.Signature == pgpmime.Good) || (p != pgpmime.Signed) != (o.Verdict.Encryption == pgpmime.Decrypted) {
			t.Fatalf("verdict %+v", o.Verdict)
		}
		before, after := pgpmime.Look([]byte(message)), pgpmime.Look(o.Message)
		if fmt.Sprintf("%q", before) != fmt.Sprintf("%q", after) {
			t.Fatalf("before\n%q\nafter\n%q\nof\n%q", before, after, message)
		}
	})
}

// randomEntity draws MIME with all encodings and with content that servers like to change.
func randomEntity(t *rapid.T, depth int) string {
	if depth < 4 && rapid.IntRange(0, 2).Draw(t, "multipart") == 0 {
		kind := rapid.SampledFrom([]string{"mixed", "alternative", "related"}).Draw(t, "kind")
		var b strings.Builder
		fmt.Fprintf(&b, "Content-Type: multipart/%s; \r\n\tboundary=\"x%d\"\r\n\r\npreamble\r\n", kind, depth)
		for range rapid.IntRange(1, 4).Draw(t, "parts") {
			fmt.Fprintf(&b, "--x%d\r\n%s\r\n", depth, randomEntity(t, depth+1))
		}
		fmt.Fprintf(&b, "--x%d--\r\n", depth)
		return b.String()
	}
	text := strings.Join(rapid.SliceOf(rapid.OneOf(
		rapid.SampledFrom([]string{"From here", ".", "..", "trailing ", "tab\t", "", "--", "-- ", "=20", "für", strings.Repeat("long ", 300)}),
		rapid.StringMatching(`[ -,.-~äöü]{0,90}`),
	)).Draw(t, "lines"), "\r\n")
	switch rapid.IntRange(0, 3).Draw(t, "encoding") {
	case 0:
		return "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text + "\r\n"
	case 1:
		return "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>" + text
	case 2:
		return "Content-Type: application/pdf; name=\"Prüfung.pdf\"\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte(text)) + "\r\n"
	}
	return "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n" + text
}
