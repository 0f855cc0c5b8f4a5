package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/groups"
)

// TestCustomersEncryptedMail: a customer's gpg writes, first unknown. Once the certificate is imported on the page the
// article appears anew with a good signature, and the reply is encrypted because the thread came encrypted.
func TestCustomersEncryptedMail(t *testing.T) {
	bed.Need(t, "gpg")
	b := newBench(t)
	g := b.desk(func(g *groups.Group) { g.Encrypt = groups.Off })
	b.person("root", groups.Admin)
	gpg := bed.NewGPG(t)
	fingerprint := gpg.Generate(t, "Customer <"+customer+">", "")
	b.clock.Add(time.Minute) // the key is from after the bench's clock was set
	own, err := b.gateway.Keyring.ByAddress(t.Context(), []string{support}, b.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	armored, err := own[support][0].Armored()
	if err != nil {
		t.Fatal(err)
	}
	gpg.Import(t, armored)
	header := "From: Customer <" + customer + ">\r\nTo: " + support + "\r\nSubject: question\r\nMessage-ID: <q@example.test>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\n"
	message := gpg.PGPMIME(t, header, []byte("Content-Type: text/plain\r\n\r\nWhat is the answer?\r\n"), customer, support)
	id := b.arrives(strings.ReplaceAll(string(message), "\r\n", "\n"))

	v := b.as("root")
	v.get("/articles/"+id).says(t, http.StatusOK, "What is the answer?", "Encrypted (decrypted)", "Signed by an unknown key", "Try to open again")
	v.submit("/keyring/import", "/keyring/import", url.Values{"text": {string(gpg.Export(t, customer))}}).
		says(t, http.StatusOK, "1 article that waited for this key was opened", "Added")
	found, err := b.gateway.ListArticles(t.Context(), admin(), archive.Filter{Groups: []string{g.ID}})
	if err != nil || len(found) != 2 {
		t.Fatalf("%d articles, %v; want the first and its later opening", len(found), err)
	}
	later := "/articles/" + found[0].ID
	v.get(later).says(t, http.StatusOK, "Encrypted (decrypted)", "Good signature", inFours(fingerprint), "Customer &lt;"+customer+"&gt;", "Approved", `href="/articles/`+id+`"`)
	v.get("/compose?reply="+found[0].ID).says(t, http.StatusOK, "Will be encrypted", "The thread came encrypted")
}
