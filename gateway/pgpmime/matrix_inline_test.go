package pgpmime_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// The forms without PGP/MIME: armor as the text of a message.
const (
	clearsigned     = form("inline, clearsigned")
	inlineEncrypted = form("inline, encrypted")
	inlineBoth      = form("inline, signed+encrypted")
)

var inlineForms = []form{clearsigned, inlineEncrypted, inlineBoth}

// exchangeInline makes the attempts with inline PGP, which one kind of keys is enough for.
func exchangeInline(t *testing.T, a attempt, them alice, us desk) {
	for _, a.form = range inlineForms {
		a.direction = weWrite
		check(t, a, sendInlineOut(them, us, a.form))
		a.direction = theyWrite
		check(t, a, sendInlineIn(them, us, a.form))
	}
}

func sendInlineOut(them alice, us desk, f form) error {
	message, err := protectInline(f, deskHeader, us.entity, them.entity)
	if err != nil {
		return err
	}
	if them.program == nil {
		return openInline(f, message, them.entity, us.entity)
	}
	armored := []byte(pgpmime.Look(message).Text)
	var text []byte
	switch f {
	case clearsigned:
		text, err = them.program.ReadClearsigned(armored, us.certificate)
	case inlineEncrypted:
		text, err = them.program.Decrypt(armored, them.key, nil)
	case inlineBoth:
		text, err = them.program.Decrypt(armored, them.key, us.certificate)
	}
	if err != nil {
		return err
	}
	return sameLines(string(text))
}

func sendInlineIn(them alice, us desk, f form) error {
	if them.program == nil {
		message, err := protectInline(f, aliceHeader, them.entity, us.entity)
		if err != nil {
			return err
		}
		return openInline(f, message, us.entity, them.entity)
	}
	armored, err := writeInline(them.program, f, them.key, us.certificate)
	if err != nil {
		return err
	}
	header := aliceHeader + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	return openInline(f, append([]byte(header), armored...), us.entity, them.entity)
}

func writeInline(program bed.OpenPGP, f form, key, certificate []byte) ([]byte, error) {
	text := []byte(pgpmime.Look([]byte(bodies["8bit"])).Text)
	switch f {
	case clearsigned:
		return program.Clearsign(text, key)
	case inlineEncrypted:
		return program.Encrypt(text, nil, certificate)
	}
	return program.Encrypt(text, key, certificate)
}

func protectInline(f form, header string, from, to *openpgp.Entity) ([]byte, error) {
	r := pgpmime.ProtectRequest{
		Protection: map[form]pgpmime.Protection{
			clearsigned: pgpmime.Signed, inlineEncrypted: pgpmime.Encrypted, inlineBoth: pgpmime.SignedEncrypted,
		}[f],
		Signer: from, To: []*openpgp.Entity{to}, Inline: true, Now: time.Now(), Random: rand.Reader,
	}
	o, err := pgpmime.Protect([]byte(header+bodies["8bit"]), r)
	return o.Bytes(), err
}

// openInline opens a message and insists on the best verdict for its form. A clearsigned text is a signed part of a
// message at most; what its signature is worth stands in the layer.
func openInline(f form, message []byte, reader, sender *openpgp.Entity) error {
	keys := heldKeys{secrets: openpgp.EntityList{reader}, signers: []pgpmime.Signer{{Entity: sender, Approved: true}}}
	o, err := pgpmime.Open(message, keys, pgpmime.Options{Now: time.Now().Add(time.Minute)})
	if err != nil {
		return err
	}
	got := fmt.Sprint(o.Verdict.Encryption, " ", o.Verdict.Signature)
	for _, l := range o.Verdict.Layers {
		got += fmt.Sprint(", ", l.Kind, " ", l.Signature)
	}
	want := map[form]string{
		clearsigned:     "none partial, clearsigned good",
		inlineEncrypted: "decrypted none, inline-encrypted ",
		inlineBoth:      "decrypted good, inline-encrypted good",
	}[f]
	if got != want {
		return fmt.Errorf("our verdict is %q, not %q: %s", got, want, o.Verdict)
	}
	return sameLines(pgpmime.Look(o.Message).Text)
}

// sameLines is sameText for forms that do not keep line ends, nor the last one at all.
func sameLines(text string) error {
	lines := func(s string) string { return strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), "\n") }
	if got, want := lines(text), lines(pgpmime.Look([]byte(bodies["8bit"])).Text); got != want {
		return fmt.Errorf("the text is %q, not %q", got, want)
	}
	return nil
}
