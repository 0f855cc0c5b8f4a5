package pgp_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// inlineNow is the time of the tests about signed messages; their keys are an hour older.
var inlineNow = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// inlineKey makes a key of version 4 or 6.
func inlineKey(t testing.TB, version int) *openpgp.Entity {
	t.Helper()
	config := &packet.Config{
		Time:      func() time.Time { return inlineNow.Add(-time.Hour) },
		Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, DefaultCipher: packet.CipherAES256,
	}
	if version == 6 {
		config.Algorithm, config.V6Keys, config.AEADConfig = packet.PubKeyAlgoEd25519, true, &packet.AEADConfig{}
	}
	e, err := openpgp.NewEntity("Alice", "", "alice@example.org", config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func inlineWriting(signers ...*openpgp.Entity) pgp.Writing {
	return pgp.Writing{Signers: signers, Now: inlineNow, Random: rand.Reader}
}

func signedInline(t testing.TB, text string, w pgp.Writing) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := pgp.SignInline(&out, strings.NewReader(text), w); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestInline: what was signed comes out, each signer is judged by himself, and detached signatures fit.
func TestInline(t *testing.T) {
	for _, version := range []int{4, 6} {
		alice, bob := inlineKey(t, version), inlineKey(t, 10-version)
		message := signedInline(t, "hello\n", inlineWriting(alice, bob))
		var text bytes.Buffer
		found, err := pgp.VerifyInline(&text, bytes.NewReader(message), openpgp.EntityList{alice}, pgp.Options{Now: inlineNow})
		if err != nil || text.String() != "hello\n" || len(found) != 2 {
			t.Fatalf("%q, %v, %v", text.String(), found, err)
		}
		for _, s := range found {
			want := pgp.UnknownKey
			if s.IssuerID == alice.PrimaryKey.KeyId {
				want = pgp.Verified
			}
			if s.State != want {
				t.Errorf("version %d: signature by %s is %s, not %s", version, s.KeyID(), s.State, want)
			}
		}
		text.Reset()
		signatures, err := pgp.Detach(&text, bytes.NewReader(message), pgp.Options{})
		if err != nil || text.String() != "hello\n" {
			t.Fatalf("detached %q, %v", text.String(), err)
		}
		apart, err := pgp.Verify(&text, signatures, openpgp.EntityList{alice, bob}, pgp.Options{Now: inlineNow})
		if err != nil || len(apart) != 2 || apart[0].State != pgp.Verified || apart[1].State != pgp.Verified {
			t.Errorf("detached signatures: %v, %v", apart, err)
		}
	}
}

// TestInlineRefused: anything but one whole signed message is an error.
func TestInlineRefused(t *testing.T) {
	alice := inlineKey(t, 4)
	signed := signedInline(t, "hello", inlineWriting(alice))
	encrypted := encryptedTo(t, "hello", alice)
	var literal bytes.Buffer
	w, err := packet.SerializeLiteral(nopCloser{&literal}, true, "", 0)
	if err == nil {
		_, err = w.Write([]byte("hello"))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	for name, message := range map[string][]byte{
		"nothing":           nil,
		"noise":             []byte("\xff\x00 noise"),
		"encrypted":         encrypted,
		"unsigned":          literal.Bytes(),
		"cut off":           signed[:len(signed)/2],
		"two texts":         append(bytes.Clone(signed), literal.Bytes()...),
		"text before":       append(literal.Bytes(), signed...),
		"signature missing": signed[:len(signed)-100],
	} {
		t.Run(name, func(t *testing.T) {
			var text bytes.Buffer
			found, err := pgp.VerifyInline(&text, bytes.NewReader(message), openpgp.EntityList{alice}, pgp.Options{Now: inlineNow})
			for _, s := range found {
				if err == nil && s.State == pgp.Verified {
					t.Errorf("verified %q", text.String())
				}
			}
			if _, err := pgp.Detach(&text, bytes.NewReader(message), pgp.Options{}); !errors.Is(err, pgp.ErrNotSigned) {
				t.Errorf("detach: %v", err)
			}
		})
	}
}

// TestInlineLimit: what is too large is not read to its end.
func TestInlineLimit(t *testing.T) {
	alice := inlineKey(t, 4)
	message := signedInline(t, strings.Repeat("x", 5000), inlineWriting(alice))
	o := pgp.Options{Now: inlineNow, Limits: pgp.Limits{Decompressed: 4000}}
	var text bytes.Buffer
	if _, err := pgp.VerifyInline(&text, bytes.NewReader(message), openpgp.EntityList{alice}, o); !errors.Is(err, pgp.ErrTooLarge) {
		t.Errorf("verify: %v", err)
	}
	if _, err := pgp.Detach(&text, bytes.NewReader(message), o); !errors.Is(err, pgp.ErrTooLarge) {
		t.Errorf("detach: %v", err)
	}
	o.Limits = pgp.Limits{Signatures: 1}
	message = signedInline(t, "x", inlineWriting(alice, inlineKey(t, 4)))
	if _, err := pgp.VerifyInline(&text, bytes.NewReader(message), openpgp.EntityList{alice}, o); !errors.Is(err, pgp.ErrNotSigned) {
		t.Errorf("too many signatures: %v", err)
	}
	if _, err := pgp.Detach(&text, bytes.NewReader(message), o); !errors.Is(err, pgp.ErrNotSigned) {
		t.Errorf("detach too many signatures: %v", err)
	}
}

// nopCloser makes a buffer closable.
type nopCloser struct{ *bytes.Buffer }

func (nopCloser) Close() error { return nil }

// FuzzInline: noise is an error and never verified, whatever reads it.
func FuzzInline(f *testing.F) {
	alice := inlineKey(f, 4)
	f.Add(signedInline(f, "hello", inlineWriting(alice)))
	f.Add(encryptedTo(f, "hello", alice))
	f.Fuzz(func(t *testing.T, message []byte) {
		stranger := inlineKey(t, 4)
		var text bytes.Buffer
		found, err := pgp.VerifyInline(&text, bytes.NewReader(message), openpgp.EntityList{stranger}, pgp.Options{Now: inlineNow})
		if err == nil && len(found) == 0 {
			t.Error("neither an error nor a signature")
		}
		for _, s := range found {
			if s.State == pgp.Verified {
				t.Error("verified noise")
			}
		}
		if signatures, err := pgp.Detach(&text, bytes.NewReader(message), pgp.Options{}); err == nil && len(signatures) == 0 {
			t.Error("detached nothing")
		}
		key := pgp.SessionKey{Cipher: 9, Key: make([]byte, 32)}
		d, err := pgp.DecryptWith(&text, bytes.NewReader(message), key, openpgp.EntityList{stranger}, pgp.Options{Now: inlineNow})
		if err != nil || d.Outcome == pgp.Decrypted || d.Outcome == "" {
			t.Errorf("decrypted noise: %+v, %v", d, err)
		}
	})
}
