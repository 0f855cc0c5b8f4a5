package pgpmime_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// TestCases plays testdata/cases. Each file tells what it shows, the verdict it wants, and the message, in which
//
//	@@ signed alice     …  @@ end   stands for the entity between the lines, signed,
//	@@ encrypted desk   …  @@ end   for that entity encrypted,
//	@@ sealed desk      …  @@ end   for that entity signed by alice inside the encryption,
//	@@ armored desk     …  @@ end   for the armored ciphertext alone,
//	@@ literal          …  @@ end   for an armored OpenPGP message that is not encrypted,
//
// {CR} and {NUL} for these characters. alice is a customer whose key was approved, mallory's was not, nobody has
// stranger's; desk is ours.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases found", err)
	}
	c := newCast(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c.play(t, string(text))
		})
	}
}

// cast are the people in the cases.
type cast struct {
	people map[string]*openpgp.Entity
	keys   heldKeys
}

func newCast(t testing.TB) cast {
	c := cast{people: map[string]*openpgp.Entity{
		"alice":    newKey(t, "Alice <alice@customer.test>", now.Add(-time.Hour)),
		"mallory":  newKey(t, "Alice <alice@customer.test>", now.Add(-time.Hour)),
		"bob":      newKey(t, "Bob <bob@customer.test>", now.Add(-time.Hour)),
		"stranger": newKey(t, "Stranger <stranger@x.test>", now.Add(-time.Hour)),
		"desk":     newKey(t, "Desk <support@desk.test>", now.Add(-time.Hour)),
	}}
	c.keys = heldKeys{secrets: openpgp.EntityList{c.people["desk"]}, signers: []pgpmime.Signer{
		{Entity: c.people["alice"], Approved: true}, {Entity: c.people["bob"], Approved: true}, {Entity: c.people["mallory"]},
	}}
	return c
}

// play checks one case: the lines before the empty one are what it wants.
func (c cast) play(t *testing.T, text string) {
	wanted, message, _ := strings.Cut(text, "\n\n")
	expanded := c.expand(t, strings.Split(strings.TrimSuffix(message, "\n"), "\n"))
	expanded = strings.NewReplacer("\n", "\r\n", "{CR}", "\r", "{NUL}", "\x00").Replace(strings.ReplaceAll(expanded, "\r\n", "\n"))
	o := open(t, []byte(expanded), c.keys)
	checkStamp(t, o)
	shown := string(o.Message)
	_, below, _ := strings.Cut(shown, "Sealgate-Verdict:")
	for line := range strings.Lines(wanted) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "shows":
		case "verdict":
			if got := fmt.Sprintf("%s %s", o.Verdict.Encryption, o.Verdict.Signature); got != value {
				t.Errorf("verdict %q, want %q: %s", got, value, o.Verdict)
			}
		case "has":
			if !strings.Contains(shown, value) {
				t.Errorf("%q is not in\n%s", value, shown)
			}
		case "lacks":
			if strings.Contains(strings.ToLower(below), strings.ToLower(value)) {
				t.Errorf("%q is in\n%s", value, shown)
			}
		case "subject":
			if o.Subject != value {
				t.Errorf("subject %q, want %q", o.Subject, value)
			}
		case "changed":
			if fmt.Sprint(o.Changed) != value {
				t.Errorf("changed %v", o.Changed)
			}
		case "waiting":
			if fmt.Sprint(len(o.WaitingFor)) != value {
				t.Errorf("waiting for %v", o.WaitingFor)
			}
		default:
			t.Fatalf("the case wants %q, which nobody knows", key)
		}
	}
}

// checkStamp reads the stamp back as a ticket system would: each field once, and the whole verdict in one of them.
func checkStamp(t testing.TB, o pgpmime.Opened) {
	t.Helper()
	var header strings.Builder // what begins the body for some reader ends the stamp for all
	for line := range strings.Lines(string(o.Message)) {
		if name, _, ok := strings.Cut(line, ":"); ok || strings.HasPrefix(line, " ") {
			header.WriteString(line)
			if ok && !strings.HasPrefix(name, "Sealgate-") {
				break
			}
		}
	}
	m, err := mail.ReadMessage(strings.NewReader(header.String() + "\r\n"))
	if err != nil {
		t.Fatalf("%v in\n%s", err, header.String())
	}
	for name, want := range map[string]string{
		"Sealgate-Encryption": string(o.Verdict.Encryption), "Sealgate-Signature": string(o.Verdict.Signature),
	} {
		if got := m.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.ReplaceAll(m.Header.Get("Sealgate-Verdict"), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	var verdict pgpmime.Verdict
	if err := json.Unmarshal(text, &verdict); err != nil || fmt.Sprint(verdict) != fmt.Sprint(o.Verdict) {
		t.Errorf("the stamp says %+v, the verdict is %+v (%v)", verdict, o.Verdict, err)
	}
}

// expand replaces the blocks of a case, the inner ones first.
func (c cast) expand(t *testing.T, lines []string) string {
	var out strings.Builder
	for i := 0; i < len(lines); i++ {
		order, is := strings.CutPrefix(lines[i], "@@ ")
		if !is {
			out.WriteString(lines[i] + "\n")
			continue
		}
		depth, end := 1, i+1
		for ; end < len(lines); end++ {
			if lines[end] == "@@ end" {
				depth--
			} else if strings.HasPrefix(lines[end], "@@ ") {
				depth++
			}
			if depth == 0 {
				break
			}
		}
		what, who, _ := strings.Cut(order, " ")
		out.WriteString(c.block(t, what, c.people[who], c.expand(t, lines[i+1:end])))
		i = end
	}
	return out.String()
}

func (c cast) block(t *testing.T, what string, who *openpgp.Entity, entity string) string {
	entity = strings.ReplaceAll(strings.ReplaceAll(entity, "\r\n", "\n"), "\n", "\r\n")
	switch what {
	case "signed":
		return wrapped(t, pgpmime.Signed, entity, who, nil)
	case "encrypted":
		return wrapped(t, pgpmime.Encrypted, entity, nil, who)
	case "sealed":
		return wrapped(t, pgpmime.SignedEncrypted, entity, c.people["alice"], who)
	case "armored":
		return armored(t, func(w *bytes.Buffer) error {
			p, err := openpgp.Encrypt(w, []*openpgp.Entity{who}, nil, nil, nil, configAt(now))
			if err != nil {
				return err
			}
			return writeAll(p, entity)
		})
	case "literal":
		return armored(t, func(w *bytes.Buffer) error {
			p, err := packet.SerializeLiteral(noClose{w}, true, "", 0)
			if err != nil {
				return err
			}
			return writeAll(p, entity)
		})
	}
	t.Fatalf("the case has a block %q, which nobody knows", what)
	return ""
}

// wrapped returns an entity that is protected, without fields that describe the message. All fields of the entity are
// protected: a case may put there what a sender should not.
func wrapped(t *testing.T, p pgpmime.Protection, entity string, signer, to *openpgp.Entity) string {
	if p == pgpmime.Signed {
		return rawSigned(t, entity, signer, configAt(now))
	}
	var binary bytes.Buffer
	var signers []*openpgp.Entity
	if signer != nil {
		signers = []*openpgp.Entity{signer}
	}
	w, err := openpgp.Encrypt(&binary, []*openpgp.Entity{to}, nil, signers, nil, configAt(now))
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAll(w, entity); err != nil {
		t.Fatal(err)
	}
	return rawEncrypted(t, binary.Bytes())
}

// rawEncrypted puts any OpenPGP message into a multipart/encrypted.
func rawEncrypted(t testing.TB, binary []byte) string {
	text := armored(t, func(w *bytes.Buffer) error { _, err := w.Write(binary); return err })
	boundary := "enc-" + rand.Text()
	return fmt.Sprintf("Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"%s\"\r\n\r\n--%s\r\n"+
		"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--%s\r\nContent-Type: application/octet-stream\r\n\r\n%s\r\n--%s--\r\n",
		boundary, boundary, boundary, text, boundary)
}

// rawSigned signs an entity as it is.
func rawSigned(t testing.TB, entity string, signer *openpgp.Entity, config *packet.Config) string {
	entity = strings.TrimSuffix(entity, "\r\n")
	var signature bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&signature, []*openpgp.Entity{signer}, strings.NewReader(entity), &openpgp.SignParams{Config: config}); err != nil {
		t.Fatal(err)
	}
	boundary := "sig-" + rand.Text()
	return fmt.Sprintf("Content-Type: multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; boundary=\"%s\"\r\n\r\n--%s\r\n"+
		"%s\r\n--%s\r\nContent-Type: application/pgp-signature\r\n\r\n%s\r\n--%s--\r\n",
		boundary, boundary, entity, boundary, signature.String(), boundary)
}

func armored(t testing.TB, write func(*bytes.Buffer) error) string {
	t.Helper()
	var binary, text bytes.Buffer
	if err := write(&binary); err != nil {
		t.Fatal(err)
	}
	w, err := armor.Encode(&text, openpgp.MessageType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAll(w, binary.String()); err != nil {
		t.Fatal(err)
	}
	return text.String() + "\n"
}

func writeAll(w interface {
	Write([]byte) (int, error)
	Close() error
}, text string,
) error {
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return w.Close()
}

// noClose lets a packet writer close without ending what it writes to.
type noClose struct{ *bytes.Buffer }

func (noClose) Close() error { return nil }
