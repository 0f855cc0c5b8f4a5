package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring/discover"
)

// discovers gives the bench a small internet: the directory of customer.test has a certificate of joe, none of others.
func (b *bench) discovers() {
	b.t.Helper()
	internet := bed.NewInternet(b.t)
	joe := armoredKey(b.t, "Joe", "joe@found.test", 0, b.clock.Now())
	internet.Serve("openpgpkey.found.test", func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.RequestURI(), "?l=joe") {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte(joe))
	})
	internet.Name("openpgpkey.inner.test", "10.0.0.1")
	b.gateway.Discovery = &gateway.Discovery{
		Store: discover.NewStore(b.gateway.DB),
		Finder: &discover.Finder{
			Network: &discover.Network{Resolver: internet, Roots: internet.Roots, Standing: internet.Standing},
			WKD:     true, Keyserver: "https://keys.found.test", Now: b.gateway.Now,
		},
	}
}

// looksFor puts lookups into the list: of each address that is named, and those that are asked.
func (b *bench) looksFor(asked ...string) {
	b.t.Helper()
	store, ctx := b.gateway.Discovery.Store, b.t.Context()
	for _, address := range asked {
		if err := store.Enqueue(ctx, discover.ForAddress, address, "", b.gateway.Now()); err != nil {
			b.t.Fatal(err)
		}
		l, _, err := store.Claim(ctx, b.gateway.Now())
		if err != nil {
			b.t.Fatal(err)
		}
		report, err := b.gateway.Discovery.Finder.ByAddress(ctx, address)
		if err == nil {
			err = store.Finish(ctx, l, report, b.gateway.Now())
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	if err := store.Enqueue(ctx, discover.ForSigner, discover.SignerSubject("0123456789ABCDEF", "zoe@found.test"), "", b.gateway.Now()); err != nil {
		b.t.Fatal(err)
	}
}

func TestTheDiscoveryPage(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.as("root")
	v.get("/discovery").says(t, http.StatusOK, "There is no group yet", "No address was looked for yet", "A keyserver: none is named")
	group, err := b.gateway.SaveGroup(t.Context(), gateway.Actor{Name: "cli", Role: groups.Admin}, gateway.NewGroup("Sales"))
	if err != nil {
		t.Fatal(err)
	}
	v.get("/discovery").says(t, http.StatusOK, "Sales", "Approved by itself", "Attached to the sender")
	v.submit("/discovery", "/discovery", url.Values{"address": {"a@b.test"}}).says(t, http.StatusUnprocessableEntity, "switched off")
	action := "/discovery/approvals/" + group.ID
	v.submit("/discovery", action, url.Values{"source": {"wkd", "attachment"}}).says(t, http.StatusOK, "The sources are saved.")
	if a := v.get("/discovery"); strings.Count(a.body, " checked") != 2 {
		t.Errorf("the choice was not kept:\n%s", a.body)
	}
	v.submit("/discovery", action, url.Values{"source": {"gossip"}}).says(t, http.StatusUnprocessableEntity, "cannot be approved by itself")
	b.gateway.Discovery = &gateway.Discovery{Store: discover.NewStore(b.gateway.DB), Finder: &discover.Finder{}}
	v.submit("/discovery", "/discovery", url.Values{"address": {"nobody"}}).says(t, http.StatusUnprocessableEntity, "local@domain")
	v.submit("/discovery", "/discovery", url.Values{"address": {"a@b.test"}}).says(t, http.StatusOK, "Nothing was asked")
}

func TestThePageSaysWhatWasFoundAndWhyNot(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.discovers()
	v := b.as("root")
	v.submit("/discovery", "/discovery", url.Values{"address": {"joe@found.test"}}).says(t, http.StatusOK, "Asked for joe@found.test", "Found", "Waits for approval", "/keyring/")
	v.submit("/discovery", "/discovery", url.Values{"address": {"joe@found.test"}}).says(t, http.StatusOK, "known already, and nothing new")
	v.submit("/discovery", "/discovery", url.Values{"address": {"ann@found.test"}}).says(t, http.StatusOK, "Has none", "there is no certificate", "Ask the owner to send it")
	v.submit("/discovery", "/discovery", url.Values{"address": {"a@inner.test"}}).says(t, http.StatusOK, "Not asked", "the address of this server is not public")
	b.looksFor("joe@found.test", "ann@found.test", "a@inner.test")
	v.get("/discovery").says(t, http.StatusOK, "keys.found.test", "who signed with key", "zoe@found.test", "Waits", "not yet", "Has none", "Not asked")
}

func TestAProposalSaysThatMailDoesNotShowItAnyMore(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.discovers()
	report, err := b.gateway.DiscoverAddress(t.Context(), admin(), "joe@found.test")
	if err != nil {
		t.Fatal(err)
	}
	day := 24 * time.Hour
	p := discover.Peer{Address: "joe@found.test"}.Seen(b.clock.Now().Add(-50*day), report.Proposals[0].Fingerprint, false)
	if err := b.gateway.Discovery.Store.SavePeer(t.Context(), b.gateway.DB, p); err != nil {
		t.Fatal(err)
	}
	words := "Not seen for 50 days in mail from joe@found.test."
	v := b.as("root")
	v.get("/keyring/"+p.Fingerprint).says(t, http.StatusOK, words)
	v.get("/keyring/waiting").says(t, http.StatusOK, words)
	b.program(b.person("ada", groups.Agent)).call("GET", "/certificates/waiting", nil, nil).says(t, http.StatusOK, `"unseen":["`+words+`"]`)
}

// The answers are read on a telephone too, however long the questions are.
func TestTheAnswersInTheBrowser(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.discovers()
	w := newBrowser(t, b)
	w.do(chromedp.EmulateViewport(390, 900))
	w.open("/login")
	w.types("[name=name]", "root")
	w.types("[name=password]", password)
	w.click("main button")
	w.says("Overview")
	w.open("/discovery")
	w.types("[name=address]", "joe@found.test")
	w.click("main form button")
	w.says("Asked for joe@found.test")
	w.says("Waits for approval")
	w.holds(`document.documentElement.scrollWidth <= window.innerWidth`)
	w.shoot("discovery-found-narrow")
}

func TestDiscoveryByAPI(t *testing.T) {
	b := newBench(t)
	p := b.program(b.person("root", groups.Admin))
	group, err := b.gateway.SaveGroup(t.Context(), admin(), gateway.NewGroup("Sales"))
	if err != nil {
		t.Fatal(err)
	}
	approvals := "/groups/" + group.ID + "/approvals"
	p.call("GET", "/discovery", nil, nil).says(t, http.StatusOK, `"wkd":false`, `"lookups":[]`)
	p.call("POST", "/discovery", map[string]any{"address": "joe@found.test"}, nil).says(t, http.StatusUnprocessableEntity, "switched off")
	b.discovers()
	p.call("POST", "/discovery", map[string]any{"address": "joe@found.test"}, nil).
		says(t, http.StatusOK, `"source":"wkd"`, `"answer":"found"`, `"outcome":"added"`, `"state":"proposed"`)
	p.call("POST", "/discovery", map[string]any{"address": "joe"}, nil).says(t, http.StatusUnprocessableEntity, "local@domain")
	b.looksFor("ann@found.test")
	p.call("GET", "/discovery", nil, nil).says(t, http.StatusOK, `"wkd":true`, `"keyserver":"https://keys.found.test"`, `"address":"ann@found.test"`,
		`"answer":"absent"`, `"address":"zoe@found.test","key_id":"0123456789ABCDEF","waiting":true`)
	p.call("GET", approvals, nil, nil).says(t, http.StatusOK, `"sources":[]`)
	p.call("PUT", approvals, map[string]any{"sources": []string{"wkd", "autocrypt"}}, nil).says(t, http.StatusNoContent)
	p.call("PUT", approvals, map[string]any{"sources": []string{"gossip"}}, nil).says(t, http.StatusUnprocessableEntity, "cannot be approved by itself")
	p.call("GET", approvals, nil, nil).says(t, http.StatusOK, `"sources":["autocrypt","wkd"]`)
	p.call("GET", "/groups/none/approvals", nil, nil).says(t, http.StatusNotFound)
	p.call("PUT", "/groups/none/approvals", map[string]any{"sources": []string{"wkd"}}, nil).says(t, http.StatusNotFound)

	for _, role := range []groups.Role{groups.Agent, groups.Auditor} {
		other := b.program(b.person("x"+string(role), role))
		for _, call := range []string{"GET /discovery", "POST /discovery", "GET " + approvals, "PUT " + approvals} {
			method, path, _ := strings.Cut(call, " ")
			body := map[string]map[string]any{"POST": {"address": "joe@found.test"}, "PUT": {"sources": []string{"wkd"}}, "GET": {}}[method]
			if a := other.call(method, path, body, nil); a.status != http.StatusForbidden {
				t.Errorf("%s by an %s: %d, want 403", call, role, a.status)
			}
		}
	}
}
