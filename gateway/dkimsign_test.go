package gateway_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"gorm.io/gorm"
)

// judged is what DKIM says of a copy as it leaves.
func (c sealedCopy) judged(d *dnstest.Server) string {
	c.h.t.Helper()
	return fmt.Sprint(dkim.Verify(c.h.ctx(), []byte(c.Signatures+c.payload), d.Client()))
}

const bothSign = "[dkim=pass header.d=desk.test header.s=sg20260304-ed25519 dkim=pass header.d=desk.test header.s=sg20260304-rsa]"

// TestEveryFormOfCopyIsSignedForItsDomain: clear, signed, encrypted, hidden, inline, and the notice for who has no key.
func TestEveryFormOfCopyIsSignedForItsDomain(t *testing.T) {
	for name, c := range map[string]struct {
		options []func(*groups.Group)
		letter  letter
	}{
		"clear":     {[]func(*groups.Group){encrypt(groups.Off), sign(groups.Off)}, letter{to: []string{"carl@customer.test"}}},
		"8bit":      {[]func(*groups.Group){encrypt(groups.Off), sign(groups.Off)}, letter{to: []string{"carl@customer.test"}, subject: "Grüße"}},
		"signed":    {[]func(*groups.Group){encrypt(groups.Off), sign(groups.On)}, letter{to: []string{"carl@customer.test"}}},
		"encrypted": {[]func(*groups.Group){encrypt(groups.On), sign(groups.Off)}, letter{to: []string{"carl@customer.test"}, bcc: []string{"dora@customer.test"}}},
		"both":      {[]func(*groups.Group){encrypt(groups.On), sign(groups.On)}, letter{to: []string{"carl@customer.test", "dora@customer.test"}}},
		"notice":    {[]func(*groups.Group){encrypt(groups.On), sign(groups.On), split}, letter{to: []string{"carl@customer.test", "none@customer.test"}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, c.options...)
			h.customer("carl@customer.test")
			h.customer("dora@customer.test")
			d := h.signsFor("desk.test")
			h.sent(c.letter)
			copies := h.copies()
			for _, sealed := range copies {
				if got := sealed.judged(d); got != bothSign {
					t.Errorf("to %v: %s", sealed.addresses(), got)
				}
			}
			if want := map[string]int{"encrypted": 2, "notice": 2}[name]; len(copies) != max(want, 1) {
				t.Errorf("%d copies", len(copies))
			}
		})
	}
}

// TestWhatIsSignedInClearIsSevenBit, so that no server on the way breaks the signature; without a key it leaves as it came.
func TestWhatIsSignedInClearIsSevenBit(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), sign(groups.Off))
	eightBit := letter{to: []string{"carl@customer.test"}, subject: "Grüße", fields: []string{"X-Note: für"}}
	h.sent(eightBit)
	d := h.signsFor("desk.test")
	h.sent(eightBit)
	before, after := h.copies()[0], h.copies()[1]
	if !strings.Contains(before.payload, "Subject: Grüße") || strings.Contains(before.Signatures, "DKIM-") {
		t.Errorf("without a key it left as\n%s", before.payload)
	}
	if strings.ContainsFunc(after.payload, func(r rune) bool { return r >= 0x80 }) || !strings.Contains(after.payload, "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=") || after.judged(d) != bothSign {
		t.Errorf("with keys it left as\n%s", after.payload)
	}
}

// TestOnlyActiveKeysOfTheDomainSign: a key of another domain, an inactive one and none leave the copy without.
func TestOnlyActiveKeysOfTheDomainSign(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), sign(groups.Off))
	h.sent(letter{to: []string{"carl@customer.test"}})
	h.signsFor("else.test")
	if _, err := h.GenerateDKIMKeys(h.ctx(), h.admin, gateway.NewDKIMKey{Domain: "desk.test", Selector: "idle"}); err != nil {
		t.Fatal(err)
	}
	h.sent(letter{to: []string{"carl@customer.test"}})
	for _, c := range h.copies() {
		if strings.Contains(c.Signatures, "DKIM-") {
			t.Errorf("it is signed: %s", c.Signatures)
		}
	}
}

// TestRotation: old and new key sign together, then the new one alone; what the old one signed still verifies.
func TestRotation(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), sign(groups.Off))
	d := h.signsFor("desk.test")
	h.sent(letter{to: []string{"carl@customer.test"}})
	for _, kind := range []string{"rsa", "ed25519"} {
		if _, err := h.DeactivateDKIMKey(h.ctx(), h.admin, "desk.test", "sg20260304-"+kind); err != nil {
			t.Fatal(err)
		}
	}
	before := h.copies()[0]
	if _, err := h.GenerateDKIMKeys(h.ctx(), h.admin, gateway.NewDKIMKey{Domain: "desk.test", Selector: "next", Algorithm: dkim.Ed25519}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ActivateDKIMKey(h.ctx(), h.admin, "desk.test", "next", true); err != nil {
		t.Fatal(err)
	}
	h.sent(letter{to: []string{"carl@customer.test"}})
	if after := h.copies()[1]; strings.Count(after.Signatures, "DKIM-Signature:") != 1 || !strings.Contains(after.Signatures, "s=next;") {
		t.Errorf("the next is signed with %s", after.Signatures)
	}
	if got := before.judged(d); got != bothSign {
		t.Errorf("the one before: %s", got)
	}
}

// TestAKeyThatCannotBeOpenedHoldsTheMail: nothing of a domain that signs leaves unsigned, it is to be sent again later.
func TestAKeyThatCannotBeOpenedHoldsTheMail(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), sign(groups.Off))
	h.signsFor("desk.test")
	if err := h.DB.Transaction(func(tx *gorm.DB) error { return tx.Exec("DELETE FROM sealed_objects WHERE kind = 'dkim-key'").Error }); err != nil {
		t.Fatal(err)
	}
	_, err := h.submit(letter{to: []string{"carl@customer.test"}})
	var refusal *submission.Refusal
	if err == nil || errors.As(err, &refusal) && !refusal.Temporary() {
		t.Errorf("got %v, want an error that may pass", err)
	}
	if n := len(h.copies()); n != 0 {
		t.Errorf("%d copies are queued", n)
	}
}

// TestNotificationsAreSignedForTheDomainOfTheGateway: a DSN comes from Sealgate itself.
func TestNotificationsAreSignedForTheDomainOfTheGateway(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), sign(groups.Off))
	if err := h.SetCertificateState(h.ctx(), h.admin, h.own.Fingerprint, keyring.Blocked); err != nil {
		t.Fatal(err) // the notification is to leave in clear
	}
	d := h.signsFor("gate.test")
	h.sent(letter{to: []string{"gone@customer.test"}})
	taken := h.relay("gone@customer.test")
	dsn := taken[len(taken)-1]
	if got := dsn.judged(d); !strings.HasPrefix(got, "[dkim=pass header.d=gate.test") || !strings.Contains(dsn.payload, "multipart/report") {
		t.Errorf("%s\n%s", got, dsn.payload)
	}
}
