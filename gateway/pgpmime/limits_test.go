package pgpmime_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// nested is a message of so many multiparts inside each other.
func nested(levels int) string {
	var b strings.Builder
	b.WriteString(header)
	for i := range levels {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"b%d\"\r\n\r\n--b%d\r\n", i, i)
	}
	b.WriteString("Content-Type: text/plain\r\n\r\nthe bottom\r\n")
	for i := levels - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "--b%d--\r\n", i)
	}
	return b.String()
}

// monsters are messages over a limit. Each has one of our fields on top.
func monsters() map[string]string {
	many := header + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 1100) + "--b--\r\n"
	embedded := header + strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 60) + "\r\nx\r\n"
	return map[string]string{
		"5,000 nested multiparts": nested(5000),
		"51 levels":               nested(51),
		"1,100 parts":             many,
		"60 embedded messages":    embedded,
		"a million fields":        header + strings.Repeat("a:\r\n", 1_000_000) + "\r\nx\r\n",
		"one long field":          header + "X-A: " + strings.Repeat("a", 300<<10) + "\r\n\r\nx\r\n",
		"no end of the header":    header + strings.Repeat("x", 300<<10),
	}
}

// TestMonstersPass: what is over a limit is delivered as it came, stripped at the top and with a verdict.
func TestMonstersPass(t *testing.T) {
	c := newCast(t)
	for name, monster := range monsters() {
		t.Run(name, func(t *testing.T) {
			o := open(t, []byte("Sealgate-Signature: good\r\n"+monster), c.keys)
			if o.Verdict.Encryption != pgpmime.EncryptionRefused || o.Verdict.Signature != pgpmime.SignatureNone || o.Changed {
				t.Errorf("%+v", o.Verdict)
			}
			if !bytes.Contains(o.Message, []byte(monster)) {
				t.Error("something is lost")
			}
			if bytes.Contains(o.Message, []byte("Sealgate-Signature: good")) || !strings.Contains(o.Verdict.Reason, "not looked into") {
				t.Errorf("reason %q", o.Verdict.Reason)
			}
			if o.Subject != "question" {
				t.Errorf("subject %q", o.Subject)
			}
			pgpmime.Look(o.Message)
			if _, err := pgpmime.Prepare([]byte(monster), "1@x", now, nil); !errors.Is(err, pgpmime.ErrMalformed) {
				t.Errorf("prepare: %v", err)
			}
		})
	}
}

// TestMonstersInside: the limits hold for what was encrypted and signed, too; the original stays closed then.
func TestMonstersInside(t *testing.T) {
	c := newCast(t)
	deep, allowed := strings.TrimPrefix(nested(60), header), strings.TrimPrefix(nested(48), header)
	encrypted := header + rawEncrypted(t, encryptedPackets(t, deep, c.people["desk"], c.people["alice"]))
	o := open(t, []byte(encrypted), c.keys)
	if o.Verdict.Encryption != pgpmime.EncryptionRefused || o.Verdict.Signature != pgpmime.SignatureNone || o.Changed ||
		bytes.Contains(o.Message, []byte("the bottom")) || !bytes.HasSuffix(o.Message, []byte(encrypted)) {
		t.Errorf("encrypted: %+v", o.Verdict)
	}
	signed := header + rawSigned(t, allowed, c.people["alice"], configAt(now))
	if o := open(t, []byte(signed), c.keys); o.Verdict.Signature != pgpmime.Good {
		t.Errorf("within the limit: %+v", o.Verdict)
	}
}

// TestSmallLimits: limits are what the caller says.
func TestSmallLimits(t *testing.T) {
	c := newCast(t)
	message := protect(t, header+secretText, pgpmime.Encrypted, nil, c.people["desk"])
	for name, limits := range map[string]pgpmime.Limits{
		"plaintext": {Decompressed: 20}, "depth": {Depth: 1}, "parts": {Parts: 2}, "header": {HeaderBytes: 100},
	} {
		o, err := pgpmime.Open(message, c.keys, pgpmime.Options{Now: now, Limits: limits})
		if err != nil || o.Verdict.Encryption != pgpmime.EncryptionRefused || bytes.Contains(o.Message, []byte("canary")) {
			t.Errorf("%s: %+v, %v", name, o.Verdict, err)
		}
	}
}

// TestAnonymousRecipients: hidden recipients are tried, but not without end.
func TestAnonymousRecipients(t *testing.T) {
	c := newCast(t)
	anonymous := func(readers ...*openpgp.Entity) []byte {
		var b bytes.Buffer
		w, err := openpgp.Encrypt(&b, nil, readers, nil, nil, configAt(now))
		if err != nil {
			t.Fatal(err)
		}
		if err := writeAll(w, secretText); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	ours := anonymous(c.people["stranger"], c.people["desk"])
	if o := open(t, []byte(header+rawEncrypted(t, ours)), c.keys); o.Verdict.Encryption != pgpmime.Decrypted {
		t.Errorf("for us: %+v", o.Verdict)
	}
	theirs := anonymous(c.people["stranger"])
	if o := open(t, []byte(header+rawEncrypted(t, theirs)), c.keys); o.Verdict.Encryption != pgpmime.NoKey || len(o.WaitingFor) == 0 {
		t.Errorf("for others: %+v", o.Verdict)
	}
	many := heldKeys{}
	for range 30 {
		many.secrets = append(many.secrets, c.people["bob"])
	}
	flood := append(bytes.Repeat(theirs[:packetLength(t, theirs)], 100), theirs...)
	if o := open(t, []byte(header+rawEncrypted(t, flood)), many); o.Verdict.Encryption != pgpmime.EncryptionRefused {
		t.Errorf("flood: %+v", o.Verdict)
	}
}

// TestPassphraseMessage: a message for whoever knows a passphrase is not for us, and costs no key derivation.
func TestPassphraseMessage(t *testing.T) {
	var b bytes.Buffer
	w, err := openpgp.SymmetricallyEncrypt(&b, []byte("secret"), nil, configAt(now))
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAll(w, secretText); err != nil {
		t.Fatal(err)
	}
	o := open(t, []byte(header+rawEncrypted(t, b.Bytes())), newCast(t).keys)
	if o.Verdict.Encryption != pgpmime.NoKey || !strings.Contains(o.Verdict.Reason, "passphrase") {
		t.Errorf("%+v", o.Verdict)
	}
}

// BenchmarkOpenMonster shows that 5,000 nested multiparts are judged fast.
func BenchmarkOpenMonster(b *testing.B) {
	monster, keys := []byte(nested(5000)), newCast(b).keys
	for b.Loop() {
		open(b, monster, keys)
	}
}

// BenchmarkMail protects and opens a message of 20 KB.
func BenchmarkMail(b *testing.B) {
	c := newCast(b)
	message := []byte(header + "Content-Type: text/plain\r\n\r\n" + strings.Repeat("What is the answer to this question?\r\n", 540))
	request := pgpmime.ProtectRequest{Protection: pgpmime.SignedEncrypted, Signer: c.people["alice"], To: []*openpgp.Entity{c.people["desk"]}, Now: now, Random: rand.Reader}
	o, err := pgpmime.Protect(message, request)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Protect", func(b *testing.B) {
		for b.Loop() {
			if _, err := pgpmime.Protect(message, request); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			if _, err := pgpmime.Open(o.Bytes(), c.keys, pgpmime.Options{Now: now.Add(time.Minute)}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
