package pgpmime_test

import (
	"bytes"
	"strings"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// TestBeyondALimitNoPartImitatesUs: a message that is too large or too deep to parse is passed on as it came, but for what
// looks like ours in any header that a reader may find in it.
func TestBeyondALimitNoPartImitatesUs(t *testing.T) {
	part := "--b\r\nSealgate-Signature: good\r\nX-Zammad-Ticket-Owner: boss\r\n folded\r\nContent-Type: text/plain\r\n\r\nSealgate-Signature: good, says the text\r\n"
	message := "From: a@b.test\r\nSubject: hello\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat(part, 30) + "--b--\r\n"
	o, err := pgpmime.Open([]byte(message), heldKeys{}, pgpmime.Options{Now: now, Instance: "gate.test", Limits: pgpmime.Limits{Parts: 20}})
	if err != nil || o.Verdict.Limit != "parts" {
		t.Fatalf("limit %q, %v", o.Verdict.Limit, err)
	}
	_, body, _ := strings.Cut(string(o.Message), "\r\n\r\n")
	if n := strings.Count(body, "Sealgate-Signature: good\r\n"); n != 0 {
		t.Errorf("%d parts imitate us\n%s", n, body[:300])
	}
	if strings.Contains(body, "X-Zammad") || strings.Contains(body, "folded") {
		t.Errorf("a field for the ticket system is left\n%s", body[:300])
	}
	if n := strings.Count(body, "Sealgate-Signature: good, says the text"); n != 30 {
		t.Errorf("the text of %d parts is as it was, want 30", n)
	}
}

// TestATextTooLargeToLookAtIsNotDropped: only what surely shows nothing may be left out beside a mangled message.
func TestATextTooLargeToLookAtIsNotDropped(t *testing.T) {
	c := newCast(t)
	inner := rawEncrypted(t, encryptedPackets(t, secretText, c.people["desk"], nil))
	beside := "<p>Read me</p>" + strings.Repeat(" \r\n", 1<<20)
	message := "From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=foot\r\n\r\n--foot\r\n" + inner +
		"\r\n--foot\r\nContent-Type: text/html\r\n\r\n" + beside + "\r\n--foot--\r\n"
	o := open(t, []byte(message), c.keys)
	if !strings.Contains(string(o.Message), "Read me") {
		t.Errorf("what came beside is gone, and the verdict says %s", o.Verdict)
	}
}

// TestOneSidecarIsReadForAFile: however many signatures claim a file, it is read once.
func TestOneSidecarIsReadForAFile(t *testing.T) {
	c := newCast(t)
	file := "the invoice"
	var b bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&b, []*openpgp.Entity{c.people["alice"]}, strings.NewReader(file), &openpgp.SignParams{Config: configAt(now)}); err != nil {
		t.Fatal(err)
	}
	sig := b.String()
	part := func(name, content string) string {
		return "--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"" + name + "\"\r\n\r\n" + content + "\r\n"
	}
	message := header + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part("a.txt", file) + strings.Repeat(part("a.txt.sig", sig)+part("a.txt.asc", sig), 10) + "--b--\r\n"
	sidecars := 0
	for _, l := range open(t, []byte(message), c.keys).Verdict.Layers {
		if l.Kind == pgpmime.KindSidecar {
			sidecars++
		}
	}
	if sidecars != 1 {
		t.Errorf("%d sidecars were read", sidecars)
	}
}
