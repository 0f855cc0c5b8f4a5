package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/publish"
)

// openDesk is a desk whose certificates everybody may read.
func openDesk(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.gateway.Publishing = gateway.Publishing{WKD: true, Page: true, List: true}
	b.desk(nil)
	return b
}

// asks asks a host of ours, as a program does that follows no redirect.
func (b *bench) asks(method, host, path string, fields ...string) answered {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Host = host
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	v := b.visitor()
	v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return v.do(r)
}

// TestWebKeyDirectory asks for the group's certificate as mail programs do, by both methods.
func TestWebKeyDirectory(t *testing.T) {
	b := openDesk(t)
	own := b.certificateOf(support)
	hash := publish.Hash("support")
	for host, path := range map[string]string{
		"openpgpkey.desk.test": "/.well-known/openpgpkey/desk.test/hu/" + hash + "?l=support",
		"desk.test:443":        "/.well-known/openpgpkey/hu/" + hash + "?l=Support",
		"DESK.test":            "/.well-known/openpgpkey/hu/" + hash,
	} {
		t.Run(host, func(t *testing.T) {
			a := b.asks(http.MethodGet, host, path)
			if a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			items, err := keyring.Parse([]byte(a.body), b.clock.Now())
			if err != nil || len(items) != 1 || items[0].Certificate.Fingerprint != own.Fingerprint || items[0].HasSecret {
				t.Errorf("%+v, %v", items, err)
			}
			for field, want := range map[string]string{
				"Content-Type": "application/octet-stream", "Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin",
				"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff", "Set-Cookie": "",
			} {
				if got := a.header.Get(field); got != want {
					t.Errorf("%s: %q, want %q", field, got, want)
				}
			}
			head := b.asks(http.MethodHead, host, path)
			if head.status != http.StatusOK || head.body != "" || head.header.Get("Content-Length") != a.header.Get("Content-Length") {
				t.Errorf("HEAD: %d %q %v", head.status, head.body, head.header)
			}
			if again := b.asks(http.MethodGet, host, path, "If-None-Match", a.header.Get("ETag")); again.status != http.StatusNotModified {
				t.Errorf("what a cache holds is sent again: %d", again.status)
			}
		})
	}
}

// TestWebKeyDirectoryHoldsNothingElse: no folder, no other domain, no customer, and no other way to ask.
func TestWebKeyDirectoryHoldsNothingElse(t *testing.T) {
	b := openDesk(t)
	b.imports(armoredKey(t, "Customer", customer, 0, b.clock.Now()))
	const direct = "/.well-known/openpgpkey"
	b.asks(http.MethodGet, "desk.test", direct+"/policy").says(t, http.StatusOK)
	b.asks(http.MethodHead, "openpgpkey.desk.test", direct+"/desk.test/policy").says(t, http.StatusOK)
	local, domain, hash := "support", "desk.test", publish.Hash("support")
	for name, c := range map[string]struct {
		method, host, path string
		status             int
	}{
		"policy of another domain": {"GET", "elsewhere.test", direct + "/policy", 404},
		"another domain":           {"GET", "elsewhere.test", direct + "/hu/" + hash, 404},
		"our own name":             {"GET", b.server.Listener.Addr().String(), direct + "/hu/" + hash, 404},
		"another local part":       {"GET", domain, direct + "/hu/" + publish.Hash("sales"), 404},
		"a local part of another":  {"GET", domain, direct + "/hu/" + hash + "?l=sales", 404},
		"a tag":                    {"GET", domain, direct + "/hu/" + publish.Hash(local+"+tag"), 404},
		"the folder":               {"GET", domain, direct + "/", 404},
		"the folder of hashes":     {"GET", domain, direct + "/hu/", 404},
		"a submission address":     {"GET", domain, direct + "/submission-address", 404},
		"writing":                  {"PUT", domain, direct + "/hu/" + hash, 405},
		"a customer":               {"GET", customer[len("customer@"):], direct + "/hu/" + publish.Hash("customer"), 404},
	} {
		t.Run(name, func(t *testing.T) {
			a := b.asks(c.method, c.host, c.path)
			if a.status != c.status || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%d %v\n%s", a.status, a.header, a.body)
			}
		})
	}
	b.gateway.Publishing.WKD = false
	b.asks(http.MethodGet, "desk.test", direct+"/policy").says(t, http.StatusNotFound)
	b.asks(http.MethodGet, "desk.test", direct+"/hu/"+hash).says(t, http.StatusNotFound)
}

// TestStrangersAreCounted: one who asks without end is told to wait, and only that one.
func TestStrangersAreCounted(t *testing.T) {
	b := openDesk(t)
	const policy = "/.well-known/openpgpkey/policy"
	for range questionsAtOnce {
		if a := b.asks(http.MethodGet, "desk.test", policy); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	a := b.asks(http.MethodGet, "desk.test", policy)
	if a.says(t, http.StatusTooManyRequests); a.header.Get("Retry-After") != "60" {
		t.Errorf("%v", a.header)
	}
	b.asks(http.MethodGet, "desk.test", "/.well-known/openpgpkey/hu/").says(t, http.StatusNotFound)
	b.asks(http.MethodGet, "desk.test", "/keys/"+support).says(t, http.StatusTooManyRequests, "Ask again in a minute")
	b.asks(http.MethodGet, "desk.test", "/login").says(t, http.StatusOK)
	b.clock.Add(time.Minute)
	b.asks(http.MethodGet, "desk.test", policy).says(t, http.StatusOK)
}

// TestWebKeyDirectoryFailsInWords: what is wrong with the database is for the log only.
func TestWebKeyDirectoryFailsInWords(t *testing.T) {
	b := openDesk(t)
	if err := b.gateway.DB.Exec("DROP TABLE group_domain_rules").Error; err != nil {
		t.Fatal(err)
	}
	a := b.asks(http.MethodGet, "desk.test", "/.well-known/openpgpkey/policy")
	if a.says(t, http.StatusServiceUnavailable, "ask again later"); !strings.Contains(b.log.String(), "web key directory failed") {
		t.Error("the log does not say it")
	}
}
