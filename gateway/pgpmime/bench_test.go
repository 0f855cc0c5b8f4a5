package pgpmime_test

import (
	"crypto/rand"
	"strings"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// BenchmarkLargeMail protects and opens a message of 1 MB, where the cipher counts and not the keys.
func BenchmarkLargeMail(b *testing.B) {
	c := newCast(b)
	message := []byte(header + "Content-Type: text/plain\r\n\r\n" + strings.Repeat("What is the answer to this question?\r\n", 1<<20/38))
	request := pgpmime.ProtectRequest{Protection: pgpmime.SignedEncrypted, Signer: c.people["alice"], To: []*openpgp.Entity{c.people["desk"]}, Now: now, Random: rand.Reader}
	o, err := pgpmime.Protect(message, request)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Protect", func(b *testing.B) {
		b.SetBytes(int64(len(message)))
		for b.Loop() {
			if _, err := pgpmime.Protect(message, request); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Open", func(b *testing.B) {
		b.SetBytes(int64(len(message)))
		for b.Loop() {
			if _, err := pgpmime.Open(o.Bytes(), c.keys, pgpmime.Options{Now: now}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
