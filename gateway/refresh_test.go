package gateway_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/keyring"
)

// withoutUserIDs is what keys.openpgp.org sends of a certificate whose owner verified no address there.
func withoutUserIDs(t *testing.T, key *openpgp.Entity) []byte {
	t.Helper()
	var kept bytes.Buffer
	packets := packet.NewOpaqueReader(bytes.NewReader(binary(t, key)))
	dropping := false
	for {
		p, err := packets.Next()
		if err != nil {
			return kept.Bytes()
		}
		if p.Tag != 2 { // a signature belongs to what stands before it
			dropping = p.Tag == 13
		}
		if dropping {
			continue
		}
		if err := p.Serialize(&kept); err != nil {
			t.Fatal(err)
		}
	}
}

func binary(t *testing.T, key *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := key.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// refreshes lets the worker ask for every known certificate.
func (h *house) refreshes() {
	h.t.Helper()
	if err := h.Discovery.Worker.QueueRefreshes(h.ctx()); err != nil {
		h.t.Fatal(err)
	}
	h.asks()
}

func TestARevocationOfTheKeyserverStopsTheUseAtOnce(t *testing.T) {
	h := newHouse(t)
	internet := h.online()
	key := h.customer(joe)
	old := public(t, key)
	if err := key.Revoke(packet.KeyCompromised, "lost", configAt(noon.Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	server := newPages()
	server.at["/vks/v1/by-fingerprint/"+fingerprint(key)] = withoutUserIDs(t, key)
	internet.Serve("keys.test", server.ServeHTTP)
	if h.usedFor(joe) != fingerprint(key) {
		t.Fatal("it is not used before the refresh")
	}
	h.refreshes()
	if used := h.usedFor(joe); used != "" {
		t.Fatalf("%q is used after its revocation came; asked: %v", used, server.asked)
	}
	e := h.entries("certificate.refreshed")
	if len(e) != 1 || e[0].Detail["source"] != "keyserver" || !strings.Contains(e[0].Detail["changes"], "revoked") ||
		e[0].Detail["alert"] != "it was in use and is not used any more: revoked" {
		t.Errorf("the log holds %+v", e)
	}
	// No older copy brings it back: not by hand, not by mail, not from a directory.
	h.imports(old, "")
	attached := "--b\r\nContent-Type: application/pgp-keys\r\n\r\n" + string(old) + "\r\n--b--\r\n"
	m := strings.Replace(string(withField("MIME-Version: 1.0\r\n")), "Content-Type: text/plain\r\n\r\nhello\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n"+attached, 1)
	h.receives(arrival(h.box, 1, []byte(m)))
	internet.Serve("openpgpkey.customer.test", func(w http.ResponseWriter, _ *http.Request) { w.Write(old) })
	if _, err := h.DiscoverAddress(t.Context(), h.admin, joe); err != nil {
		t.Fatal(err)
	}
	if used := h.usedFor(joe); used != "" || h.state(key) != keyring.Approved {
		t.Errorf("an older copy brought it back: used %q, %q", used, h.state(key))
	}
	if n := len(h.entries("certificate.refreshed")); n != 1 {
		t.Errorf("%d entries after older copies", n)
	}
}

// The owner extends the certificate with gpg in time, and puts it into the directory of the domain.
func TestANewExpiryOfTheDirectoryIsUsed(t *testing.T) {
	bed.Need(t, "gpg")
	h := newHouse(t)
	internet := h.online()
	gpg := bed.NewGPG(t)
	fpr := gpg.GenerateAt(t, "Joe <"+joe+">", "", newYear, "31d") // expired for a month
	h.imports(gpg.Export(t, fpr), "")
	if h.usedFor(joe) != "" {
		t.Fatal("an expired certificate is used")
	}
	for _, which := range [][]string{{}, {"*"}} {
		gpg.Run(t, nil, append(append(bed.At(newYear.Add(20*24*time.Hour)), "--quick-set-expire", fpr, "1y"), which...)...)
	}
	extended := gpg.Export(t, fpr)
	internet.Serve("openpgpkey.customer.test", func(w http.ResponseWriter, _ *http.Request) { w.Write(extended) })
	h.refreshes()
	e := h.entries("certificate.refreshed")
	if used := h.usedFor(joe); used != fpr {
		t.Fatalf("used %q after the extension; the log holds %+v", used, e)
	}
	if len(e) != 1 || e[0].Detail["source"] != "wkd" || !strings.Contains(e[0].Detail["changes"], "expires on 2027-01-21") || e[0].Detail["alert"] != "" {
		t.Errorf("the log holds %+v", e)
	}
}

// Nobody who answers a refresh gets an address, another certificate, or a state into the keyring.
func TestARefreshBringsNothingElse(t *testing.T) {
	h := newHouse(t)
	internet := h.online()
	key := h.customer(joe)
	if err := key.AddUserId("", "", ann, configAt(noon.Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	stranger := newKey(t, joe, 0)
	both := append(binary(t, stranger), binary(t, key)...)
	internet.Serve("openpgpkey.customer.test", func(w http.ResponseWriter, _ *http.Request) { w.Write(both) })
	server := newPages()
	server.at["/vks/v1/by-fingerprint/"+fingerprint(key)] = append(withoutUserIDs(t, stranger), withoutUserIDs(t, key)...)
	internet.Serve("keys.test", server.ServeHTTP)
	h.refreshes()
	c, err := h.Certificate(t.Context(), h.admin, fingerprint(key))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Addresses(), []string{joe}) || c.State != keyring.Approved || h.state(stranger) != "" || h.usedFor(joe) != fingerprint(key) {
		t.Errorf("addresses %v, %q; the stranger is %q", c.Addresses(), c.State, h.state(stranger))
	}
	if server.asked["/vks/v1/by-fingerprint/"+fingerprint(key)] != 1 {
		t.Errorf("asked: %v", server.asked)
	}
}
