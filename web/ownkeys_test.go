package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/groups"
)

// TestManageAnOwnKey extends, adds and retires a subkey, and revokes, with forms alone.
func TestManageAnOwnKey(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.desk(nil)
	v := b.as("root")
	var own certificateJSON
	p := b.program(b.person("robot", groups.Admin))
	var list struct{ Items []certificateJSON }
	p.call("GET", "/certificates?own=true", nil, &list)
	own = list.Items[0]
	at := "/keyring/" + own.Fingerprint
	v.get(at).says(t, http.StatusOK, "Manage the key")
	v.get(at+"/manage").says(t, http.StatusOK, "Set the expiry", "Retire", "Download the revocation", "Revoke the key")

	later := b.clock.Now().AddDate(6, 0, 0).Format(time.DateOnly)
	b.clock.Add(time.Minute)
	v.submit(at+"/manage", at+"/extend", url.Values{"until": {later}}).says(t, http.StatusOK, "Done: expires on "+later)
	v.submit(at+"/manage", at+"/extend", url.Values{"until": {"2001-01-01"}}).says(t, http.StatusUnprocessableEntity, "cannot end in the past")
	v.submit(at+"/manage", at+"/extend", url.Values{"until": {"soon"}}).says(t, http.StatusUnprocessableEntity, "Choose the last day")
	v.submit(at+"/manage", at+"/subkeys", url.Values{"use": {"encrypt"}}).says(t, http.StatusOK, "Done: new subkey")
	v.submit(at+"/manage", at+"/subkeys/retire", url.Values{"subkey": {own.Subkeys[0].Fingerprint}}).says(t, http.StatusOK, "Retired", "revoked")

	v.submit(at+"/manage", at+"/revocation", url.Values{"password": {"wrong"}}).says(t, http.StatusUnprocessableEntity, "Your own password is wrong")
	v.submit(at+"/manage", at+"/revocation", url.Values{"password": {password}}).says(t, http.StatusOK, "BEGIN PGP PUBLIC KEY BLOCK")
	v.submit(at+"/revoke", at+"/revoke", url.Values{"reason": {"retired"}, "password": {"wrong"}}).says(t, http.StatusUnprocessableEntity, "Your own password is wrong")
	v.submit(at+"/revoke", at+"/revoke", url.Values{"reason": {"retired"}, "text": {"we closed"}, "password": {password}}).says(t, http.StatusOK, "This key is revoked")
}

// TestGenerateAsksBeforeASecondKey: the concern is shown, and confirming it makes the key.
func TestGenerateAsksBeforeASecondKey(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.desk(nil)
	v := b.as("root")
	second := url.Values{"name": {"Support"}, "address": {support}, "kind": {"rsa3072"}, "never": {"yes"}}
	v.submit("/keyring/generate", "/keyring/generate", second).says(t, http.StatusUnprocessableEntity, "has the usable key", "Make the key all the same")
	second.Set("confirmed", "yes")
	v.submit("/keyring/generate", "/keyring/generate", second).says(t, http.StatusOK, "The key is ready", "RSA 3072")
}

// TestAPIChangesOwnKeys does by program what the page does by forms.
func TestAPIChangesOwnKeys(t *testing.T) {
	b := newBench(t)
	b.desk(nil)
	p := b.program(b.person("root", groups.Admin))
	var own certificateJSON
	ask := map[string]any{"name": "Support", "address": support, "kind": "v6"}
	p.call("POST", "/certificates/generate", ask, nil).says(t, http.StatusUnprocessableEntity, "has the usable key")
	ask["confirmed"] = true
	p.call("POST", "/certificates/generate", ask, &own).says(t, http.StatusOK, `"version":6`)
	at := "/certificates/" + own.Fingerprint
	b.clock.Add(time.Minute)
	p.call("PUT", at+"/expiry", map[string]any{"never": true}, nil).says(t, http.StatusOK, "no longer expires")
	p.call("PUT", at+"/expiry", map[string]any{}, nil).says(t, http.StatusUnprocessableEntity, "either until")
	p.call("POST", at+"/subkeys", map[string]any{"use": "sign", "days": 30}, nil).says(t, http.StatusOK, "new subkey")
	p.call("POST", at+"/subkeys/"+own.Subkeys[0].KeyID+"/retire", nil, nil).says(t, http.StatusOK, "revoked")
	p.call("GET", at+"/dependents", nil, nil).says(t, http.StatusOK, "its secret key goes with it")
	p.call("POST", at+"/revoke", map[string]any{"reason": "compromised"}, nil).says(t, http.StatusOK, `"revoked":true`)
	p.call("POST", at+"/revoke", map[string]any{"reason": "bored"}, nil).says(t, http.StatusUnprocessableEntity)
	if a := p.call("GET", at+"/revocation", nil, nil); a.status != http.StatusNotFound || strings.Contains(a.body, "BEGIN") {
		t.Errorf("a token reads a revocation: %d", a.status)
	}
}
