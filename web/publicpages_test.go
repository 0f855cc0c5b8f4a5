package web

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// TestPublicPage: a customer without a login reads the fingerprint, scans it, and takes the certificate home.
func TestPublicPage(t *testing.T) {
	b := openDesk(t)
	own := b.certificateOf(support)
	v := b.visitor()
	a := v.get("/keys/" + support)
	a.says(t, http.StatusOK, "Encrypted mail to", support, "OpenKeychain", "Thunderbird", "Compare it with us by telephone", "Many programs find it by themselves", `<path class="ink" d="M4 4h7v1h-7z`)
	for _, four := range strings.Fields(inFours(own.Fingerprint)) {
		a.says(t, http.StatusOK, "<span>"+four+"</span>")
	}
	for _, forbidden := range []string{" style=", "<style", "src=\"http", "href=\"http", "Log out", "Set-Cookie"} {
		if strings.Contains(a.body, forbidden) {
			t.Errorf("the page holds %q", forbidden)
		}
	}
	file := v.get("/keys/" + support + "/certificate.asc")
	if file.says(t, http.StatusOK, "BEGIN PGP PUBLIC KEY BLOCK"); !strings.Contains(file.header.Get("Content-Disposition"), own.Fingerprint+".asc") {
		t.Errorf("%v", file.header)
	}
	items, err := keyring.Parse([]byte(file.body), b.clock.Now())
	if err != nil || len(items) != 1 || items[0].Certificate.Fingerprint != own.Fingerprint {
		t.Errorf("%+v, %v", items, err)
	}
	v.get("/keys").says(t, http.StatusOK, `href="/keys/`+support+`"`, inFours(own.Fingerprint))

	b.person("root", groups.Admin)
	if page := b.as("root").get("/keys/" + support); page.body != a.body {
		t.Error("somebody with a login sees another page than everybody else")
	}
	b.gateway.Publishing.WKD = false
	if page := v.get("/keys/" + support); strings.Contains(page.body, "find it by themselves") {
		t.Error("the page promises what the web key directory does not do")
	}
}

// TestPublicPageTellsNothingElse: customers' certificates, addresses that are none of ours, and ours without a certificate
// look the same; what is switched off is not there.
func TestPublicPageTellsNothingElse(t *testing.T) {
	b := openDesk(t)
	b.imports(armoredKey(t, "Customer", customer, 0, b.clock.Now()))
	empty := gateway.NewGroup("Empty")
	empty.Addresses = []string{"empty@desk.test"}
	if _, err := b.gateway.SaveGroup(t.Context(), admin(), empty); err != nil {
		t.Fatal(err)
	}
	v := b.visitor()
	var bodies []string
	for _, address := range []string{customer, "empty@desk.test", "nobody@desk.test", "<script>alert(1)</script>@desk.test", "no address"} {
		a := v.get("/keys/" + url.PathEscape(address))
		a.says(t, http.StatusNotFound, "There is no certificate for this address here")
		bodies = append(bodies, strings.ReplaceAll(a.body, address, ""))
		if strings.Contains(a.body, "<script>alert") {
			t.Error("an address is not escaped")
		}
		v.get("/keys/"+url.PathEscape(address)+"/certificate.asc").says(t, http.StatusNotFound)
	}
	if strings.ReplaceAll(bodies[1], "desk.test", "") != strings.ReplaceAll(bodies[2], "desk.test", "") {
		t.Error("an address of ours without a certificate can be told from one that is none of ours")
	}
	if a := v.get("/keys"); strings.Contains(a.body, "empty@desk.test") || strings.Contains(a.body, customer) {
		t.Errorf("the list shows more than what is published:\n%s", a.body)
	}
	b.gateway.Publishing.List = false
	v.get("/keys").says(t, http.StatusNotFound)
	v.get("/keys/"+support).says(t, http.StatusOK)
	b.gateway.Publishing = gateway.Publishing{WKD: true, List: true}
	for _, path := range []string{"/keys", "/keys/" + support, "/keys/" + support + "/certificate.asc"} {
		v.get(path).says(t, http.StatusNotFound)
	}
}

// TestPublicPageSaysWhatIsWrong: words for one that has ended, one that is revoked, and one that takes its place.
func TestPublicPageSaysWhatIsWrong(t *testing.T) {
	b := openDesk(t)
	first := b.certificateOf(support).Fingerprint
	page := func() answered { return b.visitor().get("/keys/" + support) }
	b.clock.Add(4 * 365 * 24 * time.Hour)
	a := page()
	a.says(t, http.StatusOK, "This certificate has ended on", "Download it all the same")
	if strings.Contains(a.body, "If you have never done this") {
		t.Error("the page explains how to use what must not be used")
	}
	_, err := b.gateway.RevokeKey(t.Context(), admin(), first, keyring.Compromised, "")
	b.clock.Add(time.Minute)
	page().says(t, http.StatusOK, "This certificate is revoked.", "Download its revocation", "ask us by telephone")
	second, other := b.gateway.GenerateKey(t.Context(), admin(), gateway.NewKey{Kind: keyring.Version6, Address: support, Confirmed: true})
	if err := errors.Join(err, other); err != nil {
		t.Fatal(err)
	}
	a = page()
	a.says(t, http.StatusOK, "An earlier certificate of this address is revoked", inFours(first), second.Fingerprint[:4], "fingerprint long")
	if strings.Contains(a.body, "OpenKeychain\"") || strings.Contains(a.body, "<figure") {
		t.Error("a version 6 certificate has a code that no app reads")
	}
}

// TestAPhoneReadsTheCode: a real reader finds the fingerprint in a picture of the page, on a desk and on a phone.
func TestAPhoneReadsTheCode(t *testing.T) {
	bed.Need(t, "zbarimg")
	b := openDesk(t)
	w := newBrowser(t, b)
	for _, width := range []int64{1280, 390} {
		w.do(chromedp.EmulateViewport(width, 900))
		w.open("/keys/" + support)
		w.says("Fingerprint")
		picture, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "page.png")
		if err := os.WriteFile(file, picture, 0o600); err != nil {
			t.Fatal(err)
		}
		read, err := exec.Command("zbarimg", "--quiet", "--raw", file).Output()
		if want := "OPENPGP4FPR:" + b.certificateOf(support).Fingerprint; err != nil || strings.TrimSpace(string(read)) != want {
			t.Errorf("at %d pixels the reader finds %q, %v; want %s", width, read, err, want)
		}
	}
}

// TestPublicPagesAreLinked: from the group, and from each certificate that a page shows.
func TestPublicPagesAreLinked(t *testing.T) {
	b := newBench(t)
	b.gateway.Publishing.Page = true
	g := b.desk(func(g *groups.Group) { g.Addresses = append(g.Addresses, "later@desk.test") })
	b.person("root", groups.Admin)
	v := b.as("root")
	link := `href="/keys/` + support + `"`
	group, own := "/groups/"+g.ID, "/keyring/"+b.certificateOf(support).Fingerprint
	v.get(group).says(t, http.StatusOK, "Public pages", link, "No key of ours", "/keyring/generate?address=later%40desk.test")
	v.get(own).says(t, http.StatusOK, "Public page of", link)
	foreign := b.imports(armoredKey(t, "Customer", customer, 0, b.clock.Now())).Changes[0].Fingerprint
	if a := v.get("/keyring/" + foreign); strings.Contains(a.body, "For everybody") {
		t.Error("a customer's certificate is said to be public")
	}
	b.gateway.Publishing.Page = false
	if a := v.get(group); strings.Contains(a.body, link) {
		t.Error("a page is linked that there is not")
	}
}
