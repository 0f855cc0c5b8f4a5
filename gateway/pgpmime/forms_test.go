package pgpmime_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
	"pgregory.net/rapid"
)

// ask protects a message as r says, by alice for desk.
func (c cast) ask(t testing.TB, message string, r pgpmime.ProtectRequest) pgpmime.Outgoing {
	t.Helper()
	r.Signer, r.To, r.Now, r.Random = c.people["alice"], []*openpgp.Entity{c.people["desk"]}, now, rand.Reader
	o, err := pgpmime.Protect([]byte(message), r)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestHiddenSubject: the subject is inside only where that was asked for, the ticket number outside only where that
// was, and the thread always.
func TestHiddenSubject(t *testing.T) {
	c := newCast(t)
	const message = "From: alice@customer.test\r\nTo: support@desk.test\r\nSubject: Re: [Ticket#4711] the canary\r\n" +
		"Keywords: canary\r\nIn-Reply-To: <1@desk.test>\r\nReferences: <0@desk.test> <1@desk.test>\r\nMessage-ID: <2@customer.test>\r\n\r\nhello\r\n"
	for _, s := range []struct {
		name    string
		request pgpmime.ProtectRequest
		outside string
	}{
		{"encrypted", pgpmime.ProtectRequest{Protection: pgpmime.Encrypted}, "Re: [Ticket#4711] the canary"},
		{"hidden", pgpmime.ProtectRequest{Protection: pgpmime.SignedEncrypted, HideSubject: true}, "[...]"},
		{"hidden but for the ticket", pgpmime.ProtectRequest{Protection: pgpmime.Encrypted, HideSubject: true, KeepTicket: true}, "[Ticket#4711] [...]"},
		{"asked to hide without encryption", pgpmime.ProtectRequest{Protection: pgpmime.Signed, HideSubject: true}, "Re: [Ticket#4711] the canary"},
		{"asked to hide inline", pgpmime.ProtectRequest{Protection: pgpmime.Encrypted, HideSubject: true, Inline: true}, "[...]"},
	} {
		o := c.ask(t, message, s.request)
		m, err := mail.ReadMessage(bytes.NewReader(o.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Header.Get("Subject"); got != s.outside || m.Header.Get("In-Reply-To") != "<1@desk.test>" || m.Header.Get("References") != "<0@desk.test> <1@desk.test>" {
			t.Errorf("%s: outside %v", s.name, m.Header)
		}
		if hidden := s.outside[0] == '['; hidden && bytes.Contains(bytes.ToLower(o.Bytes()), []byte("canary")) {
			t.Errorf("%s: the subject is outside:\n%s", s.name, o.Bytes())
		}
		if opened := open(t, o.Bytes(), c.keys); opened.Subject != "Re: [Ticket#4711] the canary" {
			t.Errorf("%s: opened with subject %q", s.name, opened.Subject)
		}
	}
}

// TestAnySubjectComesBack: whatever a subject holds, it leaves in secret and comes back.
func TestAnySubjectComesBack(t *testing.T) {
	c := newCast(t)
	rapid.Check(t, func(r *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-zäöü€😀]{8,40}`), 1, 20).Draw(r, "words")
		subject := strings.Join(words, " ")
		message := "From: alice@customer.test\r\nTo: support@desk.test\r\nSubject: " + subject + "\r\nMessage-ID: <2@customer.test>\r\n\r\nhello\r\n"
		o := c.ask(t, message, pgpmime.ProtectRequest{Protection: pgpmime.Encrypted, HideSubject: true, KeepTicket: true})
		header, _, _ := bytes.Cut(o.Bytes(), []byte("\r\n\r\n"))
		for _, w := range words {
			if bytes.Contains(header, []byte(w)) {
				r.Fatalf("%q is outside:\n%s", w, header)
			}
		}
		if opened := open(t, o.Bytes(), c.keys); opened.Subject != subject {
			r.Fatalf("subject %q, want %q", opened.Subject, subject)
		}
	})
}

// TestInlineOut: a message that is one text leaves as inline PGP where that was asked for; anything else does not.
func TestInlineOut(t *testing.T) {
	c := newCast(t)
	for _, p := range []pgpmime.Protection{pgpmime.Signed, pgpmime.Encrypted, pgpmime.SignedEncrypted} {
		for name, text := range map[string]string{
			"plain": "Content-Type: text/plain\r\n\r\nwhat is it?\r\n- dash\r\nFrom here\r\n",
			"8bit":  "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nf\xfcr Sie\r\n",
		} {
			o := c.ask(t, header+text, pgpmime.ProtectRequest{Protection: p, Inline: true})
			if !bytes.Contains(o.Bytes(), []byte("Content-Type: text/plain; charset=utf-8\r\n")) || bytes.Contains(o.Bytes(), []byte("multipart")) {
				t.Errorf("%s %s: not inline:\n%s", name, p, o.Bytes())
			}
			if _, err := pgpmime.Restore(p, o.Bytes()); err != nil {
				t.Errorf("%s %s: %v", name, p, err)
			}
			opened := open(t, o.Bytes(), c.keys)
			want := strings.TrimRight(pgpmime.Look([]byte(text)).Text, "\r\n")
			if got := strings.TrimRight(strings.ReplaceAll(strings.ReplaceAll(pgpmime.Look(opened.Message).Text, "\r\n", "\n"), "\n", "\r\n"), "\r\n"); got != want {
				t.Errorf("%s %s: came back as %q, want %q", name, p, got, want)
			}
			if p != pgpmime.Signed && opened.Verdict.Encryption != pgpmime.Decrypted {
				t.Errorf("%s %s: %s", name, p, opened.Verdict)
			}
		}
		o := c.ask(t, header+bodies["multipart"], pgpmime.ProtectRequest{Protection: p, Inline: true})
		if !bytes.Contains(o.Bytes(), []byte("multipart/")) {
			t.Errorf("%s: a multipart left inline", p)
		}
	}
}

// TestInlineIsNotAnotherForm: what is no armor as a whole never passes for inline PGP.
func TestInlineIsNotAnotherForm(t *testing.T) {
	c := newCast(t)
	encrypted := string(c.ask(t, header+"\r\nsecret\r\n", pgpmime.ProtectRequest{Protection: pgpmime.Encrypted, Inline: true}).Bytes())
	signed := string(c.ask(t, header+"\r\nsecret\r\n", pgpmime.ProtectRequest{Protection: pgpmime.Signed, Inline: true}).Bytes())
	for name, s := range map[string]struct {
		p       pgpmime.Protection
		message string
	}{
		"text after":        {pgpmime.Encrypted, encrypted + "clear\r\n"},
		"text before":       {pgpmime.Encrypted, strings.Replace(encrypted, "-----BEGIN", "clear\r\n-----BEGIN", 1)},
		"signed only":       {pgpmime.Encrypted, signed},
		"encrypted only":    {pgpmime.Signed, encrypted},
		"text after signed": {pgpmime.Signed, signed + "clear\r\n"},
	} {
		if _, err := pgpmime.Restore(s.p, []byte(s.message)); err == nil {
			t.Errorf("%s passed as %s", name, s.p)
		}
	}
}

// TestAttachedCertificate travels inside what is protected, and Autocrypt's outside.
func TestAttachedCertificate(t *testing.T) {
	c := newCast(t)
	alice := c.people["alice"]
	for _, p := range []pgpmime.Protection{pgpmime.Clear, pgpmime.Signed, pgpmime.Encrypted, pgpmime.SignedEncrypted} {
		o := c.ask(t, header+bodies["8bit"], pgpmime.ProtectRequest{Protection: p, Attach: alice, Autocrypt: alice})
		m, err := mail.ReadMessage(bytes.NewReader(o.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		_, keydata, _ := strings.Cut(m.Header.Get("Autocrypt"), "keydata=")
		binary, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(keydata, " ", ""))
		if err != nil || !sameCertificate(t, bytes.NewReader(binary), alice) {
			t.Errorf("%s: Autocrypt %q (%v)", p, m.Header.Get("Autocrypt"), err)
		}
		if p == pgpmime.Clear {
			continue
		}
		view := pgpmime.Look(open(t, o.Bytes(), c.keys).Message)
		if len(view.Attachments) != 1 || view.Attachments[0].ContentType != "application/pgp-keys" || !strings.Contains(view.Text, "für Sie") {
			t.Fatalf("%s: %+v", p, view)
		}
		attached, err := armor.NewReader(bytes.NewReader(view.Attachments[0].Content))
		if err != nil || !sameCertificate(t, attached, alice) {
			t.Errorf("%s: attached %s (%v)", p, view.Attachments[0].Content, err)
		}
	}
}

func sameCertificate(t testing.TB, r io.Reader, want *openpgp.Entity) bool {
	t.Helper()
	list, err := openpgp.ReadKeyRing(r)
	return err == nil && len(list) == 1 && bytes.Equal(list[0].PrimaryKey.Fingerprint, want.PrimaryKey.Fingerprint) && list[0].PrivateKey == nil
}

// TestSessionKeysDiffer: no two messages share a session key, and no two copies of one message.
func TestSessionKeysDiffer(t *testing.T) {
	c := newCast(t)
	seen := map[string]bool{}
	for range 200 {
		o := c.ask(t, header+bodies["plain"], pgpmime.ProtectRequest{Protection: pgpmime.Encrypted})
		block, err := armor.NewReader(bytes.NewReader(o.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		d, err := pgp.Decrypt(io.Discard, block, func([]string) (pgp.Ring, error) { return secretRing{openpgp.EntityList{c.people["desk"]}}, nil },
			pgp.Options{Now: now, WithSessionKey: true})
		if err != nil || len(d.SessionKey) != 32 || seen[string(d.SessionKey)] {
			t.Fatalf("session key %d of %d bytes, seen before: %v (%v)", len(seen), len(d.SessionKey), seen[string(d.SessionKey)], err)
		}
		seen[string(d.SessionKey)] = true
	}
}

// secretRing is a ring of secret keys.
type secretRing struct{ openpgp.EntityList }

func (r secretRing) Secrets() openpgp.EntityList { return r.EntityList }

// TestRelayLeavesSignedPartsAlone: what others signed passes byte for byte, in both directions, wherever it stands.
func TestRelayLeavesSignedPartsAlone(t *testing.T) {
	c := newCast(t)
	rapid.Check(t, func(r *rapid.T) {
		entity := strings.ReplaceAll(randomEntity(r, 0), "\x00", "")
		kind := rapid.SampledFrom([]string{"application/pkcs7-signature", "application/pgp-signature"}).Draw(r, "kind")
		boundary := "sig-" + rapid.StringMatching(`[a-z]{8}`).Draw(r, "boundary")
		signed := fmt.Sprintf("Content-Type: multipart/signed; protocol=\"%s\"; boundary=\"%s\"\r\n\r\n--%s\r\n%s\r\n--%s\r\nContent-Type: %s\r\n\r\nMIIB\r\n--%s--\r\n",
			kind, boundary, boundary, entity, boundary, kind, boundary)
		part := "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=top\r\n\r\n--top\r\nContent-Type: text/plain\r\n\r\nhello\r\n--top\r\n" + signed + "\r\n--top--\r\n"
		if kind == "application/pkcs7-signature" && rapid.Bool().Draw(r, "whole") {
			part = signed
		}
		o := open(t, []byte("From: alice@customer.test\r\nSubject: s\r\n"+part), c.keys)
		if !bytes.HasSuffix(o.Message, []byte(part)) {
			r.Fatalf("%q became %q", part, o.Message)
		}
	})
}
