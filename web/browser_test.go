package web

import (
	"context"
	"errors"
	"os"
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

// patience is how long the browser may take for one story.
const patience = 90 * time.Second

// browser is a real browser with script.
type browser struct {
	t   *testing.T
	b   *bench
	ctx context.Context
}

func newBrowser(t *testing.T, b *bench) *browser {
	t.Helper()
	bed.Need(t, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(bed.Dir(t)), chromedp.WindowSize(1280, 900))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	return &browser{t, b, ctx}
}

func (w *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	for i, step := range steps {
		if err := chromedp.Do(w.ctx, step); err != nil {
			page, _ := chromedp.Run(w.ctx, chromedp.Text("body"))
			w.t.Fatalf("step %d: %v\n%s", i+1, err, page)
		}
	}
}

func (w *browser) open(path string) {
	w.t.Helper()
	w.do(chromedp.Navigate(w.b.server.URL + path))
}

// holds waits until an expression of the page is true. A page that is just being left ends the question, so it is
// asked again of the next one.
func (w *browser) holds(expression string) {
	w.t.Helper()
	for {
		_, err := chromedp.Run(w.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second)))
		if err == nil {
			return
		}
		if w.ctx.Err() == nil && strings.Contains(err.Error(), "(-32000)") {
			continue
		}
		page, _ := chromedp.Run(w.ctx, chromedp.Text("body"))
		w.t.Fatalf("waited for %s: %v\n%s", expression, err, page)
	}
}

// says waits until the page shows the words.
func (w *browser) says(words string) {
	w.t.Helper()
	w.holds(`document.body.innerText.includes(` + quoted(words) + `)`)
}

func quoted(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}

// types replaces what stands in a field, with the events that a person causes.
func (w *browser) types(selector, text string) {
	w.t.Helper()
	expression := `(() => { const e = document.querySelector(` + quoted(selector) + `); e.focus(); e.value = ` + quoted(text) +
		`; e.dispatchEvent(new Event("input", {bubbles: true})); return true })()`
	if _, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool](expression)); err != nil {
		w.t.Fatalf("type into %s: %v", selector, err)
	}
}

func (w *browser) click(selector string) {
	w.t.Helper()
	w.do(chromedp.Click(selector))
}

// TestFirstDay is the first day with Sealgate in a real browser: set up, import a key by paste, make a group, and
// write to customers with and without a key. A manual choice stays when the recipients change.
func TestFirstDay(t *testing.T) {
	b := newBench(t)
	w := newBrowser(t, b)
	w.open("/setup?token=" + setupToken)
	w.types("[name=name]", "root")
	w.types("[name=password]", password)
	w.types("[name=repeated]", password)
	w.click("main button")
	w.says("There is no group yet")

	w.open("/keyring/import")
	w.types("[name=text]", armoredKey(t, "Customer", customer, 0, b.clock.Now()))
	w.click("main form button")
	w.says("Import report")
	w.says("Added")

	w.open("/groups/new")
	w.types("[name=name]", "Support")
	w.types("[name=addresses]", support)
	w.click("main form button")
	w.says("The group is saved")
	w.open("/keyring/generate?address=" + support)
	w.click("main form button")
	w.says("The key is ready")

	w.open("/compose")
	w.says("Enter a recipient")
	w.types("[name=subject]", "Your invoice")
	w.types("[name=text]", "Dear customer")
	w.types("[name=to]", customer)
	w.says("Will be encrypted")
	w.says("Certificate never expires")
	w.holds(`document.querySelector('[data-default=encrypt]').textContent === "on"`)

	w.click(`[data-toggle=encrypt] label:nth-of-type(3) span`)
	w.says("Will not be encrypted")
	w.types("[name=to]", customer+", nobody@example.test")
	w.says("nobody@example.test")
	w.says("No certificate")
	w.types("[name=to]", customer)
	w.holds(`!document.getElementById("recipients").innerText.includes("nobody")`)
	w.holds(`document.querySelector('[name=encrypt]:checked').value === "off" && document.body.innerText.includes("Will not be encrypted")`)

	w.click(`[data-toggle=encrypt] label:nth-of-type(2) span`)
	w.says("Will be encrypted")
	w.types("[name=to]", "nobody@example.test")
	w.says("As it stands, this message would be refused")
	w.says("No usable certificate for nobody@example.test")
	w.holds(`document.querySelector('[name=encrypt]:checked').value === "on"`)
	w.click("#send")
	w.says("The message was not sent.")
	w.holds(`document.querySelector('[name=subject]').value === "Your invoice" && document.querySelector('[name=text]').value === "Dear customer" &&
		document.querySelector('[name=to]').value === "nobody@example.test" && document.querySelector('[name=encrypt]:checked').value === "on"`)
}

// TestPagesInTheBrowser opens every page at the width of a desk and of a telephone: no page is wider than its window,
// each has its style and one heading, and every field has a label. With SEALGATE_SHOTS=FOLDER it leaves pictures there.
func TestPagesInTheBrowser(t *testing.T) {
	b := newBench(t)
	pages := b.furnish()
	w := newBrowser(t, b)
	w.open("/login")
	w.shoot("login")
	w.types("[name=name]", "root")
	w.types("[name=password]", password)
	w.click("main button")
	w.says("Needs attention")
	for _, width := range []int64{1280, 390} {
		for name, path := range pages {
			w.do(chromedp.EmulateViewport(width, 900))
			w.open(path)
			w.holds(`document.readyState === "complete"`)
			for question, fault := range map[string]string{
				`document.documentElement.scrollWidth > window.innerWidth`:                                               "is wider than the window",
				`[...document.querySelectorAll("input:not([type=hidden]),select,textarea")].some(e => !e.labels.length)`: "has a field without a label",
				`[...document.querySelectorAll("button,a")].some(e => !e.textContent.trim())`:                            "has a button without words",
				`document.querySelectorAll("h1").length !== 1`:                                                           "has not one heading",
				`getComputedStyle(document.body).fontFamily.indexOf("system-ui") < 0`:                                    "has no style",
			} {
				if found, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool](question)); err != nil || found {
					t.Errorf("%s at %d pixels %s (%v)", path, width, fault, err)
				}
			}
			w.shoot(name + "-" + map[int64]string{1280: "wide", 390: "narrow"}[width])
		}
	}
}

// shoot leaves a picture of the whole page when somebody asked for pictures.
func (w *browser) shoot(name string) {
	w.t.Helper()
	folder := os.Getenv("SEALGATE_SHOTS")
	if folder == "" {
		return
	}
	size, err := chromedp.Run(w.ctx, chromedp.Evaluate[[]int64]("[window.innerWidth, document.documentElement.scrollHeight]"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(chromedp.EmulateViewport(size[0], max(900, size[1])))
	picture, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		w.t.Fatalf("picture of %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// furnish fills the bench with something of everything and returns the pages to look at, by name.
func (b *bench) furnish() map[string]string {
	b.t.Helper()
	b.person("root", groups.Admin)
	b.gateway.Publishing = gateway.Publishing{WKD: true, Page: true, List: true, Keyserver: "https://keys.openpgp.org"}
	g := b.desk(func(g *groups.Group) {
		g.DomainRules = []groups.DomainRule{{Domain: "partner.test", Sign: groups.On, Encrypt: groups.Required}}
	})
	b.retired("old@desk.test")
	agent := b.person("ada", groups.Agent, g.ID)
	b.person("audit", groups.Auditor)
	certificate := b.imports(armoredKey(b.t, "Customer", customer, 20*24*time.Hour, b.clock.Now())).Changes[0].Fingerprint
	b.imports(armoredKey(b.t, "Partner", "partner@partner.test", 0, b.clock.Now()))
	waiting := b.imports(armoredKey(b.t, "Customer on a new phone", customer, 0, b.clock.Now())).Changes[0].Fingerprint
	if err := errors.Join(b.gateway.PinCertificate(b.t.Context(), admin(), "partner.test", b.certificateOf("partner@partner.test").Fingerprint),
		b.gateway.IgnoreTags(b.t.Context(), admin(), "partner.test", true)); err != nil {
		b.t.Fatal(err)
	}
	b.waits()
	b.discovers()
	b.looksFor("joe@found.test", "ann@found.test", "a@inner.test")
	b.signsForItsDomain()
	b.gateway.Verification = &gateway.DomainVerification{}
	id := b.arrives("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.test; s=mail; h=from; bh=AA==; b=AA==\n" + evilMail)
	program := b.program(agent)
	program.call("POST", "/compose", map[string]any{
		"group_id": g.ID, "to": []string{customer}, "subject": "Your invoice of November", "text": "Dear customer,\n\nthe invoice is attached.\n\nKind regards\nSupport",
	}, nil).says(b.t, 200)
	mailboxes, err := b.gateway.Groups.Mailboxes(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return map[string]string{
		"overview": "/", "compose": "/compose?to=" + customer + ",nobody@example.test&subject=Hello", "articles": "/articles", "article": "/articles/" + id,
		"queue": "/queue", "keyring": "/keyring", "import": "/keyring/import", "waiting": "/keyring/waiting", "rules": "/keyring/rules", "certificate-waiting": "/keyring/" + waiting, "discovery": "/discovery",
		"own-certificate": "/keyring/" + b.certificateOf(support).Fingerprint, "generate": "/keyring/generate", "manage": "/keyring/" + b.certificateOf(support).Fingerprint + "/manage", "revoke": "/keyring/" + b.certificateOf(support).Fingerprint + "/revoke", "forecast": "/keyring/forecast", "certificate": "/keyring/" + certificate,
		"certificate-delete": "/keyring/" + certificate + "/delete", "groups": "/groups", "group": "/groups/" + g.ID, "mailbox": mailboxPath(mailboxes[0]), "mailbox-code": b.asksForACode(g),
		"public": "/keys/" + support, "public-list": "/keys", "public-none": "/keys/nobody@desk.test", "public-revoked": "/keys/old@desk.test",
		"upload": "/keyring/" + b.certificateOf(support).Fingerprint + "/upload",
		"dkim":   "/dkim", "dkim-delete": "/dkim/desk.test/m-ed25519/delete",
		"activity": "/activity", "new-mailbox": "/groups/" + g.ID + "/mailboxes/new", "users": "/users", "user": "/users/" + agent.ID, "account": "/account", "missing": "/nothing",
	}
}

// retired is an address of a group of its own, whose only certificate is revoked.
func (b *bench) retired(address string) {
	b.t.Helper()
	g := gateway.NewGroup("Retired")
	g.Addresses = []string{address}
	_, err := b.gateway.SaveGroup(b.t.Context(), admin(), g)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := b.gateway.GenerateKey(b.t.Context(), admin(), gateway.NewKey{Name: "Retired", Address: address})
	if err == nil {
		_, err = b.gateway.RevokeKey(b.t.Context(), admin(), c.Fingerprint, keyring.Retired, "")
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestMailFrame opens the HTML version of a stranger's mail as a page of its own, without our frame around it: its
// style is ours, its scripts are dead, and it asks nobody for anything.
func TestMailFrame(t *testing.T) {
	b := newBench(t)
	pages := b.furnish()
	w := newBrowser(t, b)
	w.open("/login")
	w.types("[name=name]", "root")
	w.types("[name=password]", password)
	w.click("main button")
	w.says("Needs attention")
	w.open(pages["article"])
	w.click("summary")
	w.holds(`document.querySelector("iframe").offsetHeight > 0`)
	w.holds(`document.querySelector("iframe").contentDocument === null`) // of no origin: not even ours
	w.open(pages["article"] + "/html")
	for question, want := range map[string]string{
		`getComputedStyle(document.body).marginTop`: "0px",
		`document.querySelector("b").textContent`:   "there",
		`performance.getEntriesByType("resource").map(e => new URL(e.name).pathname).filter(p => p !== "/static/mail.css").join()`: "",
	} {
		if got, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](question)); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", question, got, err, want)
		}
	}
	w.shoot("article-html")
}
