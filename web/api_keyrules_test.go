package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/groups"
)

// TestKeyRulesByAPI: pins, domain rules, tags and decisions under the same names as on the page.
func TestKeyRulesByAPI(t *testing.T) {
	b := newBench(t)
	p := b.program(b.person("root", groups.Admin))
	b.imports(armoredKey(t, "Court", "post@court.test", 0, b.clock.Now()))
	court := b.certificateOf("post@court.test").Fingerprint
	body := map[string]any{"fingerprint": court}
	p.call("PUT", "/certificate-rules/court.test", body, nil).says(t, http.StatusNoContent)
	p.call("PUT", "/certificate-rules/judge@court.test", body, nil).says(t, http.StatusNoContent)
	p.call("PUT", "/certificate-rules/nonsense%20here", body, nil).says(t, http.StatusUnprocessableEntity, "example.org")
	p.call("PUT", "/certificate-rules/x@court.test", map[string]any{"fingerprint": "ABCD"}, nil).says(t, http.StatusNotFound)
	p.call("PUT", "/tag-domains/*", nil, nil).says(t, http.StatusNoContent)
	p.call("PUT", "/tag-domains/court.test", nil, nil).says(t, http.StatusNoContent)
	p.call("DELETE", "/tag-domains/*", nil, nil).says(t, http.StatusNoContent)
	p.call("GET", "/certificate-rules", nil, nil).says(t, http.StatusOK, `"target":"court.test","fingerprint":"`+court, `"target":"judge@court.test"`, `"tag_domains":["court.test"]`)
	p.call("DELETE", "/certificate-rules/judge@court.test", nil, nil).says(t, http.StatusNoContent)
	p.call("DELETE", "/certificate-rules/judge@court.test", nil, nil).says(t, http.StatusNotFound)

	stranger := map[string]any{"armored": armoredKey(t, "Stranger", "post@court.test", 0, b.clock.Now())}
	p.call("POST", "/certificates", stranger, nil).says(t, http.StatusOK, `"outcome":"added"`, `"alert":"Another certificate is in use for post@court.test`)
	var waiting struct {
		Items []waitingCertificateJSON `json:"items"`
	}
	p.call("GET", "/certificates/waiting", nil, &waiting).says(t, http.StatusOK, `"in_use":[{"address":"post@court.test","fingerprint":"`+court, `"encrypt_words":"Nobody has approved it yet: nothing is encrypted to it`)
	p.call("PUT", "/certificates/"+waiting.Items[0].Fingerprint+"/state", map[string]any{"state": "blocked"}, nil).says(t, http.StatusOK)
	p.call("GET", "/certificates/waiting", nil, nil).says(t, http.StatusOK, `"items":[]`, `"total":0`)
	p.call("GET", "/certificates?state=blocked", nil, nil).says(t, http.StatusOK, `"total":1`)

	agent := b.program(b.person("ada", groups.Agent))
	agent.call("GET", "/certificate-rules", nil, nil).says(t, http.StatusOK)
	for _, call := range []string{"PUT /certificate-rules/court.test", "DELETE /certificate-rules/court.test", "PUT /tag-domains/*", "DELETE /tag-domains/*"} {
		method, path, _ := strings.Cut(call, " ")
		if a := agent.call(method, path, body, nil); a.status != http.StatusForbidden {
			t.Errorf("%s by an agent: %d, want 403", call, a.status)
		}
	}
}

// sends posts a body that is no JSON.
func (p program) sends(path, content string) answered {
	p.b.t.Helper()
	r, err := http.NewRequestWithContext(p.b.t.Context(), http.MethodPost, p.b.server.URL+base+path, strings.NewReader(content))
	if err != nil {
		p.b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("Authorization", "Bearer "+p.token)
	return p.b.visitor().do(r)
}

func TestDumpByAPI(t *testing.T) {
	b := newBench(t)
	p := b.program(b.person("root", groups.Admin))
	ada, bob := armoredKey(t, "Ada", "ada@example.test", 0, b.clock.Now()), armoredKey(t, "Bob", "bob@example.test", 0, b.clock.Now())
	stranger := armoredKey(t, "Stranger", "ada@example.test", 0, b.clock.Now())
	p.sends("/certificates/dump", ada+"\n"+bob+"\n"+ada+"\n"+stranger).
		says(t, http.StatusOK, `"seen":4`, `"added":3`, `"unchanged":1`, `"waiting":1`, `"alert":"Another certificate`)
	p.sends("/certificates/dump", "noise").says(t, http.StatusUnprocessableEntity, "OpenPGP")
	b.program(b.person("ada", groups.Agent)).sends("/certificates/dump", bob).says(t, http.StatusForbidden)
}
