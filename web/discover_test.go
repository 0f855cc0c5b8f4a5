package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring/discover"
)

func TestTheDiscoveryPage(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	group, err := b.gateway.SaveGroup(t.Context(), gateway.Actor{Name: "cli", Role: groups.Admin}, gateway.NewGroup("Sales"))
	if err != nil {
		t.Fatal(err)
	}
	v := b.as("root")
	v.get("/discovery").says(t, http.StatusOK, "Sales", "Approved by itself", "No address was looked for yet")
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
