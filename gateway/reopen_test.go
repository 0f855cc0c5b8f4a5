package gateway_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestAnImportedKeyOpensWhatWaitedForItOnce(t *testing.T) {
	h := newHouse(t)
	old := newKey(t, "old-desk@desk.test", 0)
	h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test", old)))
	first := h.articles()[0]
	before := h.raw(first.ID)

	if report := h.imports(private(t, old), ""); report.Reopened != 1 {
		t.Fatalf("the import reopened %d articles, want 1", report.Reopened)
	}
	all := h.articles()
	if len(all) != 2 || h.mirrored() != 2 {
		t.Fatalf("%d articles, %d in the mirror", len(all), h.mirrored())
	}
	second := all[1]
	if second.ID == first.ID {
		second = all[0]
	}
	if second.Encryption != string(pgpmime.Decrypted) || second.ReopenedFrom != first.ID || second.InReplyTo != first.MessageID {
		t.Errorf("the later opening is %+v", second)
	}
	message := h.raw(second.ID)
	for _, want := range []string{"In-Reply-To: <1@customer.test>", "References:", "Sealgate-Reopened: " + first.ID, canary} {
		if !strings.Contains(message, want) {
			t.Errorf("the later opening has no %q:\n%s", want, message)
		}
	}
	if second.MessageID == first.MessageID || !strings.HasSuffix(second.MessageID, "@gate.test") {
		t.Errorf("its Message-ID is %s", second.MessageID)
	}
	if h.raw(first.ID) != before {
		t.Error("the first changed")
	}
	if report := h.imports(private(t, old), ""); report.Reopened != 0 {
		t.Errorf("a second import reopened %d", report.Reopened)
	}
	if e := h.entries("message.reopened"); len(e) != 1 {
		t.Errorf("%d entries", len(e))
	}
}

// The agent's button on an article that was opened again already must not make it appear a third time.
func TestReopeningTwiceMakesOneArticle(t *testing.T) {
	h := newHouse(t)
	old := newKey(t, "old-desk@desk.test", 0)
	h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test", old)))
	first := h.articles()[0].ID
	if appeared, err := h.Reopen(t.Context(), h.agent, first); appeared || err != nil {
		t.Fatalf("without the key: %v %v", appeared, err)
	}
	h.imports(private(t, old), "")
	for range 2 {
		if appeared, err := h.Reopen(t.Context(), h.agent, first); appeared || err != nil {
			t.Errorf("after the import: %v %v", appeared, err)
		}
	}
	if n := len(h.articles()); n != 2 {
		t.Errorf("%d articles, want the first and one later opening", n)
	}
}

// A message that was signed too waits twice: for the key that opens it, then for the signer's certificate.
func TestALaterOpeningIsOpenedAgainWhenTheSignersCertificateComes(t *testing.T) {
	h := newHouse(t)
	old, carl := newKey(t, "old-desk@desk.test", 0), newKey(t, "carl@customer.test", 0)
	h.receives(arrival(h.box, 1, signedByCustomer(t, "1@customer.test", carl, old)))
	first := h.articles()[0]
	for _, input := range [][]byte{private(t, old), public(t, carl)} {
		if report := h.imports(input, ""); report.Reopened != 1 {
			t.Fatalf("the import reopened %d articles, want 1", report.Reopened)
		}
	}
	var verdicts []string
	for _, a := range h.articles() {
		verdicts = append(verdicts, a.Encryption+" "+a.Signature)
		if a.ID == first.ID {
			continue
		}
		if a.ReopenedFrom != first.ID || a.InReplyTo != first.MessageID {
			t.Errorf("the opening with %s %s belongs to %s", a.Encryption, a.Signature, a.ReopenedFrom)
		}
		if appeared, err := h.Reopen(t.Context(), h.agent, a.ID); appeared || err != nil {
			t.Errorf("opening %s again: %v %v", a.Signature, appeared, err)
		}
	}
	slices.Sort(verdicts)
	if want := []string{"decrypted good", "decrypted unknown-key", "no-key none"}; !slices.Equal(verdicts, want) {
		t.Errorf("the openings are %q, want %q", verdicts, want)
	}
	if err := h.DeleteCertificate(t.Context(), h.admin, fingerprint(old)); err != nil {
		t.Fatal(err)
	}
	for _, a := range h.articles() {
		if appeared, err := h.Reopen(t.Context(), h.agent, a.ID); appeared || err != nil {
			t.Errorf("without the key again: %v %v", appeared, err)
		}
	}
}

func TestTwoWhoReopenAtOnceMakeOneArticle(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := emptyHouse(t, db)
		h.group = h.newGroup("Support", support)
		h.box = h.newMailbox(h.group, "support")
		old := newKey(t, "old-desk@desk.test", 0)
		h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test", old)))
		first := h.articles()[0].ID
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { h.ImportCertificates(t.Context(), h.admin, gateway.ImportRequest{Input: private(t, old)}) })
			both.Go(func() { h.Reopen(t.Context(), h.admin, first) })
		}
		both.Wait()
		if _, err := h.Reopen(t.Context(), h.admin, first); err != nil {
			t.Error(err)
		}
		if n := len(h.articles()); n != 2 {
			t.Errorf("%d articles, want the first and one later opening", n)
		}
	})
}

func TestWhoMayReopen(t *testing.T) {
	h := newHouse(t)
	h.customer("carl@customer.test")
	h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test", newKey(t, "lost@desk.test", 0))))
	id := h.articles()[0].ID
	if _, err := h.Reopen(t.Context(), h.stranger, id); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("agent of another group: %v, want what is said of an article that does not exist", err)
	}
	if _, err := h.Reopen(t.Context(), h.auditor, id); !errors.Is(err, gateway.ErrForbidden) {
		t.Errorf("auditor: %v", err)
	}
	var problem *gateway.Problem
	if _, err := h.Reopen(t.Context(), h.agent, h.sent(letter{to: []string{"carl@customer.test"}})); !errors.As(err, &problem) {
		t.Errorf("of a sent message: %v, want a Problem", err)
	}
}

func TestTheImportReportsEachBlock(t *testing.T) {
	h := newHouse(t)
	good, other := newKey(t, "good@desk.test", 0), newKey(t, "locked@desk.test", 0)
	input := append(private(t, good), locked(t, other, "the right passphrase")...)
	input = append(input, public(t, newKey(t, "carl@customer.test", 0))...)

	for passphrase, want := range map[string]string{"a wrong passphrase": "does not unlock", "": "protected by a passphrase"} {
		report := h.imports(input, passphrase)
		if len(report.Changes) != 3 {
			t.Fatalf("%d changes for 3 blocks: %+v", len(report.Changes), report.Changes)
		}
		refused := report.Changes[1]
		if refused.Outcome != keyring.Refused || !strings.Contains(refused.Sentence, want) || refused.Fingerprint != fingerprint(other) {
			t.Errorf("with %q the locked block reads %+v", passphrase, refused)
		}
	}
	if c, err := h.Certificate(t.Context(), h.agent, fingerprint(good)); err != nil || !c.HasSecret {
		t.Errorf("the good block beside a bad one was not taken: %v", err)
	}
	if _, err := h.Certificate(t.Context(), h.agent, fingerprint(other)); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("the locked block: %v, want it not taken", err)
	}
	if change := h.imports(input, "the right passphrase").Changes[1]; change.Outcome != keyring.Added {
		t.Errorf("with the passphrase the locked block reads %+v", change)
	}
}

func TestAnImportOfNothingIsAProblemAndThePassphraseIsWiped(t *testing.T) {
	h := newHouse(t)
	passphrase := []byte("correct horse")
	var problem *gateway.Problem
	_, err := h.ImportCertificates(t.Context(), h.admin, gateway.ImportRequest{Input: []byte("my cat"), Passphrase: passphrase})
	if !errors.As(err, &problem) {
		t.Errorf("import: %v, want a Problem", err)
	}
	if strings.Trim(string(passphrase), "\x00") != "" {
		t.Error("the passphrase was not wiped")
	}
}

// A file that no key opened yet is a part of a message: its word is partial before and after, and it is opened all the
// same when the key comes, once.
func TestAnImportedKeyOpensTheFilesThatWaitedForIt(t *testing.T) {
	h := newHouse(t)
	old := newKey(t, "old-desk@desk.test", 0)
	h.receives(arrival(h.box, 1, withEncryptedFile(t, old)))
	first := h.articles()[0]
	if first.Encryption != string(pgpmime.EncryptionPartial) {
		t.Fatalf("it arrived as %s", first.Encryption)
	}
	if report := h.imports(private(t, old), ""); report.Reopened != 1 {
		t.Fatalf("the import reopened %d articles, want 1", report.Reopened)
	}
	if appeared, err := h.Reopen(t.Context(), h.agent, first.ID); appeared || err != nil {
		t.Errorf("again: %v %v", appeared, err)
	}
	all := h.articles()
	if len(all) != 2 {
		t.Fatalf("%d articles", len(all))
	}
	for _, a := range all {
		opened := pgpmime.Look([]byte(h.raw(a.ID))).Attachments[0]
		if later := a.ID != first.ID; later != (opened.Name == "numbers.txt" && string(opened.Content) == canary) {
			t.Errorf("later %v: %s %q", later, opened.Name, opened.Content)
		}
	}
}

// withEncryptedFile is a message in clear with a file that is encrypted.
func withEncryptedFile(t testing.TB, reader *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("From: Carol <carol@customer.test>\r\nTo: support@desk.test\r\nSubject: numbers\r\nMessage-ID: <f@customer.test>\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n--b\r\n" +
		"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"numbers.txt.asc\"\r\n\r\n")
	if err := pgp.EncryptArmored(&b, pgpmime.Of([]byte(canary)), pgp.Writing{To: []*openpgp.Entity{reader}, Now: noon, Random: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\r\n--b--\r\n")
	return b.Bytes()
}

// A message that does not name its readers waits for any secret key that comes.
func TestAnImportedKeyOpensWhatNamedNobody(t *testing.T) {
	h := newHouse(t)
	old := newKey(t, "old-desk@desk.test", 0)
	h.receives(arrival(h.box, 1, toNobodyNamed(t, old)))
	if a := h.articles()[0]; a.Encryption != string(pgpmime.NoKey) {
		t.Fatalf("it arrived as %s", a.Encryption)
	}
	if report := h.imports(private(t, old), ""); report.Reopened != 1 {
		t.Errorf("the import reopened %d articles, want 1", report.Reopened)
	}
}

// toNobodyNamed is an encrypted message whose reader is hidden.
func toNobodyNamed(t testing.TB, reader *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("From: Carol <carol@customer.test>\r\nTo: support@desk.test\r\nSubject: s\r\nMessage-ID: <n@customer.test>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\n" +
		"Version: 1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n")
	a := armor.NewWriter(&b, armor.Message)
	w, err := openpgp.Encrypt(a, nil, []*openpgp.Entity{reader}, nil, nil, configAt(noon))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("Content-Type: text/plain\r\n\r\n" + canary + "\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		t.Fatal(err)
	}
	b.WriteString("--b--\r\n")
	return b.Bytes()
}
