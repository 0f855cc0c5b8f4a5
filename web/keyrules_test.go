package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

func (b *bench) ruled() []keyring.Rule {
	b.t.Helper()
	rules, err := b.gateway.CertificateRules(b.t.Context(), admin(), "")
	if err != nil {
		b.t.Fatal(err)
	}
	return rules
}

// TestRulesOfChoice: pins, domain rules and tags are made and removed on their page, and shown on the certificate's.
func TestRulesOfChoice(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.person("audit", groups.Auditor)
	v := b.as("root")
	page := v.get("/keyring/rules")
	page.says(t, http.StatusOK, "There is no rule", "Tags count everywhere")
	b.imports(armoredKey(t, "Court", "post@court.test", 0, b.clock.Now()))
	c := b.certificateOf("post@court.test")

	pin := func(target, fingerprint string) answered {
		return v.submit("/keyring/rules", "/keyring/rules/pin", url.Values{"target": {target}, "fingerprint": {fingerprint}})
	}
	pin("court.test", inFours(c.Fingerprint)).says(t, http.StatusOK, "Saved: mail to court.test", "the whole domain", "Court", inFours(c.Fingerprint))
	pin("judge@court.test", c.Fingerprint).says(t, http.StatusOK, "this address")
	pin("no domain", c.Fingerprint).says(t, http.StatusUnprocessableEntity, "write it like example.org", `value="no domain"`, `value="`+c.Fingerprint+`"`)
	pin("x@court.test", "ABCD").says(t, http.StatusUnprocessableEntity, "No certificate in the keyring has this fingerprint")
	if rules := b.ruled(); len(rules) != 2 || rules[0].Target != "judge@court.test" || rules[1].Target != "court.test" {
		t.Errorf("rules %+v", rules)
	}
	path := "/keyring/" + c.Fingerprint
	v.get(path).says(t, http.StatusOK, "For addresses of <strong>court.test</strong> that have none of their own", "Always for <strong>judge@court.test</strong>")
	a := v.submit(path, "/keyring/rules/unpin", url.Values{"target": {"judge@court.test"}, "back": {c.Fingerprint}})
	if a.says(t, http.StatusOK, "Removed: the certificate for judge@court.test"); a.path != path {
		t.Errorf("it leads to %s", a.path)
	}
	a = v.submit(path, "/keyring/rules/pin", url.Values{"target": {"clerk@court.test"}, "fingerprint": {c.Fingerprint}, "back": {c.Fingerprint}})
	if a.says(t, http.StatusOK, "clerk@court.test"); a.path != path {
		t.Errorf("it leads to %s", a.path)
	}
	if err := b.gateway.SetCertificateState(t.Context(), admin(), c.Fingerprint, keyring.Blocked); err != nil {
		t.Fatal(err)
	}
	b.as("audit").get("/keyring/rules").says(t, http.StatusOK, "Cannot be used", "It was blocked here")
	if page := b.as("audit").get("/keyring/rules").body; strings.Contains(page, "Remove<") {
		t.Error("an auditor is shown the buttons of admins")
	}
}

func TestTagsAreIgnoredByDomain(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.as("root")
	set := func(domain, ignore string) answered {
		return v.submit("/keyring/rules", "/keyring/rules/tags", url.Values{"domain": {domain}, "ignore": {ignore}})
	}
	set("Example.org", "1").says(t, http.StatusOK, "Saved: addresses of Example.org", "Ignored for example.org")
	set("*", "1").says(t, http.StatusOK, "Ignored for every domain")
	set("a@b.test", "1").says(t, http.StatusUnprocessableEntity, "write it like example.org", `value="a@b.test"`)
	set("*", "").says(t, http.StatusOK, "Saved: addresses of every domain count as they are written", "Ignored for example.org")
	if all, err := b.gateway.TagDomains(t.Context(), admin()); err != nil || len(all) != 1 || all[0] != "example.org" {
		t.Errorf("%q %v", all, err)
	}
}

// TestWaitingCertificatesAreCompared: the menu counts what waits, and the page shows each beside what is in use.
func TestWaitingCertificatesAreCompared(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.person("ada", groups.Agent)
	v := b.as("root")
	v.get("/keyring/waiting").says(t, http.StatusOK, "No certificate waits")
	if strings.Contains(v.get("/").body, "certificates wait for approval") {
		t.Error("the menu counts nothing")
	}
	b.imports(armoredKey(t, "Known", customer, 0, b.clock.Now()))
	known := b.certificateOf(customer)
	second := b.imports(armoredKey(t, "Unknown", customer, 0, b.clock.Now())).Changes[0].Fingerprint

	v.get("/").says(t, http.StatusOK, "1 certificate waits for your approval", `<span class="count">1<span class="unseen"> certificates wait for approval`)
	v.get("/keyring").says(t, http.StatusOK, "1 certificate waits", `href="/keyring/waiting"`)
	v.get("/keyring/"+second).says(t, http.StatusOK, "Another certificate is in use for <strong>"+customer, "Nobody has approved it yet")
	v.get("/keyring/waiting").says(t, http.StatusOK, "This one waits", "In use for "+customer, inFours(known.Fingerprint), inFours(second),
		"Imported by a person", "1 to 1 of 1", `value="approved">Approve`)
	agent := b.as("ada")
	if page := agent.get("/keyring/waiting"); page.status != http.StatusOK || strings.Contains(page.body, ">Approve<") || strings.Contains(agent.get("/").body, `class="count"`) {
		t.Errorf("an agent is asked to decide: %d", page.status)
	}
	form := url.Values{"state": {"approved"}, "back": {"/keyring/waiting"}}
	v.submit("/keyring/waiting", "/keyring/"+second+"/state", form).says(t, http.StatusOK, "The certificate is approved", "No certificate waits")
}
