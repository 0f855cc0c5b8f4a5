package pgpmime_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// ticketOrder is a field for the ticket system, at the beginning of a line for any reader.
var ticketOrder = regexp.MustCompile(`(?i)[\r\n]x-zammad-ticket-owner[\t ]*:`)

// TestHostileFields: no field that is too long, hidden behind a NUL, or a part's own beside inline PGP comes through.
func TestHostileFields(t *testing.T) {
	c := newCast(t)
	inline := armored(t, func(w *bytes.Buffer) error {
		_, err := w.Write(encryptedPackets(t, "hello", c.people["desk"], nil))
		return err
	})
	for name, message := range map[string]string{
		"after a long field":   header + "X-A: " + strings.Repeat("a", 1<<20+10) + "\rX-Zammad-Ticket-Owner: boss\r\n\r\nx",
		"a long name":          header + "X-Zammad-Ticket-Owner" + strings.Repeat("\t", 1<<20+10) + ": boss\r\n\r\nx",
		"a type with a NUL":    header + "Content-Type: multi\x00part/mixed; boundary=b\r\n\r\n--b\r\nX-Zammad-Ticket-Owner: boss\r\n\r\nx\r\n--b--\r\n",
		"a part with its own":  header + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX-Zammad-Ticket-Owner: boss\r\n\r\n" + inline + "\r\n--b\r\nContent-Disposition: attachment; filename=x.pdf\r\n\r\nx\r\n--b--\r\n",
		"a message in base64?": header + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nX-Zammad-Ticket-Owner: boss\r\n\r\nx\r\n--b--\r\n",
	} {
		if o := open(t, []byte(message), c.keys); ticketOrder.Match(o.Message) {
			t.Errorf("%s comes through", name)
		}
	}
}

// TestHTMLByAnyReading: beside what anybody could read as shown HTML an encrypted part stays closed.
func TestHTMLByAnyReading(t *testing.T) {
	c := newCast(t)
	for _, fields := range []string{
		"Content-Type: text/html; a=b; A=c", "Content-Type: text/html charset=utf-8", "Content-Type: text/plain\r\nContent-Type: text/html",
		"Content-Type: text/html\r\nContent-Disposition: attachment\r\nContent-Disposition: inline", "Content-Type: text/ht\x00ml",
	} {
		message := header + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + fields + "\r\n\r\n<img src=\"\r\n--b\r\n" +
			"Content-Type: text/plain\r\n\r\nhi\r\n--b\r\n" + rawEncrypted(t, encryptedPackets(t, secretText, c.people["desk"], nil)) + "\r\n--b--\r\n"
		if o := open(t, []byte(message), c.keys); bytes.Contains(o.Message, []byte("canary")) {
			t.Errorf("%q: opened: %s", fields, o.Verdict)
		}
	}
}

// TestOnePlaintextLimit: the limit of plaintext holds for all files of a message together.
func TestOnePlaintextLimit(t *testing.T) {
	c := newCast(t)
	file := armored(t, func(w *bytes.Buffer) error {
		_, err := w.Write(encryptedPackets(t, strings.Repeat("a", 40_000), c.people["desk"], nil))
		return err
	})
	var b strings.Builder
	b.WriteString(header + "Content-Type: multipart/mixed; boundary=b\r\n\r\n")
	for i := range 10 {
		fmt.Fprintf(&b, "--b\r\nContent-Disposition: attachment; filename=\"%d.txt.asc\"\r\n\r\n%s\r\n", i, file)
	}
	o, err := pgpmime.Open([]byte(b.String()+"--b--\r\n"), c.keys, pgpmime.Options{Now: now, Limits: pgpmime.Limits{Decompressed: 100_000}})
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for _, l := range o.Verdict.Layers {
		if l.Encryption == pgpmime.Decrypted {
			opened++
		} else if l.Limit != "decompressed" {
			t.Errorf("%+v", l)
		}
	}
	if opened == 0 || opened > 2 || len(o.Verdict.Layers) != 10 {
		t.Errorf("%d of %d files opened", opened, len(o.Verdict.Layers))
	}
}

// TestHostileSizes: what was quadratic once ends in a moment; the deadline of the test run is its limit.
func TestHostileSizes(t *testing.T) {
	c := newCast(t)
	var boundaries strings.Builder
	for i := range 400_000 {
		fmt.Fprintf(&boundaries, " --=_sealgate_%x\n", i)
	}
	for name, message := range map[string]string{
		"boundaries inside": header + "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: text/plain\r\n\r\nhi\r\n--o\r\n" +
			rawEncrypted(t, encryptedPackets(t, "Content-Type: text/plain\r\n\r\n"+boundaries.String(), c.people["desk"], nil)) + "\r\n--o--\r\n",
		"a legacy display": header + rawEncrypted(t, encryptedPackets(t, strings.Repeat("a:c\r\n", 40_000)+
			"a:b\r\nContent-Type: text/plain; hp=\"cipher\"; hp-legacy-display=\"1\"\r\n\r\n"+strings.Repeat("a:b\r\n", 12_000)+"\r\nx", c.people["desk"], nil)),
	} {
		if o := open(t, []byte(message), c.keys); o.Verdict.Encryption == pgpmime.EncryptionNone {
			t.Errorf("%s: %s", name, o.Verdict)
		}
	}
}
