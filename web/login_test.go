package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/groups"
)

func TestSetupWorksOnce(t *testing.T) {
	b := newBench(t)
	v := b.visitor()
	v.get("/login").says(t, http.StatusOK, "Nobody can log in yet")
	v.get("/setup?token=wrong").says(t, http.StatusNotFound)
	v.get("/setup").says(t, http.StatusNotFound)
	v.get("/setup?token="+setupToken).says(t, http.StatusOK, "Make your administrator")

	form := url.Values{"token": {setupToken}, "name": {"root"}, "password": {password}, "repeated": {"another"}}
	v.send("/setup", form).says(t, http.StatusUnprocessableEntity, "The two passwords differ", `value="root"`)
	form.Set("repeated", password)
	v.send("/setup", form).says(t, http.StatusOK, "Welcome", "There is no group yet")

	again := b.visitor()
	again.get("/setup?token="+setupToken).says(t, http.StatusGone, "The first administrator exists already")
	form.Set("name", "second")
	again.send("/setup", form).says(t, http.StatusGone)
	if users, err := b.gateway.Groups.Users(t.Context()); err != nil || len(users) != 1 {
		t.Fatalf("%d people, %v; want 1", len(users), err)
	}
}

func TestLoginAndLogout(t *testing.T) {
	b := newBench(t)
	b.person("ada", groups.Admin)
	v := b.visitor()
	if a := v.get("/groups"); a.path != "/login" {
		t.Fatalf("an anonymous visitor ended at %s", a.path)
	}
	v.send("/login", url.Values{"name": {"ada"}, "password": {"wrong"}}).says(t, http.StatusUnauthorized, "The name or the password is wrong", `value="ada"`)
	if a := v.send("/login", url.Values{"name": {"ada"}, "password": {password}, "next": {"/groups?x=1"}}); a.path != "/groups" {
		t.Fatalf("after the login the visitor ended at %s", a.path)
	}
	cookie := v.cookie()
	for token, want := range map[string]int64{cookie.Value: 0, storedToken(cookie.Value): 1} {
		var rows int64
		if err := b.gateway.DB.Table("web_sessions").Where("token = ?", token).Count(&rows).Error; err != nil || rows != want {
			t.Errorf("%d sessions under %q, %v; want %d: the database knows the hash only", rows, token, err, want)
		}
	}
	v.submit("/", "/logout", url.Values{}).says(t, http.StatusOK, "Log in")

	r, _ := http.NewRequest(http.MethodGet, b.server.URL+"/groups", nil)
	r.AddCookie(cookie)
	if a := b.visitor().do(r); a.path != "/login" {
		t.Errorf("the cookie of a session that ended still opens %s", a.path)
	}
}

func (v *visitor) cookie() *http.Cookie {
	v.b.t.Helper()
	u, err := url.Parse(v.b.server.URL)
	if err != nil {
		v.b.t.Fatal(err)
	}
	cookies := v.client.Jar.Cookies(u)
	if len(cookies) != 1 {
		v.b.t.Fatalf("%d cookies, want 1", len(cookies))
	}
	return cookies[0]
}

func TestLoginNeverLeadsElsewhere(t *testing.T) {
	for next, want := range map[string]string{
		"/articles/1?x=2": "/articles/1?x=2", "": "/", "https://evil.test/": "/", "//evil.test": "/", `/\evil.test`: "/",
		"articles": "/", "/login?next=/": "/", "/\r\nx": "/", "javascript:alert(1)": "/",
	} {
		if got := localPath(next); got != want {
			t.Errorf("localPath(%q) = %q, want %q", next, got, want)
		}
	}
}

func TestSessionCookie(t *testing.T) {
	b := newBench(t)
	b.person("ada", groups.Admin)
	for _, secure := range []bool{false, true} {
		site := (&Server{Gateway: b.gateway, Secure: secure, Log: b.logger()}).Handler()
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(url.Values{"name": {"ada"}, "password": {password}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		cookies := w.Result().Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%d cookies", len(cookies))
		}
		c := cookies[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != secure || c.Path != "/" || strings.HasPrefix(c.Name, "__Host-") != secure {
			t.Errorf("secure=%v: cookie %+v", secure, c)
		}
	}
}

func TestSessionEndsWithItsPerson(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	u := b.person("ada", groups.Agent)
	v := b.as("ada")
	u.Disabled = true
	if _, err := b.gateway.SaveUser(t.Context(), admin(), u, nil); err != nil {
		t.Fatal(err)
	}
	if a := v.get("/keyring"); a.path != "/login" {
		t.Errorf("a disabled person still sees %s", a.path)
	}
}

func TestSessionExpires(t *testing.T) {
	b := newBench(t)
	b.person("ada", groups.Admin)
	v := b.as("ada")
	b.clock.Add(sessionIdle + time.Minute)
	if a := v.get("/keyring"); a.path != "/login" {
		t.Errorf("an idle session still opens %s", a.path)
	}
}

func TestPasswordChangeEndsOtherSessions(t *testing.T) {
	b := newBench(t)
	b.person("ada", groups.Admin)
	here, elsewhere := b.as("ada"), b.as("ada")
	form := url.Values{"old": {"wrong"}, "password": {"another good password"}, "repeated": {"another good password"}}
	here.submit("/account", "/account/password", form).says(t, http.StatusUnprocessableEntity, "password is wrong")
	form.Set("old", password)
	here.submit("/account", "/account/password", form).says(t, http.StatusOK, "Your password is changed")
	here.get("/account").says(t, http.StatusOK, "Your account")
	if a := elsewhere.get("/account"); a.path != "/login" {
		t.Errorf("the other session still opens %s", a.path)
	}
}

func TestLoginsAreLimited(t *testing.T) {
	b := newBench(t)
	b.person("ada", groups.Admin)
	v := b.visitor()
	wrong := url.Values{"name": {"ada"}, "password": {"wrong"}}
	for range triesPerName {
		v.send("/login", wrong).says(t, http.StatusUnauthorized)
	}
	v.send("/login", url.Values{"name": {"Ada "}, "password": {password}}).says(t, http.StatusTooManyRequests, "Too many logins failed")
	b.clock.Add(tryAgainAfter + time.Second)
	v.send("/login", url.Values{"name": {"ada"}, "password": {password}}).says(t, http.StatusOK, "Overview")
}

func TestLimiterMemoryIsBounded(t *testing.T) {
	l := newLimiter(time.Now, tryAgainAfter)
	for i := range maxTracked + 100 {
		l.try(strings.Repeat("x", i%7)+string(rune(i)), 5)
	}
	if len(l.used) > maxTracked {
		t.Errorf("%d keys in memory, want at most %d", len(l.used), maxTracked)
	}
}

func TestWrongFormTokenChangesNothing(t *testing.T) {
	b := newBench(t)
	b.person("ada", groups.Admin)
	v := b.as("ada")
	page := v.get("/groups/new").body
	form := url.Values{"name": {"Evil"}, "sign": {"off"}, "encrypt": {"off"}, "auto_sign": {"off"}, "auto_encrypt": {"off"}, "mixed": {"refuse"}, "inline_in": {"whole"}}
	v.send("/groups/new", form).says(t, http.StatusForbidden, "This form is out of date")
	form.Set("form_token", tokenFor(t, page, "/logout"))
	v.send("/groups/new", form).says(t, http.StatusForbidden, "This form is out of date")
	if all, err := b.gateway.Groups.Groups(t.Context()); err != nil || len(all) != 0 {
		t.Fatalf("%d groups, %v", len(all), err)
	}
	form.Set("form_token", tokenFor(t, page, "/groups/new"))
	v.send("/groups/new", form).says(t, http.StatusOK, "The group is saved")
}
