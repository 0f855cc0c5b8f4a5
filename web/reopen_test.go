package web

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// lateKey is a secret key that comes to Sealgate later than the mail that is encrypted to it.
func (b *bench) lateKey() *openpgp.Entity {
	b.t.Helper()
	made := b.clock.Now().Add(-time.Hour)
	e, err := openpgp.NewEntity("Old desk", "", "old@elsewhere.test", &packet.Config{Time: func() time.Time { return made }})
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

// encryptedTo is a customer's message.
func (b *bench) encryptedTo(to *openpgp.Entity) string {
	b.t.Helper()
	plain := "From: " + customer + "\r\nTo: " + support + "\r\nSubject: question\r\nMessage-ID: <late@example.test>\r\n" +
		"Date: Mon, 23 Nov 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nWhat is the answer?\r\n"
	o, err := pgpmime.Protect([]byte(plain), pgpmime.ProtectRequest{
		Protection: pgpmime.Encrypted, To: []*openpgp.Entity{to}, Now: b.clock.Now(), Random: rand.Reader,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.ReplaceAll(string(o.Bytes()), "\r\n", "\n")
}

// waits brings a message whose key was blocked when it came, and is approved now; the article waits for somebody to ask.
func (b *bench) waits() {
	b.t.Helper()
	key := b.lateKey()
	var public, secret bytes.Buffer
	if err := key.Serialize(&public); err != nil {
		b.t.Fatal(err)
	}
	if err := key.SerializePrivateWithoutSigning(&secret, nil); err != nil {
		b.t.Fatal(err)
	}
	fingerprint := b.imports(public.String()).Changes[0].Fingerprint
	state := func(s keyring.State) { // as if the reopening after a decision had been cut off
		if err := b.gateway.Keyring.SetState(b.t.Context(), b.gateway.DB, fingerprint, s, b.clock.Now()); err != nil {
			b.t.Fatal(err)
		}
	}
	state(keyring.Blocked)
	b.arrives(b.encryptedTo(key))
	b.imports(secret.String())
	state(keyring.Approved)
}

// TestOpenWaitingArticlesNow: the button tries everything of one's own groups and says what became of it, on the page and
// by API.
func TestOpenWaitingArticlesNow(t *testing.T) {
	b := newBench(t)
	g := b.desk(nil)
	b.person("root", groups.Admin)
	agent := b.person("ada", groups.Agent, g.ID)
	stranger := b.person("olga", groups.Agent)
	v := b.as("ada")
	if page := v.get("/articles").body; strings.Contains(page, "Open waiting articles now") {
		t.Error("the button is shown although nothing waits")
	}
	b.waits()
	v.get("/articles").says(t, http.StatusOK, "1 article waits for a key", "Open waiting articles now")
	b.program(stranger).call("POST", "/articles/reopen", nil, nil).says(t, http.StatusOK, `"waited":0`)
	v.submit("/articles", "/articles/reopen", url.Values{}).says(t, http.StatusOK, "1 article was opened and appears anew at the top.", "Encrypted (decrypted)")
	b.program(agent).call("POST", "/articles/reopen", nil, nil).says(t, http.StatusOK, `"waited":0`, `"reopened":0`)

	b.arrives(strings.Replace(b.encryptedTo(b.lateKey()), "late@", "later@", 1))
	v.submit("/articles", "/articles/reopen", url.Values{}).says(t, http.StatusOK, "1 article waits on: the keys that are held do not open more")
}
