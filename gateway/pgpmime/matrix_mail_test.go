package pgpmime_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

const (
	aliceID     = "Alice <alice@customer.test>"
	deskID      = "Desk <support@desk.test>"
	deskHeader  = "From: Desk <support@desk.test>\r\nTo: alice@customer.test\r\nSubject: answer\r\nMIME-Version: 1.0\r\n"
	aliceHeader = "From: Alice <alice@customer.test>\r\nTo: support@desk.test\r\nSubject: question\r\n"
)

// desk is ourselves with a key of one kind.
type desk struct {
	entity      *openpgp.Entity
	certificate []byte // armored
}

// alice is the peer's user with a key of one kind.
type alice struct {
	program          bed.OpenPGP // nil when she has Sealgate too
	key, certificate []byte      // armored
	entity           *openpgp.Entity
}

func newCorrespondent(t *testing.T, program bed.OpenPGP, kind peerKind) alice {
	t.Helper()
	if program == nil {
		return alice{entity: newKey(t, aliceID, time.Now().Add(-time.Hour))}
	}
	key, err := program.Generate(aliceID, kind.argument)
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	certificate, err := program.Certificate(key)
	if err != nil {
		t.Fatalf("extract its certificate: %v", err)
	}
	return alice{program: program, key: key, certificate: certificate, entity: readCertificate(t, certificate)}
}

// sendOut protects a message with our key, to the peer and to ourselves, and lets the peer read it.
func sendOut(them alice, us desk, form form) error {
	message, err := protectAs(form, deskHeader, us.entity, them.entity, us.entity)
	if err != nil {
		return err
	}
	if them.program == nil {
		return openAs(form, message, them.entity, us.entity)
	}
	var key, signer []byte
	if form.encrypts() {
		key = them.key
	}
	if form.signs() && form != unverified {
		signer = us.certificate
	}
	entity, err := bed.Unwrap(them.program, message, key, signer)
	if err != nil {
		return err
	}
	return sameText(entity)
}

// sendIn lets the peer write a message to our key, and opens it.
func sendIn(them alice, us desk, form form) error {
	message, err := them.writes(form, us)
	if err != nil {
		return err
	}
	return openAs(form, message, us.entity, them.entity)
}

func (them alice) writes(form form, us desk) ([]byte, error) {
	if them.program == nil {
		return protectAs(form, aliceHeader, them.entity, us.entity)
	}
	var signer []byte
	var to [][]byte
	if form.encrypts() {
		to = [][]byte{us.certificate}
	}
	if form.signs() {
		signer = them.key
	}
	return bed.Wrap(them.program, aliceHeader, []byte(bodies["8bit"]), signer, to...)
}

func protectAs(form form, header string, from *openpgp.Entity, to ...*openpgp.Entity) ([]byte, error) {
	r := pgpmime.ProtectRequest{Protection: pgpmime.Protection(form), Now: time.Now(), Random: rand.Reader}
	if form == unverified {
		r.Protection = pgpmime.SignedEncrypted
	}
	if form.signs() {
		r.Signer = from
	}
	if form.encrypts() {
		r.To = to
	}
	o, err := pgpmime.Protect([]byte(header+bodies["8bit"]), r)
	return o.Bytes(), err
}

// openAs opens a message and insists on the best verdict for its form.
func openAs(f form, message []byte, reader, sender *openpgp.Entity) error {
	keys := heldKeys{secrets: openpgp.EntityList{reader}}
	if f != unverified {
		keys.signers = []pgpmime.Signer{{Entity: sender, Approved: true}}
	}
	o, err := pgpmime.Open(message, keys, pgpmime.Options{Now: time.Now().Add(time.Minute)})
	if err != nil {
		return err
	}
	want := map[form]string{
		signed: "none good", encrypted: "decrypted none", both: "decrypted good", unverified: "decrypted unknown-key",
	}[f]
	if got := string(o.Verdict.Encryption) + " " + string(o.Verdict.Signature); got != want {
		return fmt.Errorf("our verdict is %q, not %q: %s", got, want, o.Verdict)
	}
	return sameText(o.Message)
}

// sameText compares what arrived with what was sent.
func sameText(entity []byte) error {
	if got, want := pgpmime.Look(entity).Text, pgpmime.Look([]byte(bodies["8bit"])).Text; got != want {
		return fmt.Errorf("the text is %q, not %q", got, want)
	}
	return nil
}

// ourKeys are armored secret keys by kind. Each peer's test reads its own copies, as entities must not be shared.
type ourKeys map[string][]byte

func newOurKeys(t *testing.T) ourKeys {
	t.Helper()
	keys := ourKeys{}
	for _, kind := range ourKinds {
		config := configAt(time.Now().Add(-time.Hour))
		kind.configure(config)
		e, err := openpgp.NewEntity("Desk", "", "support@desk.test", config)
		if err != nil {
			t.Fatalf("make a key, %s: %v", kind.name, err)
		}
		keys[kind.name] = armoredText(t, openpgp.PrivateKeyType, func(b *bytes.Buffer) error { return e.SerializePrivateWithoutSigning(b, nil) })
	}
	return keys
}

// read returns a copy of a key for one test.
func (k ourKeys) read(t *testing.T, kind string) desk {
	t.Helper()
	e := readCertificate(t, k[kind])
	return desk{entity: e, certificate: armoredText(t, openpgp.PublicKeyType, func(b *bytes.Buffer) error { return e.Serialize(b) })}
}

func armoredText(t *testing.T, blockType string, serialize func(*bytes.Buffer) error) []byte {
	t.Helper()
	var binary, text bytes.Buffer
	if err := serialize(&binary); err != nil {
		t.Fatal(err)
	}
	w, err := armor.Encode(&text, blockType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAll(w, binary.String()); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}
