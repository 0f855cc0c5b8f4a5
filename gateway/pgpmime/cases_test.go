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

// TestCases opens each message of testdata/cases with the frozen keys, as if it were the day that the case tells. The
// opened message and the verdict with its tree must be, byte for byte, those beside it, and what the recipe wants.
func TestCases(t *testing.T) {
	recipes := readRecipes(t)
	if len(recipes) < 431 {
		t.Errorf("%d cases: some are gone", len(recipes))
	}
	keys := readCaseKeys(t)
	names := keys.names()
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			o := r.open(t, r.frozen(t, ".eml"), keys)
			r.check(t, o, names)
			if want := r.frozen(t, ".out"); !bytes.Equal(o.Message, want) {
				t.Errorf("opened:\n%s\nwant:\n%s", o.Message, want)
			}
			if got, want := tree(o, names), string(r.frozen(t, ".tree")); got != want {
				t.Errorf("verdict:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func (r recipe) file(ending string) string {
	return filepath.Join("testdata", "cases", r.name+ending)
}

func (r recipe) frozen(t testing.TB, ending string) []byte {
	t.Helper()
	content, err := os.ReadFile(r.file(ending))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// open opens a message as the recipe says.
func (r recipe) open(t testing.TB, message []byte, keys caseKeys) pgpmime.Opened {
	t.Helper()
	o, err := pgpmime.Open(message, keys.keyring(r.holdings), pgpmime.Options{Now: r.at, Instance: "sealgate.test", Limits: r.limits, Inline: r.inline})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// cast are people whose keys are made anew for one test: alice is a customer whose key was approved, mallory's was not,
// nobody has stranger's; desk is ours.
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

// rawEncrypted puts any OpenPGP message into a multipart/encrypted.
func rawEncrypted(t testing.TB, binary []byte) string {
	return pgpMIME(armored(t, func(w *bytes.Buffer) error { _, err := w.Write(binary); return err }))
}

// pgpMIME is a multipart/encrypted (RFC 3156, section 4) around armor.
func pgpMIME(armor string) string {
	boundary := "enc-" + rand.Text()
	return fmt.Sprintf("Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"%s\"\r\n\r\n--%s\r\n"+
		"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--%s\r\nContent-Type: application/octet-stream\r\n\r\n%s\r\n--%s--\r\n",
		boundary, boundary, boundary, armor, boundary)
}

// rawSigned signs an entity as it is.
func rawSigned(t testing.TB, entity string, signer *openpgp.Entity, config *packet.Config) string {
	entity = strings.TrimSuffix(entity, "\r\n")
	var signature bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&signature, []*openpgp.Entity{signer}, strings.NewReader(entity), &openpgp.SignParams{Config: config}); err != nil {
		t.Fatal(err)
	}
	return mimeSigned(entity, signature.String())
}

// mimeSigned is a multipart/signed (RFC 3156, section 5).
func mimeSigned(entity, signature string) string {
	boundary := "sig-" + rand.Text()
	return fmt.Sprintf("Content-Type: multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; boundary=\"%s\"\r\n\r\n--%s\r\n"+
		"%s\r\n--%s\r\nContent-Type: application/pgp-signature\r\n\r\n%s\r\n--%s--\r\n",
		boundary, boundary, entity, boundary, signature, boundary)
}

func armored(t testing.TB, write func(*bytes.Buffer) error) string {
	t.Helper()
	return armoredAs(t, openpgp.MessageType, write)
}

func armoredAs(t testing.TB, blockType string, write func(*bytes.Buffer) error) string {
	t.Helper()
	var binary, text bytes.Buffer
	if err := write(&binary); err != nil {
		t.Fatal(err)
	}
	w, err := armor.Encode(&text, blockType, nil)
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
