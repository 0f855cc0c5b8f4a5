package pgp_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// encryptedTo encrypts to one reader, who signs too.
func encryptedTo(t testing.TB, text string, reader *openpgp.Entity) []byte {
	t.Helper()
	w := inlineWriting(reader)
	w.To = []*openpgp.Entity{reader}
	var out bytes.Buffer
	if err := pgp.Encrypt(&out, strings.NewReader(text), w); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// readerRing is the keys of one reader.
type readerRing struct{ openpgp.EntityList }

func (r readerRing) Secrets() openpgp.EntityList { return r.EntityList }

// TestDecryptWith: a session key that Decrypt told opens the same message alone, signatures and all.
func TestDecryptWith(t *testing.T) {
	for version, container := range map[int]string{4: "SEIPDv1", 6: "SEIPDv2"} {
		alice := inlineKey(t, version)
		message := encryptedTo(t, "hello", alice)
		ring := readerRing{openpgp.EntityList{alice}}
		o := pgp.Options{Now: inlineNow, WithSessionKey: true}
		var text bytes.Buffer
		first, err := pgp.Decrypt(&text, bytes.NewReader(message), func([]string) (pgp.Ring, error) { return ring, nil }, o)
		if err != nil || first.Outcome != pgp.Decrypted {
			t.Fatalf("%+v, %v", first, err)
		}
		text.Reset()
		key := pgp.SessionKey{Cipher: first.CipherID, Key: first.SessionKey}
		d, err := pgp.DecryptWith(&text, bytes.NewReader(message), key, ring, o)
		if err != nil || d.Outcome != pgp.Decrypted || d.Container != container || text.String() != "hello" || !bytes.Equal(d.SessionKey, key.Key) {
			t.Errorf("%+v, %q, %v", d, text.String(), err)
		}
		if len(d.Signatures) != 1 || d.Signatures[0].State != pgp.Verified {
			t.Errorf("signatures %+v", d.Signatures)
		}
	}
}

// TestDecryptWithRefused: a message that was altered anywhere, or another key, never counts as decrypted.
func TestDecryptWithRefused(t *testing.T) {
	alice := inlineKey(t, 4)
	message := encryptedTo(t, strings.Repeat("hello ", 50), alice)
	var text bytes.Buffer
	d, err := pgp.Decrypt(&text, bytes.NewReader(message), func([]string) (pgp.Ring, error) {
		return readerRing{openpgp.EntityList{alice}}, nil
	}, pgp.Options{Now: inlineNow, WithSessionKey: true})
	if err != nil {
		t.Fatal(err)
	}
	key := pgp.SessionKey{Cipher: d.CipherID, Key: d.SessionKey}
	open := func(message []byte, key pgp.SessionKey, l pgp.Limits) pgp.Decryption {
		t.Helper()
		d, err := pgp.DecryptWith(&text, bytes.NewReader(message), key, openpgp.EntityList{alice}, pgp.Options{Now: inlineNow, Limits: l})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	rest := bytes.NewReader(message)
	if _, err := packet.NewOpaqueReader(rest).Next(); err != nil { // the session key
		t.Fatal(err)
	}
	start := len(message) - rest.Len()
	for at := start; at < len(message); at++ {
		altered := bytes.Clone(message)
		altered[at] ^= 0x20
		if d := open(altered, key, pgp.Limits{}); d.Outcome == pgp.Decrypted {
			t.Fatalf("altered at %d of %d and still decrypted", at, len(message))
		}
	}
	other := pgp.SessionKey{Cipher: 9, Key: make([]byte, 32)}
	if _, err := rand.Read(other.Key); err != nil {
		t.Fatal(err)
	}
	many := append(bytes.Repeat(message[:start], 3), message[start:]...)
	for name, try := range map[string]struct {
		got  pgp.Decryption
		want pgp.Outcome
	}{
		"another key":           {open(message, other, pgp.Limits{}), pgp.Corrupt},
		"no such cipher":        {open(message, pgp.SessionKey{Cipher: 99, Key: key.Key}, pgp.Limits{}), pgp.Corrupt},
		"key too short":         {open(message, pgp.SessionKey{Cipher: 9, Key: key.Key[:5]}, pgp.Limits{}), pgp.Corrupt},
		"not encrypted":         {open(signedInline(t, "hello", inlineWriting(alice)), key, pgp.Limits{}), pgp.MalformedMessage},
		"nothing":               {open(nil, key, pgp.Limits{}), pgp.MalformedMessage},
		"too large":             {open(message, key, pgp.Limits{Decompressed: 100}), pgp.Refused},
		"too many session keys": {open(many, key, pgp.Limits{SessionKeys: 2}), pgp.Refused},
		"without integrity":     {open(append([]byte{0xc9, 20}, make([]byte, 20)...), key, pgp.Limits{}), pgp.Refused},
	} {
		if try.got.Outcome != try.want {
			t.Errorf("%s: %+v, want %s", name, try.got, try.want)
		}
	}
}
