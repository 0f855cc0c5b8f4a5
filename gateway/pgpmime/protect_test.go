package pgpmime_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

var now = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

// newKey makes a key for one user ID, as old as the story needs.
func newKey(t testing.TB, userID string, created time.Time) *openpgp.Entity {
	t.Helper()
	name, address, _ := strings.Cut(strings.TrimSuffix(userID, ">"), " <")
	e, err := openpgp.NewEntity(name, "", address, configAt(created))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// heldKeys is a keyring in memory.
type heldKeys struct {
	secrets openpgp.EntityList
	signers []pgpmime.Signer
	err     error
}

func (k heldKeys) Secrets(ids []string) (openpgp.EntityList, error) {
	var found openpgp.EntityList
	for _, e := range k.secrets {
		if len(ids) == 0 || holds(e, ids) {
			found = append(found, e)
		}
	}
	return found, k.err
}

func (k heldKeys) Signers(ids []string) ([]pgpmime.Signer, error) {
	var found []pgpmime.Signer
	for _, s := range k.signers {
		if holds(s.Entity, ids) {
			found = append(found, s)
		}
	}
	return found, k.err
}

func holds(e *openpgp.Entity, ids []string) bool {
	for _, id := range ids {
		if fmt.Sprintf("%016X", e.PrimaryKey.KeyId) == id {
			return true
		}
		for _, s := range e.Subkeys {
			if fmt.Sprintf("%016X", s.PublicKey.KeyId) == id {
				return true
			}
		}
	}
	return false
}

const header = "From: Alice <alice@customer.test>\r\nTo: support@desk.test\r\nSubject: question\r\n" +
	"Message-ID: <1@customer.test>\r\nDate: Mon, 02 Nov 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\n"

func protect(t testing.TB, message string, p pgpmime.Protection, signer *openpgp.Entity, to ...*openpgp.Entity) []byte {
	t.Helper()
	o, err := pgpmime.Protect([]byte(message), pgpmime.ProtectRequest{Protection: p, Signer: signer, To: to, Now: now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if o.Protection() != p {
		t.Fatalf("protection %q, want %q", o.Protection(), p)
	}
	return o.Bytes()
}

func open(t testing.TB, message []byte, k heldKeys) pgpmime.Opened {
	t.Helper()
	o, err := pgpmime.Open(message, k, pgpmime.Options{Now: now, Instance: "sealgate.test"})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// bodies are contents that mail servers like to change on the way.
var bodies = map[string]string{
	"plain":          "Content-Type: text/plain\r\n\r\nWhat is the answer?\r\n",
	"no type":        "\r\nWhat is the answer?\r\n",
	"8bit":           "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nfür Sie: die Antwort\r\n",
	"trailing blank": "Content-Type: text/plain\r\n\r\nanswer? \r\n-- \r\nAlice\t\r\n",
	"From line":      "Content-Type: text/plain\r\n\r\nFrom here on\r\n.\r\nanswer?\r\n",
	"long line":      "Content-Type: text/html\r\n\r\n<p>" + strings.Repeat("answer? ", 400) + "</p>\r\n",
	"base64":         "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nYW5zd2VyPw==\r\n",
	"binary":         "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\x01\xffanswer?\r\n",
	"multipart": "Content-Type: multipart/mixed; boundary=\"b 1\"\r\n\r\npreamble\r\n--b 1\r\nContent-Type: text/plain; charset=iso-8859-1\r\n" +
		"Content-Transfer-Encoding: 8bit\r\n\r\nanswer? \xe4\r\n--b 1\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y.test\r\nSubject: inner\r\n\r\nanswer? ü\r\n--b 1--\r\n",
}

// TestEveryFormComesBack: protect, then open: the content is the same, the verdict is right, the outer header stays.
func TestEveryFormComesBack(t *testing.T) {
	alice, desk := newKey(t, "Alice <alice@customer.test>", now), newKey(t, "Desk <support@desk.test>", now)
	keys := heldKeys{secrets: openpgp.EntityList{desk}, signers: []pgpmime.Signer{{Entity: alice, Approved: true}}}
	for name, body := range bodies {
		for p, want := range map[pgpmime.Protection][2]string{
			pgpmime.Signed:          {"none", "good"},
			pgpmime.Encrypted:       {"decrypted", "none"},
			pgpmime.SignedEncrypted: {"decrypted", "good"},
		} {
			t.Run(name+" "+string(p), func(t *testing.T) {
				protected := protect(t, header+body, p, alice, desk)
				if p != pgpmime.Signed && bytes.Contains(protected, []byte("answer?")) {
					t.Fatal("the content is readable")
				}
				for _, c := range protected {
					if c >= 0x80 {
						t.Fatal("8-bit characters left")
					}
				}
				o := open(t, protected, keys)
				if string(o.Verdict.Encryption) != want[0] || string(o.Verdict.Signature) != want[1] {
					t.Errorf("verdict %+v, want %v", o.Verdict, want)
				}
				v, w := pgpmime.Look(o.Message), pgpmime.Look([]byte(header+body))
				if v.Text != w.Text || v.HTML != w.HTML || fmt.Sprint(v.Attachments) != fmt.Sprint(w.Attachments) && name != "multipart" {
					t.Errorf("content changed:\n%q\n%q", v, w)
				}
				if v.From != w.From || v.Subject != w.Subject || !v.Date.Equal(w.Date) || o.Subject != "question" || !o.Changed {
					t.Errorf("header changed: %+v", v)
				}
				if want[1] == "good" && o.Verdict.MatchedID != "alice@customer.test" {
					t.Errorf("matched %q", o.Verdict.MatchedID)
				}
			})
		}
	}
}

// TestOuterHeaderLosesSecrets: Bcc and control headers never leave, whatever the protection.
func TestOuterHeaderLosesSecrets(t *testing.T) {
	alice, desk := newKey(t, "Alice <alice@customer.test>", now), newKey(t, "Desk <support@desk.test>", now)
	message := "Bcc: hidden@x.test,\r\n other@x.test\r\nsealgate-policy: encrypt=off\r\n" + header + bodies["plain"]
	for _, p := range []pgpmime.Protection{pgpmime.Clear, pgpmime.Signed, pgpmime.Encrypted, pgpmime.SignedEncrypted} {
		protected := protect(t, message, p, alice, desk)
		for _, word := range []string{"hidden@", "other@", "ealgate-"} {
			if bytes.Contains(protected, []byte(word)) {
				t.Errorf("%s: %q left:\n%s", p, word, protected)
			}
		}
		if !bytes.Contains(protected, []byte("Message-ID: <1@customer.test>\r\n")) {
			t.Errorf("%s: the outer header is gone:\n%s", p, protected)
		}
	}
}

// TestProtectFailsRatherThanWeakens: whatever is missing gives no Outgoing at all.
func TestProtectFailsRatherThanWeakens(t *testing.T) {
	alice, desk := newKey(t, "Alice <alice@customer.test>", now), newKey(t, "Desk <support@desk.test>", now)
	expired, err := openpgp.NewEntity("Old", "", "old@x.test", configExpiring(now.Add(-48*time.Hour), 3600))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]pgpmime.ProtectRequest{
		"no signer":      {Protection: pgpmime.Signed, To: []*openpgp.Entity{desk}, Now: now},
		"no readers":     {Protection: pgpmime.Encrypted, Signer: alice, Now: now},
		"no time":        {Protection: pgpmime.Encrypted, To: []*openpgp.Entity{desk}},
		"unknown":        {Protection: "weak", Now: now},
		"nothing asked":  {Now: now},
		"expired reader": {Protection: pgpmime.Encrypted, To: []*openpgp.Entity{desk, expired}, Now: now},
		"expired signer": {Protection: pgpmime.Signed, Signer: expired, Now: now},
		"public signer":  {Protection: pgpmime.Signed, Signer: &openpgp.Entity{PrimaryKey: alice.PrimaryKey, Identities: alice.Identities}, Now: now},
	} {
		r.Random = rand.Reader
		o, err := pgpmime.Protect([]byte(header+bodies["plain"]), r)
		if err == nil || o.Protection() != "" || len(o.Bytes()) != 0 {
			t.Errorf("%s: %q, %v", name, o.Protection(), err)
		}
	}
}

// TestRestoreChecksTheForm: stored bytes come back only under the protection that they really have.
func TestRestoreChecksTheForm(t *testing.T) {
	alice, desk := newKey(t, "Alice <alice@customer.test>", now), newKey(t, "Desk <support@desk.test>", now)
	clear, signed := []byte(header+bodies["plain"]), protect(t, header+bodies["plain"], pgpmime.Signed, alice)
	encrypted := protect(t, header+bodies["plain"], pgpmime.Encrypted, nil, desk)
	for _, c := range []struct {
		name    string
		p       pgpmime.Protection
		message []byte
		ok      bool
	}{
		{"clear as clear", pgpmime.Clear, clear, true},
		{"signed as signed", pgpmime.Signed, signed, true},
		{"encrypted as encrypted", pgpmime.Encrypted, encrypted, true},
		{"clear as encrypted", pgpmime.Encrypted, clear, false},
		{"clear as signed", pgpmime.Signed, clear, false},
		{"signed as encrypted", pgpmime.SignedEncrypted, signed, false},
		{"cut", pgpmime.Encrypted, encrypted[:len(encrypted)-400], false},
		{"literal as encrypted", pgpmime.Encrypted, bytes.ReplaceAll(signed, []byte("multipart/signed"), []byte("multipart/encrypted")), false},
		{"text before the parts", pgpmime.Encrypted, bytes.Replace(encrypted, []byte("\r\n\r\n--"), []byte("\r\n\r\nPLAIN\r\n--"), 1), false},
		{"text after the parts", pgpmime.Encrypted, append(bytes.Clone(encrypted), "PLAIN\r\n"...), false},
		{"text in the armor's header", pgpmime.Encrypted, bytes.Replace(encrypted, []byte("MESSAGE-----\r\n"), []byte("MESSAGE-----\r\nComment: PLAIN\r\n"), 1), false},
		{"ciphertext alone", pgpmime.Encrypted, []byte(header + rawEncrypted(t, encryptedPackets(t, secretText, desk, nil))), true},
		{"text behind the ciphertext", pgpmime.Encrypted, []byte(header + rawEncrypted(t, append(encryptedPackets(t, secretText, desk, nil), literal(t)...))), false},
		{"beginning of a signed text", pgpmime.Signed, []byte(header + "Content-Type: text/plain\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nPLAIN\r\n"), false},
		{"nothing", pgpmime.Clear, nil, false},
		{"no protection", "", clear, false},
	} {
		o, err := pgpmime.Restore(c.p, c.message)
		if (err == nil) != c.ok || (o.Protection() == c.p) != c.ok && c.p != "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
