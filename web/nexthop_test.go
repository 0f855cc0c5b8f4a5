package web

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/smarthost/oauth"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// tokenServer gives a code, and a token once agreed is closed.
func (b *bench) tokenServer(agreed chan struct{}) (address string) {
	b.t.Helper()
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, values map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(values) //nolint:errcheck // the client fails then
	}
	mux.HandleFunc("POST /device", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{
			"device_code": "canary-device", "user_code": "ABCD-EFGH", "verification_uri": "https://login.test/device", "expires_in": 600, "interval": 1,
		})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // it is not read
		select {
		case <-agreed:
			answer(w, http.StatusOK, map[string]any{"access_token": "canary-access", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "canary-refresh"})
		default:
			answer(w, http.StatusBadRequest, map[string]any{"error": "authorization_pending"})
		}
	})
	server := httptest.NewTLSServer(mux)
	b.t.Cleanup(server.Close)
	b.gateway.HTTP = server.Client()
	return server.URL
}

// deviceForm is the form of a mailbox whose access a person grants with a code.
func deviceForm(server string) url.Values {
	return url.Values{
		"login": {"support"}, "imap_tls": {"none"}, "smtp_address": {"127.0.0.1:1"}, "smtp_tls": {"none"}, "smtp_username": {"support@desk.test"},
		"route": {"smarthost"}, "login_with": {"oauth"}, "mechanism": {"XOAUTH2"}, "oauth_grant": {"device-code"}, "oauth_client_id": {"gate"},
		"client_secret": {"canary-client"}, "oauth_scopes": {"smtp offline"}, "oauth_token_url": {server + "/token"}, "oauth_device_url": {server + "/device"},
	}
}

func (b *bench) firstMailbox() groups.Mailbox {
	b.t.Helper()
	all, err := b.gateway.Groups.Mailboxes(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return all[0]
}

// TestAPersonGrantsAccessOnThePage: the form keeps what was chosen, the page shows the code without any script, then that
// access is granted, and at the end that a person is needed again, which the overview says too. No secret is on a page.
func TestAPersonGrantsAccessOnThePage(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.desk(nil)
	agreed := make(chan struct{})
	v, path, form := b.as("root"), mailboxPath(b.firstMailbox()), deviceForm(b.tokenServer(agreed))
	v.submit(path, path, form).says(t, http.StatusOK, "The mailbox is saved", "Not used yet", "Grant access with a code",
		`value="oauth" selected`, `value="device-code" selected`, `value="XOAUTH2" selected`, `value="smtp offline"`)
	v.submit(path, path+"/access", url.Values{}).says(t, http.StatusOK, "ABCD-EFGH", `href="https://login.test/device"`, "Ask for another code")

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.gateway.RunAccess(ctx) }()
	close(agreed)
	page := v.waitsFor(path, "Access granted")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if strings.Contains(page, "canary-") || strings.Contains(page, "ABCD-EFGH") {
		t.Error("the page holds a secret, or a code that is used")
	}

	b.refuses(oauth.Tokens{Refused: "the token server no longer grants access; somebody must agree to the access again"})
	v.get(path).says(t, http.StatusOK, "Needs a person", "somebody must agree to the access again", "no account gets locked")
	v.submit(path, path+"/check", url.Values{}).says(t, http.StatusOK, "SMTP 127.0.0.1:1", `the token server no longer grants access; somebody must`)
	v.get("/").says(t, http.StatusOK, "No mail leaves through mailbox support: The token server no longer grants access")
	v.submit(path, path+"/token", url.Values{"refresh_token": {"canary-typed"}}).says(t, http.StatusOK, "The token is stored", "Not used yet")
	if page := v.get("/").body; strings.Contains(page, "No mail leaves") {
		t.Error("the overview still says that a person is needed")
	}
}

// waitsFor loads a page again until it says something.
func (v *visitor) waitsFor(path, words string) string {
	v.b.t.Helper()
	tick, end := time.NewTicker(100*time.Millisecond), time.NewTimer(time.Minute)
	defer tick.Stop()
	defer end.Stop()
	for {
		a := v.get(path)
		if strings.Contains(a.body, words) {
			return a.body
		}
		select {
		case <-tick.C:
		case <-end.C:
			v.b.t.Fatalf("%s never says %q", path, words)
		}
	}
}

// refuses stores what a token server said to another node.
func (b *bench) refuses(tokens oauth.Tokens) {
	b.t.Helper()
	tokens.Issued = b.clock.Now()
	text, err := json.Marshal(tokens)
	if err == nil {
		err = b.gateway.DB.Transaction(func(tx *gorm.DB) error {
			return b.gateway.Groups.SaveTokens(b.t.Context(), tx, b.firstMailbox(), text)
		})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// asksForACode makes a mailbox that waits for a person with a code, and returns its page.
func (b *bench) asksForACode(g groups.Group) string {
	b.t.Helper()
	v, form := b.as("root"), deviceForm(b.tokenServer(make(chan struct{})))
	form.Set("login", "with-a-code")
	form.Set("password", password)
	fresh := "/groups/" + g.ID + "/mailboxes/new"
	path := v.submit(fresh, fresh, form).path
	v.submit(path, path+"/access", url.Values{}).says(b.t, http.StatusOK, "ABCD-EFGH")
	return path
}

// TestTheNextHopByTheAPI: what is written is read back under the same names, what is left out stays, bad values are said in
// one sentence, and agents see none of it.
func TestTheNextHopByTheAPI(t *testing.T) {
	b := newBench(t)
	g := b.desk(nil)
	server := b.tokenServer(make(chan struct{}))
	p, m := b.program(b.person("root", groups.Admin)), b.firstMailbox()
	path := "/mailboxes/" + m.ID
	values := map[string]any{
		"group_id": g.ID, "login": "support", "client_secret": "canary-client",
		"smtp": map[string]any{"address": "127.0.0.1:1", "tls": "starttls", "username": "support@desk.test"},
		"out": map[string]any{
			"pins": []string{strings.Repeat("ab", 32)}, "login": "oauth",
			"oauth": map[string]any{"grant": "device-code", "token_url": server + "/token", "device_url": server + "/device", "client_id": "gate"},
		},
	}
	p.call("PUT", path, values, nil).says(t, http.StatusOK, `"route":"smarthost","pins":["q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s="]`, `"login":"oauth"`, `"grant":"device-code"`)
	delete(values, "out")
	delete(values, "client_secret")
	p.call("PUT", path, values, nil).says(t, http.StatusOK, `"login":"oauth"`, `"client_id":"gate"`)
	p.call("GET", path+"/access", nil, nil).says(t, http.StatusOK, `"status":"unused"`)
	p.call("POST", path+"/access/invite", nil, nil).says(t, http.StatusOK, `"code":"ABCD-EFGH"`, `"url":"https://login.test/device"`)
	b.refuses(oauth.Tokens{Refused: "somebody must agree again"})
	p.call("GET", path+"/access", nil, nil).says(t, http.StatusOK, `"status":"needs-person","problem":"somebody must agree again"`)
	p.call("GET", "/mailboxes", nil, nil).says(t, http.StatusOK, `"cannot_send":"somebody must agree again"`)
	p.call("PUT", path+"/access/token", map[string]any{"refresh_token": "canary-typed"}, nil).says(t, http.StatusNoContent)
	a := p.call("GET", path+"/access", nil, nil)
	a.says(t, http.StatusOK, `"status":"unused"`)
	if strings.Contains(a.body, "canary-") {
		t.Error("the API shows a token")
	}

	values["out"] = map[string]any{"route": "mx"}
	p.call("PUT", path, values, nil).says(t, http.StatusUnprocessableEntity, "empty the address of the SMTP server")
	values["smtp"] = map[string]any{"address": ""}
	p.call("PUT", path, values, nil).says(t, http.StatusOK, `"route":"mx","policy":"auto"`)
	p.call("GET", "/mailboxes", nil, nil).says(t, http.StatusOK, "set dns.servers in the configuration")
	b.program(b.person("ada", groups.Agent, g.ID)).call("GET", path+"/access", nil, nil).says(t, http.StatusForbidden)
}
