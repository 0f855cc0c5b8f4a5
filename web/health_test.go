package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/groups"
)

// TestForecastPage: what needs a hand is on the page and in the API, and its owners are told once.
func TestForecastPage(t *testing.T) {
	b := newBench(t)
	group := b.desk(nil)
	b.person("root", groups.Admin)
	v, p := b.as("root"), b.program(b.person("robot", groups.Admin))
	v.get("/keyring/forecast").says(t, http.StatusOK, "None ends within 60 days", "No article waits", "Nobody lacks one")

	page := v.get("/groups/" + group.ID)
	page.says(t, http.StatusOK, `name="owners"`)
	group.Owners = []string{"olga@owners.test"}
	if _, err := b.gateway.SaveGroup(t.Context(), admin(), group); err != nil {
		t.Fatal(err)
	}
	own := b.certificateOf(support)
	if _, err := b.gateway.ExtendKey(t.Context(), admin(), own.Fingerprint, b.clock.Now().AddDate(0, 0, 20)); err != nil { // shortens it
		t.Fatal(err)
	}
	b.clock.Add(time.Minute)
	v.get("/keyring/forecast").says(t, http.StatusOK, "Your own key of "+support+" expires on", "19 days", "Own key")
	v.get("/").says(t, http.StatusOK, "Your own key of "+support+" expires on")
	var f forecastAnswer
	p.call("GET", "/forecast", nil, &f.Body)
	if len(f.Body.Ending) != 1 || f.Body.Ending[0].Fingerprint != own.Fingerprint || f.Body.Ending[0].Days != 19 || !f.Body.Ending[0].Own {
		t.Errorf("the API says %+v", f.Body)
	}

	v.submit("/keyring/forecast", "/keyring/forecast/warnings", url.Values{}).says(t, http.StatusOK, "1 letter was sent")
	var again struct{ Sent, Failed int }
	p.call("POST", "/forecast/warnings", nil, &again)
	if again.Sent != 0 || again.Failed != 0 {
		t.Errorf("sent again: %+v", again)
	}
}

// TestOwnersAreKept: a program that knows nothing of owners changes none, and one that names none clears them.
func TestOwnersAreKept(t *testing.T) {
	b := newBench(t)
	p := b.program(b.person("robot", groups.Admin))
	var g groupJSON
	p.call("POST", "/groups", map[string]any{"name": "Legal", "addresses": []string{"legal@desk.test"}, "owners": []string{"Olga@Owners.test"}}, &g)
	if g.Owners == nil || strings.Join(*g.Owners, " ") != "olga@owners.test" {
		t.Fatalf("owners %v", g.Owners)
	}
	levels := map[string]any{"name": "Legal", "addresses": g.Addresses, "sign": "auto", "encrypt": "auto", "auto_sign": "auto", "auto_encrypt": "auto", "mixed": "refuse"}
	p.call("PUT", "/groups/"+g.ID, levels, &g)
	if strings.Join(*g.Owners, " ") != "olga@owners.test" {
		t.Errorf("unsaid owners became %v", *g.Owners)
	}
	levels["owners"] = []string{}
	p.call("PUT", "/groups/"+g.ID, levels, &g)
	if len(*g.Owners) != 0 {
		t.Errorf("owners %v, want none", *g.Owners)
	}
	levels["owners"] = []string{"legal@desk.test"}
	if a := p.call("PUT", "/groups/"+g.ID, levels, nil); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "address of the group itself") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
