package pgpmime_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// algorithms are the kinds of keys that gpg makes, as bed.Generate takes them.
var algorithms = []string{"", "rsa3072+rsa3072", "nistp256+nistp256", "brainpoolP256r1+brainpoolP256r1"}

// pair is a customer whose key gpg holds, and a desk whose key we hold. Each has the other's certificate.
type pair struct {
	gpg            *bed.GPG
	customer, desk *openpgp.Entity // the customer's without secret key
	at             time.Time
}

func newPair(t testing.TB, algorithm string) pair {
	t.Helper()
	p := pair{gpg: bed.NewGPG(t)}
	p.gpg.Generate(t, "Alice <alice@customer.test>", algorithm)
	p.at = time.Now() // gpg's key is not from the future
	p.customer = readCertificate(t, p.gpg.Export(t, "alice@customer.test"))
	p.desk = newKey(t, "Desk <support@desk.test>", p.at.Add(-time.Hour))
	var certificate bytes.Buffer
	if err := p.desk.Serialize(&certificate); err != nil {
		t.Fatal(err)
	}
	p.gpg.Import(t, certificate.Bytes())
	return p
}

func readCertificate(t testing.TB, armored []byte) *openpgp.Entity {
	t.Helper()
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil || len(list) != 1 {
		t.Fatalf("%d certificates, %v", len(list), err)
	}
	return list[0]
}

func (p pair) keys() heldKeys {
	return heldKeys{secrets: openpgp.EntityList{p.desk}, signers: []pgpmime.Signer{{Entity: p.customer, Approved: true}}}
}

func (p pair) open(t testing.TB, message []byte) pgpmime.Opened {
	t.Helper()
	o, err := pgpmime.Open(message, p.keys(), pgpmime.Options{Now: p.at.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestGPGReadsUs: gpg verifies and opens every form that we write, for every kind of its keys and every kind of body.
func TestGPGReadsUs(t *testing.T) {
	for _, algorithm := range algorithms {
		p := newPair(t, algorithm)
		for name, body := range bodies {
			if algorithm != "" && name != "plain" {
				continue
			}
			for _, protection := range []pgpmime.Protection{pgpmime.Signed, pgpmime.Encrypted, pgpmime.SignedEncrypted} {
				t.Run(strings.Join([]string{algorithm, name, string(protection)}, " "), func(t *testing.T) {
					o, err := pgpmime.Protect([]byte(header+body), pgpmime.ProtectRequest{
						Protection: protection, Signer: p.desk, To: []*openpgp.Entity{p.customer, p.desk}, Now: p.at, Random: rand.Reader,
					})
					if err != nil {
						t.Fatal(err)
					}
					entity, status := p.gpg.Read(t, o.Bytes())
					if protection != pgpmime.Encrypted && !strings.Contains(status, "GOODSIG") {
						t.Errorf("no good signature:\n%s", status)
					}
					if protection != pgpmime.Signed && (!strings.Contains(status, "GOODMDC") || !strings.Contains(status, "DECRYPTION_INFO 2 9 ")) {
						t.Errorf("not AES-256 with integrity protection:\n%s", status)
					}
					if got, want := pgpmime.Look(entity), pgpmime.Look([]byte(body)); got.Text != want.Text || got.HTML != want.HTML {
						t.Errorf("gpg read\n%q, want\n%q", got, want)
					}
				})
			}
		}
	}
}

// TestGPGSeesNoMoreThanNeeded: no compression, no comment, and nobody else's key in a Bcc copy.
func TestGPGSeesNoMoreThanNeeded(t *testing.T) {
	p := newPair(t, "")
	o, err := pgpmime.Protect([]byte(header+bodies["plain"]), pgpmime.ProtectRequest{
		Protection: pgpmime.SignedEncrypted, Signer: p.desk, To: []*openpgp.Entity{p.customer}, Hidden: true, Now: p.at, Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	armor := o.Bytes()[bytes.Index(o.Bytes(), []byte("-----BEGIN")):]
	if !bytes.HasPrefix(armor, []byte("-----BEGIN PGP MESSAGE-----\r\n\r\n")) {
		t.Errorf("armor header: %.80q", armor)
	}
	packets, _ := p.gpg.Run(t, armor, "--list-packets")
	if n := bytes.Count(packets, []byte(":pubkey enc packet:")); n != 1 {
		t.Errorf("%d session keys", n)
	}
	for _, word := range []string{"compressed packet", "subpkt 35"} {
		if bytes.Contains(packets, []byte(word)) {
			t.Errorf("%s in\n%s", word, packets)
		}
	}
}

// TestWeReadGPG: every form that gpg writes opens with its verdict.
func TestWeReadGPG(t *testing.T) {
	for _, algorithm := range algorithms {
		p := newPair(t, algorithm)
		for _, form := range []struct {
			name, sign string
			to         []string
			want       string
		}{
			{"signed", "alice@customer.test", nil, "none good"},
			{"encrypted", "", []string{"support@desk.test"}, "decrypted none"},
			{"both", "alice@customer.test", []string{"support@desk.test", "alice@customer.test"}, "decrypted good"},
		} {
			t.Run(algorithm+" "+form.name, func(t *testing.T) {
				message := p.gpg.PGPMIME(t, header, []byte(bodies["trailing blank"]), form.sign, form.to...)
				o := p.open(t, message)
				if got := string(o.Verdict.Encryption) + " " + string(o.Verdict.Signature); got != form.want {
					t.Errorf("%q, want %q: %s", got, form.want, o.Verdict)
				}
				if text := pgpmime.Look(o.Message).Text; text != "answer? \r\n-- \r\nAlice\t\r\n" {
					t.Errorf("text %q", text)
				}
			})
		}
	}
}

// TestWeReadNestedGPG: what Zammad and older clients write: signed first, the result encrypted (RFC 3156, section 6.1).
func TestWeReadNestedGPG(t *testing.T) {
	p := newPair(t, "")
	signed := p.gpg.PGPMIME(t, "X-A: b", []byte(bodies["8bit"]), "alice@customer.test")
	message := p.gpg.PGPMIME(t, header, signed, "", "support@desk.test")
	o := p.open(t, message)
	if o.Verdict.Encryption != pgpmime.Decrypted || o.Verdict.Signature != pgpmime.Good || !bytes.Contains(o.Message, []byte("für Sie")) {
		t.Errorf("%+v\n%s", o.Verdict, o.Message)
	}
}

// TestGPGOddForms: other containers and recipients that gpg can write.
func TestGPGOddForms(t *testing.T) {
	p := newPair(t, "")
	entity := []byte("Content-Type: text/plain\r\n\r\nhello canary\r\n")
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"hidden recipient", "decrypted", []string{"--hidden-recipient", "support@desk.test"}},
		{"compressed", "decrypted", []string{"--recipient", "support@desk.test", "-z", "9", "--compress-algo", "zlib"}},
		{"no integrity protection", "refused", []string{"--recipient", "support@desk.test", "--rfc2440", "--disable-mdc", "--cipher-algo", "AES256"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			binary, _ := p.gpg.Run(t, entity, append(c.args, "--encrypt")...)
			o := p.open(t, []byte(header+rawEncrypted(t, binary)))
			if string(o.Verdict.Encryption) != c.want || (c.want != "decrypted") == bytes.Contains(o.Message, []byte("canary")) {
				t.Errorf("%+v", o.Verdict)
			}
		})
	}
}

// TestWeakGPG: hashes and keys that no longer count are weak; an altered text is bad all the same.
func TestWeakGPG(t *testing.T) {
	p := newPair(t, "")
	entity := "Content-Type: text/plain\r\n\r\nhello"
	signature, _ := p.gpg.Run(t, []byte(entity), "--digest-algo", "SHA1", "--allow-weak-digest-algos", "--detach-sign")
	if o := p.open(t, []byte(header+signedBy(t, entity, signature))); o.Verdict.Signature != pgpmime.Weak {
		t.Errorf("SHA-1: %+v", o.Verdict)
	}
	if o := p.open(t, []byte(header+signedBy(t, entity+"!", signature))); o.Verdict.Signature != pgpmime.Bad {
		t.Errorf("SHA-1 over another text: %+v", o.Verdict)
	}
	weak := newPair(t, "rsa1024")
	signature, _ = weak.gpg.Run(t, []byte(entity), "--local-user", "alice@customer.test", "--detach-sign")
	if o := weak.open(t, []byte(header+signedBy(t, entity, signature))); o.Verdict.Signature != pgpmime.Weak {
		t.Errorf("RSA-1024: %+v", o.Verdict)
	}
}

// TestTamperedGPGMail is the first test that any such gateway needs: an altered body must not verify.
func TestTamperedGPGMail(t *testing.T) {
	p := newPair(t, "")
	message := p.gpg.PGPMIME(t, header, []byte(bodies["plain"]), "alice@customer.test")
	if o := p.open(t, message); o.Verdict.Signature != pgpmime.Good {
		t.Fatalf("unaltered: %+v", o.Verdict)
	}
	altered := bytes.Replace(message, []byte("answer"), []byte("ANSWER"), 1)
	if o := p.open(t, altered); o.Verdict.Signature != pgpmime.Bad || o.Verdict.MatchedID != "" {
		t.Errorf("altered: %+v", o.Verdict)
	}
}
