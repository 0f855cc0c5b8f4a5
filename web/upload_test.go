package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring/discover"
)

// withKeyserver gives the bench a keyserver to upload to.
func (b *bench) withKeyserver() *bed.VKS {
	vks := bed.NewVKS()
	internet := bed.NewInternet(b.t)
	internet.Serve("keys.test", vks.ServeHTTP)
	b.gateway.Publishing = gateway.Publishing{
		Keyserver: "https://keys.test",
		Network:   &discover.Network{Resolver: internet, Roots: internet.Roots, Standing: internet.Standing},
	}
	return vks
}

// TestUploadByPage: the button asks first, says what follows, and tells for each address what to do.
func TestUploadByPage(t *testing.T) {
	b := newBench(t)
	vks := b.withKeyserver()
	b.desk(nil)
	b.person("root", groups.Admin)
	v := b.as("root")
	fingerprint := b.certificateOf(support).Fingerprint
	at := "/keyring/" + fingerprint
	v.get(at).says(t, http.StatusOK, `href="`+at+`/upload"`)
	v.get(at+"/upload").says(t, http.StatusOK, "https://keys.test", "It arrives as a ticket")
	if vks.Holds(fingerprint) != nil {
		t.Fatal("the question uploads already")
	}
	v.submit(at+"/upload", at+"/upload", url.Values{}).says(t, http.StatusOK, "Uploaded to keys.test", "Wait for the mail", "open the link in it")
	vks.Confirm(support)
	v.submit(at+"/upload", at+"/upload", url.Values{}).says(t, http.StatusOK, "Found by it")

	foreign := "/keyring/" + b.imports(armoredKey(t, "Customer", customer, 0, b.clock.Now())).Changes[0].Fingerprint
	if a := v.get(foreign); strings.Contains(a.body, "/upload") {
		t.Error("the page of a customer's certificate offers to upload it")
	}
	v.submit(foreign+"/upload", foreign+"/upload", url.Values{}).says(t, http.StatusUnprocessableEntity, "for its owner to decide")
	b.gateway.Publishing.Keyserver = ""
	v.get(at+"/upload").says(t, http.StatusOK, "Set publish.keyserver")
}

// TestPublishByAPI: the same for programs.
func TestPublishByAPI(t *testing.T) {
	b := newBench(t)
	vks := b.withKeyserver()
	b.gateway.Publishing.WKD, b.gateway.Publishing.Page = true, true
	b.desk(func(g *groups.Group) { g.Addresses = append(g.Addresses, "later@desk.test") })
	p := b.program(b.person("root", groups.Admin))
	fingerprint := b.certificateOf(support).Fingerprint

	var answer struct {
		Keyserver string
		Addresses []struct{ Address, Status, Words string }
	}
	p.call("POST", "/certificates/"+fingerprint+"/upload", map[string]any{}, &answer).says(t, http.StatusOK)
	if answer.Keyserver != "keys.test" || len(answer.Addresses) != 1 || answer.Addresses[0].Status != "pending" || !strings.Contains(answer.Addresses[0].Words, "ticket") {
		t.Errorf("%+v", answer)
	}
	if len(vks.Mails()) != 1 {
		t.Errorf("mails %v", vks.Mails())
	}
	p.call("POST", "/certificates/"+fingerprint+"/upload", map[string]any{"keyserver": "https://localhost"}, nil).says(t, http.StatusUnprocessableEntity, "no public name")
	p.call("POST", "/certificates/ABCD/upload", map[string]any{}, nil).says(t, http.StatusNotFound)
	b.program(b.person("ada", groups.Agent)).call("POST", "/certificates/"+fingerprint+"/upload", map[string]any{}, nil).says(t, http.StatusForbidden)

	var list struct {
		Items []publishedJSON
	}
	p.call("GET", "/published", nil, &list).says(t, http.StatusOK)
	if len(list.Items) != 2 || list.Items[0].Problem != "no certificate" || list.Items[0].Fingerprint != "" {
		t.Fatalf("%+v", list.Items)
	}
	if own := list.Items[1]; own.Fingerprint != fingerprint || own.Page != "/keys/"+support || !strings.HasPrefix(own.Advanced, "https://openpgpkey.desk.test/") || !strings.HasPrefix(own.Direct, "https://desk.test/") {
		t.Errorf("%+v", own)
	}
}
