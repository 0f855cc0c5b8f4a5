package gateway_test

import (
	"strings"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring"
)

// Else an agent of Support could read the mail of Sales by having its ciphertext sent to support@desk.test.
func TestAGroupIsNoOracleForAnothersMail(t *testing.T) {
	h := newHouse(t)
	sales := h.newGroup("Sales", "sales@desk.test")
	salesBox := h.newMailbox(sales, "sales")
	key, err := h.GenerateKey(t.Context(), h.admin, gateway.NewKey{Name: "Sales", Address: "sales@desk.test"})
	if err != nil {
		t.Fatal(err)
	}
	message := fromCustomer(t, "offer@customer.test", key.Entity)
	h.receives(arrival(h.box, 1, message))
	h.receives(arrival(salesBox, 1, message))
	atSupport, atSales := h.articles()[0], h.articles()[1]
	if atSupport.MailboxID != h.box.ID {
		atSupport, atSales = atSales, atSupport
	}
	if atSupport.Encryption != string(pgpmime.NoKey) || strings.Contains(h.raw(atSupport.ID), canary) {
		t.Errorf("Support reads the mail of Sales: %s", atSupport.Encryption)
	}
	if atSales.Encryption != string(pgpmime.Decrypted) || !strings.Contains(h.raw(atSales.ID), canary) {
		t.Errorf("Sales cannot read its own mail: %s", atSales.Encryption)
	}
	if _, err := h.Reopen(t.Context(), h.agent, atSupport.ID); err != nil {
		t.Error(err)
	}
	if n := len(h.articles()); n != 2 {
		t.Errorf("opening again made %d articles of 2", n)
	}
}

func TestWhichKeysOpenAGroupsMail(t *testing.T) {
	cases := []struct {
		name    string
		prepare func(h *house, key *openpgp.Entity)
		address string
		want    pgpmime.Encryption
	}{
		{name: "nobody's in particular", address: "archive@desk.test", want: pgpmime.Decrypted},
		{name: "the group's own", address: support, want: pgpmime.Decrypted},
		{name: "another group's", address: "Sales@Desk.Test", want: pgpmime.NoKey, prepare: func(h *house, _ *openpgp.Entity) {
			h.newGroup("Sales", "sales@desk.test")
		}},
		{name: "shared by both groups", address: "sales@desk.test", want: pgpmime.Decrypted, prepare: func(h *house, key *openpgp.Entity) {
			h.newGroup("Sales", "sales@desk.test")
			if err := key.AddUserId("Support", "", support, configAt(newYear)); err != nil {
				h.t.Fatal(err)
			}
		}},
		{name: "blocked", address: support, want: pgpmime.NoKey, prepare: func(h *house, key *openpgp.Entity) {
			h.imports(private(h.t, key), "")
			if err := h.SetCertificateState(h.ctx(), h.admin, fingerprint(key), keyring.Blocked); err != nil {
				h.t.Fatal(err)
			}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			key := newKey(t, c.address, 0)
			if c.prepare != nil {
				c.prepare(h, key)
			}
			h.imports(private(t, key), "")
			h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test", key)))
			if got := h.articles()[0].Encryption; got != string(c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
