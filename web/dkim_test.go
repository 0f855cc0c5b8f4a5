package web

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
	"github.com/sealgate/sealgate/groups"
)

// dkimDNS gives a bench a DNS that holds the records of some keys.
func (b *bench) dkimDNS(keys ...gateway.DKIMKey) *dnstest.Server {
	b.t.Helper()
	d := dnstest.Start(b.t)
	b.gateway.Resolver = d.Client()
	publishDKIM(b.t, d, keys...)
	return d
}

func publishDKIM(t *testing.T, d *dnstest.Server, keys ...gateway.DKIMKey) {
	t.Helper()
	var records []string
	for _, k := range keys {
		records = append(records, k.Record.Line())
	}
	d.Set(t, records...)
}

// signsForItsDomain makes two keys, of which one is published and signs.
func (b *bench) signsForItsDomain() {
	b.t.Helper()
	keys, err := b.gateway.GenerateDKIMKeys(b.t.Context(), admin(), gateway.NewDKIMKey{Domain: "desk.test", Selector: "m"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.dkimDNS(keys[0])
	for _, k := range keys {
		if _, err := b.gateway.CheckDKIMKey(b.t.Context(), admin(), k.Domain, k.Selector); err != nil {
			b.t.Fatal(err)
		}
	}
	if _, err := b.gateway.ActivateDKIMKey(b.t.Context(), admin(), "desk.test", keys[0].Selector, false); err != nil {
		b.t.Fatal(err)
	}
}

// secretPEM is a new key as another server has it in a file.
func secretPEM(t *testing.T) string {
	t.Helper()
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// TestDKIMByForms: from the empty page to a key that signs, and back, with forms alone.
func TestDKIMByForms(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.desk(nil)
	d := b.dkimDNS()
	v := b.as("root")
	v.get("/groups").says(t, http.StatusOK, `href="/dkim"`)
	v.get("/dkim").says(t, http.StatusOK, "There is no DKIM key, and mail leaves without such signatures", "Optional:", `<option value="desk.test">`)
	v.submit("/dkim", "/dkim/generate", url.Values{"domain": {"support@desk.test"}, "kind": {"rsa"}}).says(t, http.StatusUnprocessableEntity, "is no domain", `value="support@desk.test"`)
	v.submit("/dkim", "/dkim/generate", url.Values{"domain": {"desk.test"}, "kind": {"rsa"}, "selector": {"m"}}).
		says(t, http.StatusOK, "Made. Publish each record", "m._domainkey.desk.test", "v=DKIM1; k=rsa; p=", "Switched off", "Record not looked for yet", "Switch on without having seen the record")
	const at = "/dkim/desk.test/m"
	v.submit("/dkim", at+"/check", url.Values{}).says(t, http.StatusOK, "Record not in the DNS yet", "The DNS has no such record yet.")
	v.submit("/dkim", at+"/activate", url.Values{}).says(t, http.StatusUnprocessableEntity, "its record was not seen in the DNS")

	k, err := b.gateway.DKIMKey(t.Context(), admin(), "desk.test", "m")
	if err != nil {
		t.Fatal(err)
	}
	publishDKIM(t, d, k)
	v.submit("/dkim", at+"/check", url.Values{}).says(t, http.StatusOK, "Record seen in the DNS", "The DNS has the right record.")
	v.submit("/dkim", at+"/activate", url.Values{}).says(t, http.StatusOK, "is signed with m from now on", "Signs", "Switch off")
	v.submit("/dkim", at+"/deactivate", url.Values{}).says(t, http.StatusOK, "is not signed with m any more", "Switched off")
	v.get(at+"/delete").says(t, http.StatusOK, "Delete this DKIM key?", "m of desk.test")
	v.submit(at+"/delete", at+"/delete", url.Values{}).says(t, http.StatusOK, "The key is deleted", "There is no DKIM key")
	v.submit("/dkim", "/dkim/import", url.Values{"domain": {"desk.test"}, "selector": {"old"}, "key": {"nothing"}}).says(t, http.StatusUnprocessableEntity, "No key in PEM form", `value="old"`)
	v.submit("/dkim", "/dkim/import", url.Values{"domain": {"desk.test"}, "selector": {"old"}, "key": {secretPEM(t)}}).says(t, http.StatusOK, "Imported and sealed", "old._domainkey.desk.test", "k=ed25519")
}

// TestDKIMByProgram does by the API what the page does by forms.
func TestDKIMByProgram(t *testing.T) {
	b := newBench(t)
	b.desk(nil)
	p := b.program(b.person("root", groups.Admin))
	var made struct{ Items []dkimKeyJSON }
	p.call("POST", "/dkim/generate", map[string]any{"domain": "desk.test", "selector": "m"}, &made).says(t, 200)
	if len(made.Items) != 2 || made.Items[0].Selector != "m-rsa" || made.Items[1].Name != "m-ed25519._domainkey.desk.test" || !made.Items[0].Used || made.Items[0].Active {
		t.Fatalf("made %+v", made.Items)
	}
	const at = "/dkim/desk.test/m-rsa"
	p.call("POST", at+"/activate", nil, nil).says(t, 422)
	p.call("POST", at+"/check", nil, nil).says(t, 422)
	k, err := b.gateway.DKIMKey(t.Context(), admin(), "desk.test", "m-rsa")
	if err != nil {
		t.Fatal(err)
	}
	b.dkimDNS(k)
	var one dkimKeyJSON
	p.call("POST", at+"/check", nil, &one).says(t, 200)
	if one.Finding != string(dkim.Published) || one.Checked == nil || one.Words == "" {
		t.Errorf("checked: %+v", one)
	}
	p.call("POST", at+"/activate", nil, &one).says(t, 200)
	if !one.Active {
		t.Errorf("activated: %+v", one)
	}
	p.call("POST", "/dkim/desk.test/m-ed25519/activate?unseen=true", nil, nil).says(t, 200)
	p.call("DELETE", at, nil, nil).says(t, 422)
	p.call("POST", at+"/deactivate", nil, nil).says(t, 200)
	p.call("DELETE", at, nil, nil).says(t, 204)
	p.call("GET", at, nil, nil).says(t, 404)
	p.call("PUT", "/dkim/desk.test/old", map[string]any{"key": secretPEM(t)}, &one).says(t, 200)
	if one.Origin != "imported" {
		t.Errorf("imported: %+v", one)
	}
	var listed struct{ Items []dkimKeyJSON }
	p.call("GET", "/dkim", nil, &listed).says(t, 200)
	if len(listed.Items) != 2 {
		t.Errorf("it lists %+v", listed.Items)
	}
	p.call("POST", "/dkim/generate", map[string]any{"domain": "desk"}, nil).says(t, 422)
}

const plainMail = "From: Customer <customer@example.test>\nTo: support@desk.test\nSubject: Hello\nMessage-ID: <dkim-1@example.test>\nDate: Mon, 23 Nov 2026 12:00:00 +0000\n\nHello.\n"

// TestAnArticleSaysWhatItsDomainSignatureSays on the page and by the API; nothing where nobody looked.
func TestAnArticleSaysWhatItsDomainSignatureSays(t *testing.T) {
	b := newBench(t)
	root := b.person("root", groups.Admin)
	b.desk(nil)
	v, p := b.as("root"), b.program(root)
	id := b.arrives(plainMail)
	if a := v.get("/articles/" + id); strings.Contains(a.body, "Domain signature") {
		t.Error("it says something of signatures at which nobody looked")
	}
	b.dkimDNS()
	b.gateway.Verification = &gateway.DomainVerification{}
	id = b.arrives("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.test; s=<b>; h=from; bh=AA==; b=AA==\n" + plainMail)
	v.get("/articles/"+id).says(t, http.StatusOK, "Domain signature (DKIM): cannot be used (example.test)")
	var read struct {
		DKIM []dkimResultJSON `json:"dkim"`
	}
	p.call("GET", "/articles/"+id, nil, &read).says(t, 200)
	if len(read.DKIM) != 1 || read.DKIM[0].Result != "permerror" || read.DKIM[0].Domain != "example.test" {
		t.Errorf("the API says %+v", read.DKIM)
	}
}
