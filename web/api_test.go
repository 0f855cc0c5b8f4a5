package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/groups"
)

// program is a client of the API.
type program struct {
	b     *bench
	token string
}

// program makes a client with a token of its person.
func (b *bench) program(u groups.User) program {
	b.t.Helper()
	token, err := b.gateway.NewToken(b.t.Context(), admin(), u.ID, "test")
	if err != nil {
		b.t.Fatal(err)
	}
	return program{b, token}
}

// call asks the API; in becomes the body unless it is nil, and the answer fills out unless that is nil.
func (p program) call(method, path string, in, out any) answered {
	p.b.t.Helper()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			p.b.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(p.b.t.Context(), method, p.b.server.URL+base+path, &body)
	if err != nil {
		p.b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	a := p.b.visitor().do(r)
	if out != nil && a.status < 300 {
		if err := json.Unmarshal([]byte(a.body), out); err != nil {
			p.b.t.Fatalf("%s %s: %v\n%s", method, path, err, a.body)
		}
	}
	return a
}

// TestAPIWalk sets a desk up, sends and reads, with nothing but the API.
func TestAPIWalk(t *testing.T) {
	b := newBench(t)
	p := b.program(b.person("root", groups.Admin))
	var group groupJSON
	p.call("POST", "/groups", map[string]any{"name": "Support", "addresses": []string{support}}, &group).says(t, http.StatusOK, `"mixed":"refuse"`)
	p.call("PUT", "/groups/"+group.ID, map[string]any{"name": "Support", "addresses": []string{support}}, nil).says(t, http.StatusUnprocessableEntity, "level")
	var own certificateJSON
	p.call("POST", "/certificates/generate", map[string]any{"name": "Support", "address": support}, &own).says(t, http.StatusOK, `"has_secret":true`)
	var mailbox mailboxJSON
	server := map[string]any{"address": "127.0.0.1:1", "tls": "none"}
	values := map[string]any{"group_id": group.ID, "login": "support", "password": password, "smtp": server, "imap": server}
	p.call("POST", "/mailboxes", values, &mailbox).says(t, http.StatusOK, `"login":"support"`)
	p.call("POST", "/mailboxes/"+mailbox.ID+"/check", nil, nil).says(t, http.StatusOK, "SMTP 127.0.0.1:1")

	draft := map[string]any{"group_id": group.ID, "to": []string{customer}, "subject": "Hello", "text": "Hello", "encrypt": "on"}
	p.call("POST", "/plan", draft, nil).says(t, http.StatusOK, `"do":true,"possible":false`, "import one or switch Encrypt off.")
	p.call("POST", "/compose", draft, nil).says(t, http.StatusUnprocessableEntity, customer)
	key := map[string]any{"armored": armoredKey(t, "Customer", customer, 0, b.clock.Now())}
	p.call("POST", "/certificates", key, nil).says(t, http.StatusOK, `"outcome":"added"`)
	var sent struct {
		ID string `json:"article_id"`
	}
	p.call("POST", "/compose", draft, &sent).says(t, http.StatusOK)
	p.call("GET", "/articles/"+sent.ID, nil, nil).says(t, http.StatusOK, `"encryption":"signed+encrypted"`, "It has not left. It is signed and encrypted. It waits in the queue for "+customer, `"subject":"Hello"`)
	p.call("GET", "/articles?group="+group.ID, nil, nil).says(t, http.StatusOK, sent.ID)
	p.call("GET", "/articles/"+sent.ID+"/raw", nil, nil).says(t, http.StatusOK, "Subject: Hello")

	var waiting struct {
		Items []queuedJSON `json:"items"`
	}
	p.call("GET", "/queue", nil, &waiting).says(t, http.StatusOK, `"state":"pending"`)
	path := "/queue/" + waiting.Items[0].ID
	p.call("POST", path+"/hold", nil, nil).says(t, http.StatusNoContent)
	p.call("POST", path+"/retry", nil, nil).says(t, http.StatusNoContent)
	p.call("DELETE", path, nil, nil).says(t, http.StatusUnprocessableEntity, "Say why")
	p.call("DELETE", path+"?reason=test", nil, nil).says(t, http.StatusNoContent)

	p.call("PUT", "/certificates/"+own.Fingerprint+"/state", map[string]any{"state": "blocked"}, nil).says(t, http.StatusOK, `"sign_problem":"blocked"`)
	p.call("GET", "/certificates/"+own.Fingerprint+"/export", nil, nil).says(t, http.StatusOK, "BEGIN PGP PUBLIC KEY BLOCK")
	p.call("DELETE", "/certificates/"+own.Fingerprint, nil, nil).says(t, http.StatusNoContent)
	p.call("GET", "/certificates/"+own.Fingerprint, nil, nil).says(t, http.StatusNotFound)
	p.call("GET", "/activity?act=message.", nil, nil).says(t, http.StatusOK, sent.ID)

	var ada userJSON
	p.call("POST", "/users", map[string]any{"name": "ada", "role": "agent", "password": password}, &ada).says(t, http.StatusOK)
	p.call("POST", "/users/"+ada.ID+"/tokens", map[string]any{"label": "x"}, nil).says(t, http.StatusOK, `"token":"sg_`)
	p.call("DELETE", "/users/"+ada.ID, nil, nil).says(t, http.StatusNoContent)
	p.call("DELETE", "/mailboxes/"+mailbox.ID, nil, nil).says(t, http.StatusNoContent)
	p.call("DELETE", "/groups/"+group.ID, nil, nil).says(t, http.StatusNoContent)
}

// TestAPINeedsAToken: without one, with a wrong one, with a browser's session or with one of a disabled person,
// nothing answers.
func TestAPINeedsAToken(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	u := b.person("ada", groups.Admin)
	disabled := b.program(u)
	u.Disabled = true
	if _, err := b.gateway.SaveUser(t.Context(), admin(), u, nil); err != nil {
		t.Fatal(err)
	}
	browser := b.as("root")
	for _, route := range apiRoutes(t, b) {
		method, path := concrete(route)
		path = strings.TrimPrefix(path, base)
		for _, p := range []program{{b, ""}, {b, "sg_wrong"}, disabled} {
			if a := p.call(method, path, nil, nil); a.status != http.StatusUnauthorized {
				t.Errorf("%s with token %.6q: %d, want 401", route, p.token, a.status)
			}
		}
		r, err := http.NewRequest(method, b.server.URL+base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := browser.do(r); a.status != http.StatusUnauthorized {
			t.Errorf("%s with a session: %d, want 401", route, a.status)
		}
	}
}

// TestAPIKeepsRoles: agents see their groups, auditors the log, and neither changes anything.
func TestAPIKeepsRoles(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.desk(nil)
	id := b.arrives(evilMail)
	agent, auditor := b.program(b.person("agent", groups.Agent)), b.program(b.person("auditor", groups.Auditor))
	for path, want := range map[string][2]int{
		"/groups": {200, 200}, "/certificates": {200, 200}, "/activity": {200, 200}, "/articles": {200, 403}, "/queue": {200, 403},
		"/articles/" + id: {404, 403}, "/articles/" + id + "/raw": {404, 403}, "/users": {403, 403}, "/mailboxes": {403, 403},
	} {
		for i, p := range []program{agent, auditor} {
			if a := p.call("GET", path, nil, nil); a.status != want[i] {
				t.Errorf("GET %s as %s: %d, want %d\n%s", path, []string{"agent", "auditor"}[i], a.status, want[i], a.body)
			}
		}
	}
	for _, p := range []program{agent, auditor} {
		p.call("POST", "/groups", map[string]any{"name": "x", "addresses": []string{}}, nil).says(t, http.StatusForbidden)
		p.call("POST", "/certificates", map[string]any{"armored": "x"}, nil).says(t, http.StatusForbidden)
		p.call("POST", "/certificates/generate", map[string]any{"name": "x", "address": "x@y.test"}, nil).says(t, http.StatusForbidden)
		p.call("DELETE", "/certificates/AA", nil, nil).says(t, http.StatusForbidden)
	}
	if a := agent.call("GET", "/articles", nil, nil); strings.Contains(a.body, id) {
		t.Error("an agent of no group sees an article")
	}
}

func TestAPIKeepsPasswordsWithTheirServer(t *testing.T) {
	b := newBench(t)
	g := b.desk(nil)
	p := b.program(b.person("root", groups.Admin))
	all, err := b.gateway.Groups.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server := func(port string) map[string]any {
		return map[string]any{"address": "127.0.0.1:" + port, "tls": "none", "username": "support"}
	}
	values := map[string]any{"group_id": g.ID, "login": "support", "imap": server("1"), "smtp": server("2")}
	p.call("PUT", "/mailboxes/"+all[0].ID, values, nil).says(t, http.StatusUnprocessableEntity, "type its password again")
	values["smtp_password"] = "new"
	p.call("PUT", "/mailboxes/"+all[0].ID, values, nil).says(t, http.StatusOK)
	c, err := b.gateway.Groups.Credentials(t.Context(), all[0].ID)
	if err != nil || c != (groups.Credentials{IMAPPassword: "upstream-imap", SMTPPassword: "new"}) {
		t.Errorf("stored passwords %+v, %v", c, err)
	}
}

func TestAPIIsDescribedAndLoadsNothing(t *testing.T) {
	b := newBench(t)
	routes := apiRoutes(t, b)
	for _, want := range []string{"POST /api/v1/certificates", "POST /api/v1/plan", "POST /api/v1/compose", "DELETE /api/v1/queue/{id}", "GET /api/v1/activity"} {
		if !slices.Contains(routes, want) {
			t.Errorf("the description lacks %s", want)
		}
	}
	for _, path := range []string{"/docs", "/api/v1/docs", "/schemas/GroupJSON.json"} {
		if a := b.visitor().get(path); a.status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, a.status)
		}
	}
}

// TestPreviewInZammadsShape asks as Zammad's composer does.
func TestPreviewInZammadsShape(t *testing.T) {
	b := newBench(t)
	b.desk(nil)
	p := b.program(b.person("root", groups.Admin))
	b.imports(armoredKey(t, "Customer", customer, 0, b.clock.Now()))
	question := map[string]any{
		"ticket":  map[string]any{"group_id": 1, "customer_id": "2", "cc": ""},
		"article": map[string]any{"to": "Customer <" + customer + ">", "cc": "", "from": "Support <" + support + ">"},
	}
	var answer previewJSON
	p.call("POST", "/integration/pgp", question, &answer).says(t, http.StatusOK, `"type":"PGP"`, `"commentPlaceholders":[]`)
	if !answer.Encryption.Success || !answer.Sign.Success || answer.Encryption.Comment == "" || len(answer.Recipients) != 1 {
		t.Errorf("answer %+v", answer)
	}
	question["article"] = map[string]any{"to": customer + ", nobody@example.test", "from": support}
	p.call("POST", "/integration/pgp", question, &answer)
	if answer.Encryption.Success || answer.Encryption.Default || !strings.Contains(answer.Encryption.Comment, "nobody@example.test") {
		t.Errorf("answer %+v", answer)
	}
	question["article"] = map[string]any{"to": customer, "from": "other@desk.test"}
	p.call("POST", "/integration/pgp", question, nil).says(t, http.StatusUnprocessableEntity, "No group writes as other@desk.test")
}

// TestAPIEchoesNoSecrets: an answer that says what is wrong does not hold what was sent.
func TestAPIEchoesNoSecrets(t *testing.T) {
	b := newBench(t)
	p := b.program(b.person("root", groups.Admin))
	a := p.call("POST", "/certificates", map[string]any{"armored": []string{"canary"}, "canary": "canary", "passphrase": 7}, nil)
	a.says(t, http.StatusUnprocessableEntity, "armored")
	if strings.Contains(strings.ReplaceAll(a.body, "body.canary", ""), "canary") {
		t.Errorf("it echoes %s", a.body)
	}
}
