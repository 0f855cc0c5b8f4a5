package publish

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

// joe is the draft's own example: Joe.Doe@example.org.
const joe = "iy9q119eutrkn8s1mk4r39qejnbu3n5q"

func TestHashIsTheDraftsOwn(t *testing.T) {
	for _, local := range []string{"Joe.Doe", "joe.doe", "JOE.DOE"} {
		if got := Hash(local); got != joe {
			t.Errorf("%s: %s, want %s", local, got, joe)
		}
	}
	if Hash("Ä") == Hash("ä") {
		t.Error("letters beyond ASCII were lowered")
	}
}

// TestRead tells each request by its words, and what is read in it.
func TestRead(t *testing.T) {
	certificate := Request{What: Certificate, Domain: "example.org", Hash: joe}
	withLocal := certificate
	withLocal.Local = "Joe.Doe"
	policy := Request{What: Policy, Domain: "example.org"}
	const advanced, direct = "/.well-known/openpgpkey/example.org", "/.well-known/openpgpkey"
	for name, c := range map[string]struct {
		host, path, query string
		want              Request
	}{
		"advanced":                    {"openpgpkey.example.org", advanced + "/hu/" + joe, "l=Joe.Doe", withLocal},
		"direct":                      {"example.org", direct + "/hu/" + joe, "l=Joe.Doe", withLocal},
		"without the local part":      {"example.org", direct + "/hu/" + joe, "", certificate},
		"percent-encoded":             {"example.org", direct + "/hu/" + joe, "l=%4aoe%2EDoe", withLocal},
		"host in capitals":            {"OpenPGPkey.Example.ORG", advanced + "/hu/" + joe, "", certificate},
		"host with a port":            {"example.org:443", direct + "/hu/" + joe, "", certificate},
		"host with a final dot":       {"example.org.", direct + "/hu/" + joe, "", certificate},
		"with another parameter":      {"example.org", direct + "/hu/" + joe, "x=1&l=Joe.Doe&&y", withLocal},
		"policy, advanced":            {"openpgpkey.example.org", advanced + "/policy", "", policy},
		"policy, direct":              {"example.org", direct + "/policy", "", policy},
		"direct of such a named host": {"openpgpkey.example.org", direct + "/policy", "", Request{What: Policy, Domain: "openpgpkey.example.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				if got, err := Read(method, c.host, c.path, c.query); err != nil || got != c.want {
					t.Errorf("%s: %+v, %v; want %+v", method, got, err, c.want)
				}
			}
			if _, err := Read("POST", c.host, c.path, c.query); !errors.Is(err, ErrMethod) {
				t.Errorf("POST: %v", err)
			}
		})
	}
}

// TestReadRefuses: what is too long, of another alphabet or in another place is not there.
func TestReadRefuses(t *testing.T) {
	const host, path = "example.org", "/.well-known/openpgpkey/hu/" + joe
	for name, c := range map[string][3]string{
		"no host":                     {"", path, ""},
		"an address for a host":       {"[::1]:443", path, ""},
		"a host with a login":         {"a@example.org", path, ""},
		"a host with a path":          {"example.org/x", path, ""},
		"a host with an empty label":  {"example..org", path, ""},
		"a host beyond ASCII":         {"bücher.example", path, ""},
		"a host with a bad port":      {"example.org:x", path, ""},
		"a long host":                 {strings.Repeat("a.", 140) + "org", path, ""},
		"a long label":                {strings.Repeat("a", 64) + ".org", path, ""},
		"another domain in the path":  {"openpgpkey.example.org", "/.well-known/openpgpkey/example.net/hu/" + joe, ""},
		"advanced path, direct host":  {host, "/.well-known/openpgpkey/example.org/hu/" + joe, ""},
		"the folder":                  {host, "/.well-known/openpgpkey/", ""},
		"the folder of certificates":  {host, "/.well-known/openpgpkey/hu/", ""},
		"without a slash":             {host, "/.well-known/openpgpkey", ""},
		"elsewhere":                   {host, "/keys/" + joe, ""},
		"below a certificate":         {host, path + "/x", ""},
		"a short hash":                {host, path[:len(path)-1], ""},
		"a hash in capitals":          {host, strings.ToUpper(path), ""},
		"a hash with a foreign digit": {host, path[:len(path)-1] + "l", ""},
		"a percent-encoded hash":      {host, path[:len(path)-1] + "%71", ""},
		"a way up":                    {host, "/.well-known/openpgpkey/hu/../policy", ""},
		"a submission address":        {host, "/.well-known/openpgpkey/submission-address", ""},
		"policy with more":            {host, "/.well-known/openpgpkey/policy/", ""},
		"the local part of another":   {host, path, "l=jane.doe"},
		"an empty local part":         {host, path, "l="},
		"two local parts":             {host, path, "l=Joe.Doe&l=Joe.Doe"},
		"a bad escape":                {host, path, "l=%4"},
		"a line end":                  {host, path, "l=Joe.Doe%0A"},
		"no UTF-8":                    {host, path, "l=%FF"},
		"a long local part":           {host, path, "l=" + strings.Repeat("a", 65)},
		"a long query":                {host, path, "x=" + strings.Repeat("a", 512)},
		"a long path":                 {host, path + strings.Repeat("/", 512), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Read("GET", c[0], c[1], c[2]); !errors.Is(err, ErrAbsent) {
				t.Errorf("%+v, %v; want that it is absent", got, err)
			}
		})
	}
}

// TestLocationsAreRead: what we tell people is what we answer to.
func TestLocationsAreRead(t *testing.T) {
	for _, local := range []string{"support", "Joe.Doe", "a+tag", "ähm", `"a b"`, "a&l=b", "50%"} {
		advanced, direct := Locations(local, "desk.test")
		for _, place := range []string{advanced, direct} {
			u, err := url.Parse(place)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Read("GET", u.Host, u.EscapedPath(), u.RawQuery)
			if err != nil || r.Local != local || !r.Names(local, "desk.test") || r.Names(local, "desk.example") || r.Names(local+"x", "desk.test") {
				t.Errorf("%s is read as %+v, %v", place, r, err)
			}
		}
	}
}

// TestAnswers: every answer may be read by every site, no error is kept, and an empty certificate is none.
func TestAnswers(t *testing.T) {
	certificate, policy := Request{What: Certificate}, Request{What: Policy}
	for name, c := range map[string]struct {
		answer Answer
		status int
		body   string
		fields map[string]string
	}{
		"certificate":    {certificate.Found([]byte("packets"), true), 200, "packets", map[string]string{"Content-Type": "application/octet-stream", "Cache-Control": freshness}},
		"no certificate": {certificate.Found(nil, true), 404, "There is no certificate here.\n", map[string]string{"Cache-Control": "no-store"}},
		"policy":         {policy.Found(nil, true), 200, "", map[string]string{"Content-Type": "text/plain; charset=utf-8"}},
		"no policy":      {policy.Found(nil, false), 404, "There is no certificate here.\n", nil},
		"method":         {Refusal(ErrMethod), 405, "This address takes GET and HEAD.\n", map[string]string{"Allow": "GET, HEAD"}},
		"too often":      {Refusal(ErrTooOften), 429, "Too many questions at once; ask again in a minute.\n", map[string]string{"Retry-After": "60"}},
		"broken":         {Refusal(errors.New("database: secret words")), 503, "This cannot be answered now; ask again later.\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if c.answer.Status != c.status || string(c.answer.Body) != c.body || c.answer.Fields["Access-Control-Allow-Origin"] != "*" {
				t.Errorf("%+v", c.answer)
			}
			for field, want := range c.fields {
				if got := c.answer.Fields[field]; got != want {
					t.Errorf("%s: %q, want %q", field, got, want)
				}
			}
		})
	}
}

// FuzzRead: whatever is read is within the limits, and is what its own location says.
func FuzzRead(f *testing.F) {
	f.Add("GET", "openpgpkey.example.org", "/.well-known/openpgpkey/example.org/hu/"+joe, "l=Joe.Doe")
	f.Add("HEAD", "example.org:443", "/.well-known/openpgpkey/hu/"+joe, "")
	f.Add("GET", "example.org.", "/.well-known/openpgpkey/policy", "x&l=%00")
	f.Add("POST", "[::1]", "/.well-known/openpgpkey/hu/", "l=&l=")
	f.Fuzz(func(t *testing.T, method, host, path, query string) {
		r, err := Read(method, host, path, query)
		if err != nil {
			if r != (Request{}) {
				t.Errorf("an error with %+v", r)
			}
			return
		}
		if method != "GET" && method != "HEAD" || len(r.Domain) > maxDomain+len("openpgpkey.") || len(r.Local) > maxLocal || r.Domain != strings.ToLower(r.Domain) {
			t.Errorf("%q %q %q %q is read as %+v", method, host, path, query, r)
		}
		switch r.What {
		case Policy:
		case Certificate:
			if len(r.Hash) != hashLength || r.Local != "" && !r.Names(r.Local, r.Domain) {
				t.Errorf("%+v", r)
			}
		default:
			t.Errorf("it asks for %q", r.What)
		}
	})
}
