package pgpmime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// TestLook takes messages apart as people want to read them.
func TestLook(t *testing.T) {
	part := func(kind string, parts ...string) string {
		boundary := "b" + fmt.Sprint(len(parts)) + kind
		return "Content-Type: multipart/" + kind + "; boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\n" + strings.Join(parts, "\r\n--"+boundary+"\r\n") + "\r\n--" + boundary + "--\r\n"
	}
	const text, html = "Content-Type: text/plain\r\n\r\nthe text", "Content-Type: text/html\r\n\r\n<p>the text"
	const file = "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8="
	for _, c := range []struct {
		name, entity, text, html, files string
	}{
		{"text", text, "the text", "", ""},
		{"nothing said", "\r\nthe text", "the text", "", ""},
		{"HTML", html, "", "<p>the text", ""},
		{"both", part("alternative", text, html), "the text", "<p>the text", ""},
		{"both and a file", part("mixed", part("alternative", text, html), file), "the text", "<p>the text", "a.pdf application/pdf 5;"},
		{"footer", part("mixed", text, "Content-Type: text/plain\r\n\r\nfooter"), "the text\n\nfooter", "", ""},
		{"text file", part("mixed", text, "Content-Type: text/plain; name=n.txt\r\nContent-Disposition: inline; filename=n.txt\r\n\r\nx"), "the text", "", "n.txt text/plain 1;"},
		{"message", part("mixed", text, "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny"), "the text", "", "message.eml message/rfc822 15;"},
		{"latin 1", "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ngr=FC=DFe", "grüße", "", ""},
		{"koi8", "Content-Type: text/plain; charset=koi8-r\r\n\r\n\xcd\xc9\xd2", "мир", "", ""},
		{"unknown charset", "Content-Type: text/plain; charset=nowhere\r\n\r\nok \xff", "ok \uFFFD", "", ""},
		{"damaged base64", "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs!bG8gd29", "hello ", "", ""},
		{"no parts", "Content-Type: multipart/mixed; boundary=x\r\n\r\nthe text", "the text", "", ""},
		{"broken type", "Content-Type: ;;;\r\n\r\nx", "", "", "attachment application/octet-stream 1;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := pgpmime.Look([]byte(header + c.entity))
			files := ""
			for _, a := range v.Attachments {
				files += fmt.Sprintf("%s %s %d;", a.Name, a.ContentType, len(a.Content))
			}
			if v.Text != c.text || v.HTML != c.html || files != c.files {
				t.Errorf("text %q, HTML %q, files %q", v.Text, v.HTML, files)
			}
			if v.From != "Alice <alice@customer.test>" || v.Subject != "question" || v.Date.IsZero() {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestAttachmentNames: a name from a stranger is a name, and nothing more.
func TestAttachmentNames(t *testing.T) {
	for given, want := range map[string]string{
		`report.pdf`: "report.pdf", `../../etc/passwd`: "passwd", `C:\\Users\\x\\a.exe`: "a.exe", `..`: "attachment", `.htaccess`: "htaccess",
		"=?utf-8?q?a=0A=1B[2J.pdf?=": "a[2J.pdf", "=?utf-8?q?evil=E2=80=AEfdp.exe?=": "evilfdp.exe", `a|b<c>.txt`: "a_b_c_.txt", `-rf`: "rf",
		strings.Repeat("x", 300) + ".pdf": strings.Repeat("x", 56) + ".pdf", `trailing. `: "trailing",
	} {
		v := pgpmime.Look([]byte("Content-Type: application/x\r\nContent-Disposition: attachment; filename=\"" + given + "\"\r\n\r\nx"))
		if len(v.Attachments) != 1 || v.Attachments[0].Name != want {
			t.Errorf("%q becomes %+v, want %q", given, v.Attachments, want)
		}
	}
}

// TestHeadersShownPlain: nothing in a shown field moves text around or breaks lines.
func TestHeadersShownPlain(t *testing.T) {
	v := pgpmime.Look([]byte("Subject: =?utf-8?q?a=E2=80=AEb=0D=0Ac=1B[2J?= \xff\r\n\r\n"))
	if v.Subject != "abc[2J \uFFFD" {
		t.Errorf("%q", v.Subject)
	}
}

// TestVerdictSentences: every word of the vocabulary reads as a sentence, the unknown ones as "not protected".
func TestVerdictSentences(t *testing.T) {
	seen := map[string]string{}
	for _, e := range []pgpmime.Encryption{
		pgpmime.EncryptionNone, pgpmime.Decrypted, pgpmime.EncryptionPartial, pgpmime.NoKey, pgpmime.Corrupt, pgpmime.EncryptionRefused, pgpmime.EncryptionMalformed,
	} {
		s := pgpmime.Verdict{Encryption: e}.String()
		if other, ok := seen[s]; ok || !strings.HasSuffix(s, ".") {
			t.Errorf("%s reads %q as %s does", e, s, other)
		}
		seen[s] = string(e)
	}
	for _, g := range []pgpmime.Signature{
		pgpmime.Good, pgpmime.UnapprovedKey, pgpmime.WrongSender, pgpmime.SignaturePartial, pgpmime.ExpiredKey, pgpmime.RevokedKey,
		pgpmime.UnknownKey, pgpmime.Weak, pgpmime.Unsupported, pgpmime.Bad, pgpmime.SignatureMalformed,
	} {
		s := pgpmime.Verdict{Signature: g, MatchedID: "a@x.test"}.String()
		if other, ok := seen[s]; ok || !strings.HasSuffix(s, ".") {
			t.Errorf("%s reads %q as %s does", g, s, other)
		}
		seen[s] = string(g)
	}
	if s := (pgpmime.Verdict{Encryption: "yes", Signature: "sure"}).String(); s != (pgpmime.Verdict{}).String() || s != "Not encrypted. Not signed." {
		t.Errorf("unknown words read %q", s)
	}
}
