package gateway_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring"
)

const carl = "carl@customer.test"

// signatures are the words for the signatures of all articles, sorted.
func (h *house) signatures() []string {
	var words []string
	for _, a := range h.articles() {
		words = append(words, a.Signature)
	}
	slices.Sort(words)
	return words
}

// keysOf serves a certificate at the keyserver under the id of its primary key.
func keysOf(t *testing.T, internet *bed.Internet, keyID string, certificate []byte) *pages {
	t.Helper()
	p := newPages()
	p.at["/vks/v1/by-keyid/"+keyID] = certificate
	internet.Serve("keys.test", p.ServeHTTP)
	return p
}

func TestTheSignerOfAMessageIsFoundAndTheMessageJudgedAgain(t *testing.T) {
	h := newHouse(t)
	internet := h.online()
	key := newKey(t, carl, 0)
	keyID := fmt.Sprintf("%016X", key.PrimaryKey.KeyId)
	server := keysOf(t, internet, keyID, public(t, key))
	h.receives(arrival(h.box, 1, written(t, "1@customer.test", pgpmime.ProtectRequest{Protection: pgpmime.Signed, Signer: key})))
	if server.asked["/vks/v1/by-keyid/"+keyID] != 0 {
		t.Error("the keyserver was asked before the message was stored")
	}
	h.asks()
	if h.state(key) != keyring.Proposed {
		t.Fatalf("state %q; asked: %v", h.state(key), server.asked)
	}
	if got := h.signatures(); !slices.Equal(got, []string{"unknown-key"}) {
		t.Errorf("a proposal made the message appear again: %v", got)
	}
	if err := h.SetCertificateState(t.Context(), h.admin, fingerprint(key), keyring.Approved); err != nil {
		t.Fatal(err)
	}
	if got := h.signatures(); !slices.Equal(got, []string{"good", "unknown-key"}) {
		t.Errorf("after the approval: %v", got)
	}
	for _, again := range []keyring.State{keyring.Blocked, keyring.Approved} {
		if err := h.SetCertificateState(t.Context(), h.admin, fingerprint(key), again); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(h.articles()); n != 2 {
		t.Errorf("%d articles after another approval", n)
	}
}

// A key id says nothing about who somebody is: only the user ID of the sender makes a proposal of what comes.
func TestASignerWhoIsSomebodyElseIsNoProposal(t *testing.T) {
	h := newHouse(t)
	internet := h.online()
	key := newKey(t, "mallory@elsewhere.test", 0)
	keyID := fmt.Sprintf("%016X", key.PrimaryKey.KeyId)
	server := keysOf(t, internet, keyID, public(t, key))
	h.receives(arrival(h.box, 1, written(t, "1@customer.test", pgpmime.ProtectRequest{Protection: pgpmime.Signed, Signer: key})))
	h.asks()
	if server.asked["/vks/v1/by-keyid/"+keyID] != 1 || h.state(key) != "" {
		t.Errorf("asked %v, state %q", server.asked, h.state(key))
	}
}

// What came while the certificate waited is judged again by hand only: it may be a year of mail.
func TestAMessageThatCameDuringTheWaitIsJudgedAgainByHand(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	key := newKey(t, carl, 0)
	h.receives(arrival(h.box, 1, append([]byte(autocrypt(t, carl, key)), fromCustomer(t, "1@customer.test")...)))
	h.receives(arrival(h.box, 2, written(t, "2@customer.test", pgpmime.ProtectRequest{Protection: pgpmime.Signed, Signer: key})))
	if err := h.SetCertificateState(t.Context(), h.admin, fingerprint(key), keyring.Approved); err != nil {
		t.Fatal(err)
	}
	if got := h.signatures(); !slices.Equal(got, []string{"none", "unapproved-key"}) {
		t.Fatalf("after the approval: %v", got)
	}
	for _, a := range h.articles() {
		if a.Signature == "unapproved-key" {
			if appeared, err := h.Reopen(t.Context(), h.agent, a.ID); err != nil || !appeared {
				t.Errorf("%v, %v", appeared, err)
			}
		}
	}
	if got := h.signatures(); !slices.Equal(got, []string{"good", "none", "unapproved-key"}) {
		t.Errorf("by hand: %v", got)
	}
}

func TestWhichSignersAreLookedFor(t *testing.T) {
	key := newKey(t, carl, 0)
	signed := func(r pgpmime.ProtectRequest) []byte {
		r.Protection, r.Signer = pgpmime.Signed, key
		return written(t, "1@customer.test", r)
	}
	cases := map[string]struct {
		message []byte
		known   bool
		queued  bool
	}{
		"unknown":       {message: signed(pgpmime.ProtectRequest{}), queued: true},
		"known":         {message: signed(pgpmime.ProtectRequest{}), known: true},
		"it came along": {message: append([]byte(autocrypt(t, carl, key)), signed(pgpmime.ProtectRequest{})...)},
		"not signed":    {message: fromCustomer(t, "1@customer.test")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.discovering()
			if c.known {
				h.imports(public(t, key), "")
			}
			h.receives(arrival(h.box, 1, c.message))
			if _, queued := h.queued()[fmt.Sprintf("%016X %s", key.PrimaryKey.KeyId, carl)]; queued != c.queued {
				t.Errorf("queued: %v", h.queued())
			}
		})
	}
}
