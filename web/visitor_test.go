package web

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// visitor is a browser without script. It follows redirects and keeps cookies.
type visitor struct {
	b      *bench
	client *http.Client
}

func (b *bench) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return &visitor{b, &http.Client{Jar: jar}}
}

// as is a visitor who logged in.
func (b *bench) as(name string) *visitor {
	b.t.Helper()
	v := b.visitor()
	if a := v.send("/login", url.Values{"name": {name}, "password": {password}}); a.status != http.StatusOK {
		b.t.Fatalf("log in as %s: %d\n%s", name, a.status, a.body)
	}
	return v
}

type answered struct {
	status int
	body   string
	header http.Header
	path   string // where the visitor ended
}

func (v *visitor) do(r *http.Request) answered {
	v.b.t.Helper()
	response, err := v.client.Do(r)
	if err != nil {
		v.b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.b.t.Fatal(err)
	}
	return answered{response.StatusCode, string(body), response.Header, response.Request.URL.Path}
}

func (v *visitor) get(path string) answered {
	v.b.t.Helper()
	r, err := http.NewRequestWithContext(v.b.t.Context(), http.MethodGet, v.b.server.URL+path, nil)
	if err != nil {
		v.b.t.Fatal(err)
	}
	return v.do(r)
}

// send posts fields as they are.
func (v *visitor) send(path string, fields url.Values) answered {
	v.b.t.Helper()
	r, err := http.NewRequestWithContext(v.b.t.Context(), http.MethodPost, v.b.server.URL+path, strings.NewReader(fields.Encode()))
	if err != nil {
		v.b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(r)
}

// submit fills in the form with this action on a page and sends it, with the page's own token.
func (v *visitor) submit(page, action string, fields url.Values) answered {
	v.b.t.Helper()
	fields.Set("form_token", tokenFor(v.b.t, v.get(page).body, action))
	return v.send(action, fields)
}

// tokenFor finds the token of a form on a page. A form without an action sends to the page itself.
func tokenFor(t *testing.T, page, action string) string {
	t.Helper()
	token := regexp.MustCompile(`name="form_token" value="([^"]+)"`)
	for _, form := range strings.Split(page, "<form ")[1:] {
		head, _, _ := strings.Cut(form, ">")
		if strings.Contains(head, "action=") && !strings.Contains(head, `action="`+action+`"`) {
			continue
		}
		if found := token.FindStringSubmatch(form); found != nil {
			return found[1]
		}
	}
	t.Fatalf("the page has no form for %s:\n%s", action, page)
	return ""
}

// says checks that a page has every one of the words.
func (a answered) says(t *testing.T, status int, words ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d\n%s", a.status, status, a.body)
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			t.Errorf("the page does not say %q:\n%s", w, a.body)
		}
	}
}
