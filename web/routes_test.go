package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// concrete is a route's address with something in its places.
func concrete(pattern string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.NewReplacer("{$}", "", "{id}", "0198", "{n}", "0", "{mailbox}", "0198", "{fingerprint}", "ABCD", "{domain}", "none.test", "{selector}", "none").Replace(path)
}

// TestRoleMatrix: for every route and role, who gets past the door. Behind it, things that do not exist are not found.
func TestRoleMatrix(t *testing.T) {
	b := newBench(t)
	b.person("admin", groups.Admin)
	b.person("agent", groups.Agent)
	b.person("auditor", groups.Auditor)
	for _, role := range []groups.Role{groups.Admin, groups.Agent, groups.Auditor} {
		v := b.as(string(role))
		v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for _, rt := range routes() {
			method, path := concrete(rt.pattern)
			if rt.public || method != http.MethodGet {
				continue
			}
			a := v.get(path)
			allowed := rt.roles == nil || slices.Contains(rt.roles, role)
			if forbidden := a.status == http.StatusForbidden; forbidden == allowed {
				t.Errorf("%s as %s: %d, want allowed %v", rt.pattern, role, a.status, allowed)
			}
			if a.status >= 500 {
				t.Errorf("%s as %s: %d\n%s", rt.pattern, role, a.status, a.body)
			}
		}
	}
}

// TestFormsKeepRoles: a form's token does not help who has not the role.
func TestFormsKeepRoles(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	for _, role := range []groups.Role{groups.Agent, groups.Auditor} {
		b.person(string(role), role)
		v := b.as(string(role))
		for _, rt := range routes() {
			method, path := concrete(rt.pattern)
			if method != http.MethodPost || rt.roles == nil || slices.Contains(rt.roles, role) {
				continue
			}
			form := url.Values{"form_token": {v.forge(path)}}
			if a := v.send(path, form); a.status != http.StatusForbidden || !strings.Contains(a.body, "Your role does not allow this") {
				t.Errorf("%s as %s: %d, want 403 because of the role", rt.pattern, role, a.status)
			}
		}
	}
}

// forge makes the token that the visitor's own session would have for a form that the visitor is not shown.
func (v *visitor) forge(path string) string {
	site := newSite(&Server{Gateway: v.b.gateway})
	ctx, err := site.sessions.Load(v.b.t.Context(), v.cookie().Value)
	if err != nil {
		v.b.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if err != nil {
		v.b.t.Fatal(err)
	}
	return (&visit{site: site, r: r}).Token(path)
}

func TestAnonymousVisitorsOnlyLogIn(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.visitor()
	v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, rt := range routes() {
		method, path := concrete(rt.pattern)
		if rt.public {
			continue
		}
		if method == http.MethodGet {
			if a := v.get(path); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/login?next=") {
				t.Errorf("%s: %d to %q, want the login", rt.pattern, a.status, a.header.Get("Location"))
			}
		} else if a := v.send(path, url.Values{}); a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d, want 401", rt.pattern, a.status)
		}
	}
}

// TestOtherSitesAreRefused: whatever writes refuses what another site makes a browser send; pages and API alike.
func TestOtherSitesAreRefused(t *testing.T) {
	b := newBench(t)
	b.person("admin", groups.Admin)
	v := b.as("admin")
	var all []string
	for _, rt := range routes() {
		all = append(all, rt.pattern)
	}
	all = append(all, apiRoutes(t, b)...)
	tried := 0
	for _, pattern := range all {
		method, path := concrete(pattern)
		if method == http.MethodGet {
			continue
		}
		for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"} {
			tried++
			r, err := http.NewRequest(method, b.server.URL+path, strings.NewReader(""))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(header, value)
			a := v.do(r)
			if a.status != http.StatusForbidden || !strings.Contains(a.body, "came from another site") {
				t.Errorf("%s with %s: %d, want 403", pattern, header, a.status)
			}
		}
	}
	if tried < 80 {
		t.Errorf("only %d tried: the list of routes is not complete", tried)
	}
}

// apiRoutes reads the API's own description.
func apiRoutes(t *testing.T, b *bench) []string {
	t.Helper()
	var spec struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal([]byte(b.visitor().get("/api/v1/openapi.json").body), &spec); err != nil {
		t.Fatal(err)
	}
	var all []string
	for path, methods := range spec.Paths {
		for method := range methods {
			all = append(all, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(all)
	return all
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.as("root")
	for _, path := range []string{"/", "/keyring", "/nothing", "/healthz", "/api/v1/openapi.json", "/api/v1/groups", "/static/app.css"} {
		a := v.get(path)
		if a.header.Get("Content-Security-Policy") != policy {
			t.Errorf("%s: policy %q", path, a.header.Get("Content-Security-Policy"))
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", path, a.header)
		}
		if static := strings.HasPrefix(path, "/static/"); (a.header.Get("Cache-Control") != "no-store" && !strings.Contains(a.header.Get("Cache-Control"), "no-store")) != static {
			t.Errorf("%s: Cache-Control %q", path, a.header.Values("Cache-Control"))
		}
	}
}

// TestPagesHaveNothingInline: the policy would block it, and a page that needs it would be broken.
func TestPagesHaveNothingInline(t *testing.T) {
	b := newBench(t)
	g := b.desk(nil)
	b.person("root", groups.Admin)
	v := b.as("root")
	for _, path := range []string{"/", "/compose", "/articles", "/queue", "/keyring", "/keyring/import", "/groups", "/groups/" + g.ID, "/activity", "/users", "/account"} {
		page := v.get(path)
		page.says(t, http.StatusOK)
		for _, forbidden := range []string{" style=", "<style", " onclick=", " onload=", "javascript:", "src=\"http", "href=\"http"} {
			if strings.Contains(page.body, forbidden) {
				t.Errorf("%s holds %q", path, forbidden)
			}
		}
		if strings.Count(page.body, "<script") != 1 || !strings.Contains(page.body, `<script src="/static/app.js?v=`) {
			t.Errorf("%s has a script of its own", path)
		}
	}
}

func TestHealth(t *testing.T) {
	newBench(t).visitor().get("/healthz").says(t, http.StatusOK, "ok")
}

func TestUnknownPagesAreNotFound(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.as("root").get("/nothing/here").says(t, http.StatusNotFound, "There is nothing here")
	b.visitor().get("/static/").says(t, http.StatusNotFound)
	b.visitor().get("/api/v1/nothing").says(t, http.StatusNotFound, `"status":404`)
}

// TestAnotherMethodIsToldSo: an address that is known answers with what it takes.
func TestAnotherMethodIsToldSo(t *testing.T) {
	b := newBench(t)
	u := b.person("root", groups.Admin)
	for path, allowed := range map[string]string{"/certificates": "GET, POST", "/certificates/AB": "GET, DELETE", "/articles/reopen": "GET, POST"} {
		a := b.program(u).call("PUT", path, nil, nil)
		a.says(t, http.StatusMethodNotAllowed, `"status":405`, "not PUT")
		if got := a.header.Get("Allow"); got != allowed {
			t.Errorf("%s allows %q, want %q", path, got, allowed)
		}
	}
	b.as("root").get("/logout").says(t, http.StatusMethodNotAllowed, "This address takes POST, not GET.")
}

// TestIncident: what nobody can mend names a log line and says nothing else.
func TestIncident(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.as("root")
	if err := b.gateway.DB.Exec("DROP TABLE group_domain_rules").Error; err != nil {
		t.Fatal(err)
	}
	a := v.get("/groups")
	a.says(t, http.StatusInternalServerError, "Something went wrong")
	_, incident, _ := strings.Cut(a.body, "stands in the log: ")
	if incident = incident[:36]; !strings.Contains(b.log.String(), incident) {
		t.Errorf("the log does not know %s:\n%s", incident, b.log.String())
	}
	if strings.Contains(a.body, "group_domain_rules") {
		t.Error("the page tells what only the log should")
	}
}

func TestPanicIsAnIncident(t *testing.T) {
	b := newBench(t)
	broken := &gateway.Gateway{Domain: b.gateway.Domain, Now: b.gateway.Now, Log: b.gateway.Log} // without a database
	site := &Server{Gateway: broken, SetupToken: setupToken, Log: b.logger()}
	b.server.Config.Handler = site.Handler()
	b.visitor().get("/login").says(t, http.StatusInternalServerError, "stands in the log")
	if !strings.Contains(b.log.String(), "panic in a page") {
		t.Error("the panic was not logged")
	}
}
