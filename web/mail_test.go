package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
)

const evilMail = `From: "<script>alert(1)</script>" <customer@example.test>
To: support@desk.test
Subject: <img src=x onerror=alert(2)>
Message-ID: <evil@example.test>
Date: Mon, 23 Nov 2026 08:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/alternative; boundary=c

--c
Content-Type: text/plain; charset=utf-8

Hello <script>alert(3)</script>
--c
Content-Type: text/html; charset=utf-8

<p onclick="alert(4)">Hello <b>there</b></p><script>alert(5)</script><style>p{color:red}</style>
<img src="https://evil.test/track.gif"><img src="data:image/png;base64,iVBORw0KGgo="><iframe src="https://evil.test"></iframe>
<a href="javascript:alert(6)">bad</a> <a href="https://good.test/">good</a><form action="https://evil.test"><input></form>
--c--
--b
Content-Type: text/html; name="../../evil.html"
Content-Disposition: attachment; filename="../../evil.html"

<script>alert(7)</script>
--b--
`

// TestStrangersMailIsHarmless: what a stranger wrote runs nothing and loads nothing, wherever it is shown.
func TestStrangersMailIsHarmless(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.desk(nil)
	id := b.arrives(evilMail)
	v := b.as("root")
	for _, path := range []string{"/articles/" + id, "/articles", "/", "/compose?reply=" + id} {
		page := v.get(path)
		page.says(t, http.StatusOK, "&lt;img src=x onerror=alert(2)&gt;")
		for _, live := range []string{"<script>alert", "<img src=x", "onclick=\"alert"} {
			if strings.Contains(page.body, live) {
				t.Errorf("%s holds %s", path, live)
			}
		}
	}
	v.get("/articles/"+id).says(t, http.StatusOK, "Hello &lt;script&gt;", "Not encrypted", "Not signed", `sandbox="allow-popups`, "evil.html")

	frame := v.get("/articles/" + id + "/html")
	frame.says(t, http.StatusOK, "<b>there</b>", `href="https://good.test/"`, "data:image/png")
	for _, live := range []string{"<script", "onclick", "<style", "https://evil.test", "<iframe", "javascript:", "<form", "<input"} {
		if strings.Contains(frame.body, live) {
			t.Errorf("the frame holds %s:\n%s", live, frame.body)
		}
	}
	for _, rule := range []string{"default-src 'none'", "sandbox ", "frame-ancestors 'self'", "img-src data:"} {
		if !strings.Contains(frame.header.Get("Content-Security-Policy"), rule) {
			t.Errorf("the frame's policy lacks %s", rule)
		}
	}

	file := v.get("/articles/" + id + "/attachments/0")
	if file.header.Get("Content-Type") != "application/octet-stream" || file.header.Get("X-Content-Type-Options") != "nosniff" ||
		file.header.Get("Content-Disposition") != `attachment; filename=evil.html` || !strings.Contains(file.body, "alert(7)") {
		t.Errorf("attachment: %v\n%s", file.header, file.body)
	}
	v.get("/articles/"+id+"/attachments/1").says(t, http.StatusNotFound)
	v.get("/articles/"+id+"/message.eml").says(t, http.StatusOK, "Sealgate-Encryption: none")
}

func TestArticlesStayInTheirGroup(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	g := b.desk(nil)
	id := b.arrives(evilMail)
	b.person("member", groups.Agent, g.ID)
	b.person("stranger", groups.Agent)
	b.as("member").get("/articles/"+id).says(t, http.StatusOK, "Hello")
	stranger := b.as("stranger")
	stranger.get("/").says(t, http.StatusOK, "You belong to no group yet")
	for _, path := range []string{"", "/html", "/message.eml", "/attachments/0"} {
		stranger.get("/articles/"+id+path).says(t, http.StatusNotFound)
	}
	stranger.get("/compose?reply="+id).says(t, http.StatusNotFound)
	views, err := b.gateway.ListActivity(t.Context(), admin(), activity.Filter{Act: "article.viewed"})
	if err != nil || len(views) != 1 || views[0].Actor != "user:member" {
		t.Errorf("views in the log: %v, %v", views, err)
	}
}

func TestComposerWithoutScript(t *testing.T) {
	b := newBench(t)
	g := b.desk(nil)
	b.person("ada", groups.Agent, g.ID)
	b.imports(armoredKey(t, "Customer", customer, 0, b.clock.Now()))
	v := b.as("ada")
	v.get("/compose").says(t, http.StatusOK, "Enter a recipient to see", `Default: <b data-default="sign">on</b>`)
	draft := url.Values{
		"sender": {g.ID + " " + support}, "to": {"Customer <" + customer + ">, nobody@example.test, half"},
		"subject": {"Invoice <7>"}, "text": {"\nTwo\nlines"}, "encrypt": {"on"}, "sign": {""},
	}
	draft.Set("check", "1")
	a := v.submit("/compose", "/compose", draft)
	a.says(t, http.StatusOK, "Cannot be encrypted", "nothing would be sent", "No usable certificate for nobody@example.test (no certificate); import one or switch Encrypt off.",
		"Not a mail address yet", "Certificate never expires", `value="Invoice &lt;7&gt;"`, "\n\nTwo\nlines", `name="encrypt" value="on" checked`)

	draft.Del("check")
	draft.Set("to", customer+", nobody@example.test")
	a = v.submit("/compose", "/compose", draft)
	a.says(t, http.StatusUnprocessableEntity, "The message was not sent", "nobody@example.test", "\n\nTwo\nlines", `name="encrypt" value="on" checked`)
	draft.Set("to", customer)
	a = v.submit("/compose", "/compose", draft)
	a.says(t, http.StatusOK, "The message is accepted", "Signed and encrypted", "It has not left. It is signed and encrypted", "Invoice &lt;7&gt;")

	b.person("root", groups.Admin)
	root := b.as("root")
	root.get("/queue").says(t, http.StatusOK, customer, "Waiting")
	found, err := b.gateway.ListQueue(t.Context(), admin(), queue.Filter{Open: true})
	if err != nil || len(found) != 1 {
		t.Fatalf("%d in the queue, %v", len(found), err)
	}
	path := "/queue/" + found[0].ID
	root.submit("/queue", path+"/hold", url.Values{}).says(t, http.StatusOK, "The message is held", "Held")
	root.submit("/queue", path+"/retry", url.Values{}).says(t, http.StatusOK, "tried again now")
	root.submit(path+"/delete", path+"/delete", url.Values{"reason": {" "}}).says(t, http.StatusUnprocessableEntity, "Say why this message is deleted", customer+" does not get it")
	root.submit(path+"/delete", path+"/delete", url.Values{"reason": {"wrong customer"}}).says(t, http.StatusOK, "deleted from the queue", "Nothing waits")
}

func TestLinksDoNotToggle(t *testing.T) {
	b := newBench(t)
	b.desk(nil)
	b.person("root", groups.Admin)
	b.as("root").get("/compose?to="+customer+"&encrypt=off&sign=off").
		says(t, http.StatusOK, `name="encrypt" value="" checked`, `name="sign" value="" checked`)
}

func TestRequiredIsLocked(t *testing.T) {
	b := newBench(t)
	g := b.desk(func(g *groups.Group) { g.Encrypt = groups.Required })
	b.person("ada", groups.Agent, g.ID)
	b.imports(armoredKey(t, "Customer", customer, 0, b.clock.Now()))
	v := b.as("ada")
	page := v.get("/compose?to=" + customer)
	page.says(t, http.StatusOK, "Required", "You cannot switch it off", `name="encrypt" value="off" disabled`)
	draft := url.Values{"sender": {g.ID + " " + support}, "to": {customer}, "subject": {"s"}, "text": {"t"}, "encrypt": {"off"}}
	v.submit("/compose", "/compose", draft).says(t, http.StatusOK, "Signed and encrypted")
}

func TestPlanAnswersTheScript(t *testing.T) {
	b := newBench(t)
	g := b.desk(nil)
	b.person("ada", groups.Agent, g.ID)
	b.imports(armoredKey(t, "Customer", customer, 0, b.clock.Now()))
	v := b.as("ada")
	page := v.get("/compose").body
	_, token, _ := strings.Cut(page, `data-plan-token="`)
	token, _, _ = strings.Cut(token, `"`)
	form := url.Values{"form_token": {token}, "sender": {g.ID + " " + support}, "to": {customer}}
	v.send("/compose/plan", form).says(t, http.StatusOK, `"encrypt":{"do":true,"possible":true,"default":true,"locked":false`, `"recipients":"`)
	form.Set("encrypt", "off")
	v.send("/compose/plan", form).says(t, http.StatusOK, `"encrypt":{"do":false,"possible":true,"default":true`)
	form.Set("to", "nobody@example.test")
	form.Set("encrypt", "on")
	v.send("/compose/plan", form).says(t, http.StatusOK, `"encrypt":{"do":true,"possible":false`, "import one or switch Encrypt off")
}

// TestNothingTypedIsLostWhenTheSessionEnds: the message is there again after the login, and was not sent.
func TestNothingTypedIsLostWhenTheSessionEnds(t *testing.T) {
	b := newBench(t)
	g := b.desk(nil)
	b.person("ada", groups.Agent, g.ID)
	v := b.visitor()
	draft := url.Values{"sender": {g.ID + " " + support}, "to": {customer}, "subject": {"kept subject"}, "text": {"\nkept <text>"}, "encrypt": {"off"}}
	a := v.send("/compose", draft)
	a.says(t, http.StatusUnauthorized, "it was not sent, and it is kept", "kept &lt;text&gt;")
	draft.Set("name", "ada")
	draft.Set("password", password)
	a = v.send("/login", draft)
	a.says(t, http.StatusOK, "New message", `value="kept subject"`, "\n\nkept &lt;text&gt;", `name="encrypt" value="off" checked`)
	draft = url.Values{"sender": {g.ID + " " + support}, "to": {customer}, "text": {"x"}, "form_token": {tokenFor(t, a.body, "/compose")}}
	v.send("/compose", draft).says(t, http.StatusOK, "The message is accepted")
}

func TestReplyIsFilledIn(t *testing.T) {
	b := newBench(t)
	b.desk(nil)
	b.person("root", groups.Admin)
	id := b.arrives(strings.Replace(evilMail, "Subject: <img src=x onerror=alert(2)>", "Subject: Question", 1))
	a := b.as("root").get("/compose?reply=" + id)
	a.says(t, http.StatusOK, `name="to" value="`+customer+`"`, `value="Re: Question"`, "&gt; Hello", `name="reply" value="`+id+`"`)
}

// TestWaitingArticleOpens: a message that nobody could open is opened once its key is there.
func TestWaitingArticleOpens(t *testing.T) {
	b := newBench(t)
	b.desk(nil)
	b.person("root", groups.Admin)
	id := b.arrives(strings.Replace(evilMail, "multipart/mixed; boundary=b", `multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b`, 1))
	v := b.as("root")
	page := v.get("/articles/" + id)
	if !strings.Contains(page.body, "Try to open again") {
		t.Fatalf("no button:\n%s", page.body)
	}
	v.submit("/articles/"+id, "/articles/"+id+"/reopen", url.Values{}).says(t, http.StatusOK, "Nothing changed")
	if all, err := b.gateway.ListArticles(t.Context(), admin(), archive.Filter{}); err != nil || len(all) != 1 {
		t.Errorf("%d articles, %v", len(all), err)
	}
}

func TestAddressesAsPeopleTypeThem(t *testing.T) {
	got := addresses(" Ada <ada@x.test>, bob@x.test;\r\ncarl@x.test ,, <dora@x.test>")
	if strings.Join(got, "|") != "ada@x.test|bob@x.test|carl@x.test|dora@x.test" {
		t.Errorf("addresses %q", got)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("<p onclick=x>hi<script>alert(1)</script>")
	f.Add(`<a href="jAvAsCrIpT:alert(1)">x</a><img src="data:image/svg+xml;base64,AA=="><svg onload=x>`)
	f.Fuzz(func(t *testing.T, html string) {
		cleaned := strings.ToLower(clean(html))
		for _, live := range []string{"<script", "<iframe", "<style", "<svg", "<form", "<object", "<link", "<meta", "src=\"http"} {
			if strings.Contains(cleaned, live) {
				t.Errorf("%q became %q", html, cleaned)
			}
		}
	})
}

func FuzzSafeName(f *testing.F) {
	f.Add("../../etc/passwd")
	f.Add("invoice\u202efdp.exe")
	f.Add(`C:\folder\file.txt`)
	f.Fuzz(func(t *testing.T, name string) {
		safe := safeName(name)
		if safe == "" || strings.ContainsAny(safe, "/\\\r\n\x00\u202e") || strings.HasPrefix(safe, ".") {
			t.Errorf("%q became %q", name, safe)
		}
	})
}
