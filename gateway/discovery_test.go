package gateway_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

const joe = "joe@customer.test"

// discovering switches discovery on, without any server. The worker does not run: stories take its steps.
func (h *house) discovering() {
	d := &gateway.Discovery{
		Store: discover.NewStore(h.DB), Finder: &discover.Finder{Now: h.Now},
		Look: discover.Look{Autocrypt: true, Attached: true, Gossip: true},
	}
	d.Worker = &discover.Worker{
		Store: d.Store, Finder: d.Finder, Propose: h.Propose, Known: h.EachForeign, AddressesOf: h.AddressesOf,
		Wanted: h.QueueLookups, Now: h.Now, Log: h.Log,
	}
	h.Discovery = d
}

// withField is a message of joe's with one more field.
func withField(field string) []byte {
	return []byte("From: " + joe + "\r\nTo: " + support + "\r\nSubject: x\r\nDate: Wed, 04 Mar 2026 11:00:00 +0000\r\n" +
		field + "Content-Type: text/plain\r\n\r\nhello\r\n")
}

func autocrypt(t testing.TB, address string, key *openpgp.Entity) string {
	t.Helper()
	var b bytes.Buffer
	if err := key.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return "Autocrypt: addr=" + address + "; keydata=\r\n " + base64.StdEncoding.EncodeToString(b.Bytes()) + "\r\n"
}

func (h *house) state(key *openpgp.Entity) keyring.State {
	c, err := h.Keyring.Get(h.ctx(), fingerprint(key), noon)
	if err != nil {
		return ""
	}
	return c.State
}

func (h *house) usedFor(address string) string {
	h.t.Helper()
	p, err := h.Plan(h.ctx(), h.agent, gateway.PlanRequest{From: support, Visible: []string{address}})
	if err != nil {
		h.t.Fatal(err)
	}
	return p.Recipients[0].Fingerprint
}

func TestAnAutocryptFieldIsAProposal(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	key := newKey(t, joe, 0)
	h.receives(arrival(h.box, 1, withField(autocrypt(t, joe, key))))
	if h.state(key) != keyring.Proposed || h.usedFor(joe) != "" {
		t.Errorf("state %q, used %q", h.state(key), h.usedFor(joe))
	}
	e := h.entries("certificate.proposed")
	if len(e) != 1 || e[0].Detail["source"] != "autocrypt" || e[0].Fingerprint != fingerprint(key) {
		t.Errorf("the log holds %+v", e)
	}
	h.receives(arrival(h.box, 2, withField(autocrypt(t, joe, key))))
	if e := h.entries("certificate.proposed"); len(e) != 1 {
		t.Errorf("%d entries after the same key again", len(e))
	}
}

// An approved certificate stays approved, whatever user IDs somebody sends it with.
func TestAMailGivesAKnownCertificateNoAddress(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	key := h.customer("ann@customer.test")
	if err := key.AddUserId("", "", joe, configAt(newYear)); err != nil {
		t.Fatal(err)
	}
	h.receives(arrival(h.box, 1, withField(autocrypt(t, joe, key))))
	if h.state(key) != keyring.Approved || h.usedFor("ann@customer.test") != fingerprint(key) || h.usedFor(joe) != "" {
		t.Errorf("state %q, used for joe %q", h.state(key), h.usedFor(joe))
	}
}

func TestOurOwnAddressesLearnNothing(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	key := newKey(t, support, 0)
	forged := bytes.Replace(withField(autocrypt(t, support, key)), []byte("From: "+joe), []byte("From: "+support), 1)
	h.receives(arrival(h.box, 1, forged))
	if h.state(key) != "" {
		t.Errorf("state %q", h.state(key))
	}
}

func TestNobodyFillsTheKeyringByMail(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	for i := range uint32(8) {
		m := bytes.Replace(withField(autocrypt(t, joe, newKey(t, joe, 0))), []byte("11:00:00"), []byte("11:0"+string('0'+rune(i))+":00"), 1)
		h.receives(arrival(h.box, i+1, m))
	}
	if n := len(h.entries("certificate.proposed")); n != 5 {
		t.Errorf("%d proposals", n)
	}
}

func TestAnAttachedKeyIsAProposal(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	mine, other := newKey(t, joe, 0), newKey(t, "other@customer.test", 0)
	part := func(key *openpgp.Entity) string {
		return "--b\r\nContent-Type: application/pgp-keys\r\nContent-Disposition: attachment; filename=k.asc\r\n\r\n" + string(public(t, key)) + "\r\n"
	}
	m := strings.Replace(string(withField("MIME-Version: 1.0\r\n")), "Content-Type: text/plain\r\n\r\nhello\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n"+part(mine)+part(other)+"--b--\r\n", 1)
	h.receives(arrival(h.box, 1, []byte(m)))
	if h.state(mine) != keyring.Proposed || h.state(other) != "" {
		t.Errorf("states %q and %q", h.state(mine), h.state(other))
	}
}

// A gossip field of the outer header was written by anybody: only what was encrypted may gossip.
func TestGossipOfTheOuterHeaderIsNotHeard(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	key := newKey(t, "ann@customer.test", 0)
	field := strings.Replace(autocrypt(t, "ann@customer.test", key), "Autocrypt:", "Autocrypt-Gossip:", 1)
	m := bytes.Replace(withField(field), []byte("To: "+support), []byte("To: "+support+", ann@customer.test"), 1)
	h.receives(arrival(h.box, 1, m))
	if h.state(key) != "" {
		t.Errorf("state %q", h.state(key))
	}
}

// A message is stored whatever happens to what came with it.
func TestDiscoveryNeverFailsAMessage(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	h.exec("DROP TABLE discover_peers")
	h.receives(arrival(h.box, 1, withField(autocrypt(t, joe, newKey(t, joe, 0)))))
	if len(h.articles()) != 1 {
		t.Error("the message was not stored")
	}
}

func TestOnlyAdminsDiscover(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	if _, err := h.DiscoverAddress(t.Context(), h.agent, joe); err != gateway.ErrForbidden {
		t.Errorf("DiscoverAddress: %v", err)
	}
	if err := h.SetApprovals(t.Context(), h.agent, h.group.ID, nil); err != gateway.ErrForbidden {
		t.Errorf("SetApprovals: %v", err)
	}
	if err := h.SetApprovals(t.Context(), h.admin, h.group.ID, []keyring.Source{keyring.Gossip}); err == nil {
		t.Error("gossip may be approved by itself")
	}
	if r, err := h.DiscoverAddress(t.Context(), h.admin, joe); err != nil || len(r.Asks) != 0 {
		t.Errorf("without servers: %+v, %v", r, err)
	}
}
