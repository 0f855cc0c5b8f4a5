package gateway_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
	"github.com/sealgate/sealgate/keyring"
)

const ann = "ann@customer.test"

// gossip is the field that tells others of a key.
func gossip(t testing.TB, address string, key *openpgp.Entity) string {
	t.Helper()
	return strings.Replace(autocrypt(t, address, key), "Autocrypt:", "Autocrypt-Gossip:", 1)
}

// whispered is a message of joe's to Support and to others, encrypted to Support, with fields inside.
func (h *house) whispered(date, to, fields string) []byte {
	h.t.Helper()
	var b bytes.Buffer
	b.WriteString("From: " + joe + "\r\nTo: " + support + ", " + to + "\r\nSubject: x\r\nDate: " + date + "\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n")
	inside := pgpmime.Of([]byte(fields + "Content-Type: text/plain\r\n\r\nhello\r\n"))
	err := pgp.EncryptArmored(&b, inside, pgp.Writing{To: []*openpgp.Entity{h.own.Entity}, Now: noon, Random: rand.Reader})
	if err != nil {
		h.t.Fatal(err)
	}
	b.WriteString("\r\n--b--\r\n")
	return b.Bytes()
}

const thisMorning = "Wed, 04 Mar 2026 11:00:00 +0000"

func TestGossipInsideAnEncryptedMessageIsAProposal(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	key := newKey(t, ann, 0)
	h.receives(arrival(h.box, 1, h.whispered(thisMorning, ann, gossip(t, ann, key))))
	if h.state(key) != keyring.Proposed || h.usedFor(ann) != "" {
		t.Fatalf("state %q, used %q", h.state(key), h.usedFor(ann))
	}
	if e := h.entries("certificate.proposed"); len(e) != 1 || e[0].Detail["source"] != "gossip" || e[0].Detail["address"] != ann {
		t.Errorf("the log holds %+v", e)
	}
	if shown := h.raw(h.articles()[0].ID); strings.Contains(shown, "Gossip") {
		t.Errorf("the ticket system sees it:\n%s", shown)
	}
}

func TestWhatGossipIsNotHeard(t *testing.T) {
	other := "other@customer.test"
	cases := map[string]struct {
		prepare func(h *house)
		message func(h *house, field string) []byte
		about   string
	}{
		"of the outer header": {message: func(h *house, field string) []byte {
			m := withField(field)
			return bytes.Replace(m, []byte("To: "+support), []byte("To: "+support+", "+ann), 1)
		}},
		"of a part below the root": {message: func(h *house, field string) []byte {
			return h.whispered(thisMorning, ann, "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n"+field)
		}},
		"about nobody among the recipients": {message: func(h *house, field string) []byte {
			return h.whispered(thisMorning, other, field)
		}},
		"about one of us": {
			about:   "sales@desk.test",
			prepare: func(h *house) { h.newGroup("Sales", "sales@desk.test") },
			message: func(h *house, field string) []byte { return h.whispered(thisMorning, "sales@desk.test", field) },
		},
		"about one whose certificate is approved": {prepare: func(h *house) { h.customer(ann) }},
		"about one whose certificate is blocked":  {prepare: func(h *house) { h.customerBlocked(ann) }},
		"about one whose certificate expired":     {prepare: func(h *house) { h.customerExpired(ann) }},
		"about one whose certificate waits": {prepare: func(h *house) {
			h.receives(arrival(h.box, 9, h.whispered("Wed, 04 Mar 2026 10:00:00 +0000", ann, gossip(h.t, ann, newKey(h.t, ann, 0)))))
		}},
		"that is older than what was heard": {prepare: func(h *house) {
			later := newKey(h.t, ann, 0)
			h.receives(arrival(h.box, 9, h.whispered("Wed, 04 Mar 2026 11:30:00 +0000", ann, gossip(h.t, ann, later))))
			if err := h.DeleteCertificate(h.ctx(), h.admin, fingerprint(later)); err != nil {
				h.t.Fatal(err)
			}
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.discovering()
			if c.prepare != nil {
				c.prepare(h)
			}
			if c.about == "" {
				c.about = ann
			}
			key := newKey(t, c.about, 0)
			message := h.whispered(thisMorning, ann, gossip(t, c.about, key))
			if c.message != nil {
				message = c.message(h, gossip(t, c.about, key))
			}
			h.receives(arrival(h.box, 1, message))
			if h.state(key) != "" {
				t.Errorf("state %q", h.state(key))
			}
		})
	}
}

// No group may approve hearsay by itself, and what is better than hearsay comes beside it.
func TestGossipIsTheLowestTier(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	if err := h.SetApprovals(t.Context(), h.admin, h.group.ID, []keyring.Source{keyring.Autocrypt, keyring.Attachment, keyring.WKD, keyring.Keyserver}); err != nil {
		t.Fatal(err)
	}
	heard, own := newKey(t, ann, 0), newKey(t, ann, 0)
	h.receives(arrival(h.box, 1, h.whispered(thisMorning, ann, gossip(t, ann, heard))))
	if h.state(heard) != keyring.Proposed {
		t.Fatalf("gossip is %q", h.state(heard))
	}
	shown := bytes.Replace(withField(autocrypt(t, ann, own)), []byte("From: "+joe), []byte("From: "+ann), 1)
	h.receives(arrival(h.box, 2, shown))
	if h.state(own) != keyring.Approved || h.usedFor(ann) != fingerprint(own) || h.state(heard) != keyring.Proposed {
		t.Errorf("her own is %q, gossip is %q, used %q", h.state(own), h.state(heard), h.usedFor(ann))
	}
}

// A message that only opens later gossips then, once.
func TestGossipIsHeardWhenTheMessageOpens(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	old, key := newKey(t, "old-desk@desk.test", 0), newKey(t, ann, 0)
	h.own = &keyring.Certificate{Entity: old} // to whom joe encrypts
	h.receives(arrival(h.box, 1, h.whispered(thisMorning, ann, gossip(t, ann, key))))
	if h.state(key) != "" {
		t.Fatalf("state %q before it opens", h.state(key))
	}
	h.imports(private(t, old), "")
	if h.state(key) != keyring.Proposed {
		t.Errorf("state %q", h.state(key))
	}
}
