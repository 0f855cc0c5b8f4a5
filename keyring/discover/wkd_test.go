package discover

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/keyring"
)

func TestWKDAsksTheAdvancedHostFirst(t *testing.T) {
	joe := newKey(t, "Joe.Doe@example.test")
	cases := map[string]struct {
		prepare func(w *world, body []byte, seen *[]string)
		answers []Answer
		found   int
	}{
		"advanced": {func(w *world, body []byte, seen *[]string) {
			w.serve("openpgpkey.example.test", answering(body, seen))
			w.serve("example.test", missingPage)
		}, []Answer{Found}, 1},
		"direct, when there is no advanced name": {func(w *world, body []byte, seen *[]string) {
			w.serve("example.test", answering(body, seen))
		}, []Answer{Absent, Found}, 1},
		"a 404 of the advanced host is the end": {func(w *world, body []byte, seen *[]string) {
			w.serve("openpgpkey.example.test", missingPage)
			w.serve("example.test", answering(body, seen))
		}, []Answer{Absent}, 0},
		"a dead advanced host is the end": {func(w *world, body []byte, seen *[]string) {
			address := w.serve("openpgpkey.example.test", missingPage)
			w.Standing[address] = w.closedPort()
			w.serve("example.test", answering(body, seen))
		}, []Answer{Failed}, 0},
		"an advanced name that cannot be resolved now is the end": {func(w *world, body []byte, seen *[]string) {
			w.names.Break("openpgpkey.example.test")
			w.serve("example.test", answering(body, seen))
		}, []Answer{Failed}, 0},
		"an advanced host that redirects to no name is the end": {func(w *world, body []byte, seen *[]string) {
			w.serve("openpgpkey.example.test", func(out http.ResponseWriter, r *http.Request) {
				http.Redirect(out, r, "https://nowhere.test/", http.StatusFound)
			})
			w.serve("example.test", answering(body, seen))
		}, []Answer{Failed}, 0},
		"an advanced name inside is the end": {func(w *world, body []byte, seen *[]string) {
			w.names.Name("openpgpkey.example.test", "10.0.0.1")
			w.serve("example.test", answering(body, seen))
		}, []Answer{Refused}, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var seen []string
			c.prepare(w, public(t, joe), &seen)
			r, err := w.finder("").ByAddress(t.Context(), "Joe.Doe@Example.TEST")
			if err != nil {
				t.Fatal(err)
			}
			for i, ask := range r.Asks {
				if i >= len(c.answers) || ask.Answer != c.answers[i] {
					t.Errorf("question %d: %+v", i, ask)
				}
			}
			if len(r.Asks) != len(c.answers) || len(r.Findings) != c.found || len(seen) != c.found {
				t.Errorf("%d questions, %d findings, served %v", len(r.Asks), len(r.Findings), seen)
			}
			for _, path := range seen {
				if !strings.HasSuffix(path, "/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe") {
					t.Errorf("asked for %s", path)
				}
			}
		})
	}
}

func TestOnlyTheAskedUserIDIsKept(t *testing.T) {
	w := newWorld(t)
	w.serve("openpgpkey.example.test", answering(public(t, newKey(t, "victim@bank.test", "joe@example.test", "else@example.test")), nil))
	r, err := w.finder("").ByAddress(t.Context(), "joe@example.test")
	if err != nil || len(r.Findings) != 1 {
		t.Fatalf("%+v, %v", r.Asks, err)
	}
	f := r.Findings[0]
	if got := f.Item.Certificate.Addresses(); len(got) != 1 || got[0] != "joe@example.test" || f.Source != keyring.WKD {
		t.Errorf("%v from %s", got, f.Source)
	}
}

func TestWhatWKDAnswersInVainIsExplained(t *testing.T) {
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		why   string
	}{
		"another's certificate": {answering(public(t, newKey(t, "other@example.test")), nil), "no user ID of it is joe@example.test"},
		"a page":                {answering([]byte("<html>not found</html>"), nil), "not OpenPGP"},
		"nothing":               {answering(nil, nil), "no certificate"},
		"an error":              {func(out http.ResponseWriter, _ *http.Request) { http.Error(out, "", 500) }, "status 500"},
		"wait": {func(out http.ResponseWriter, _ *http.Request) {
			out.Header().Set("Retry-After", "60")
			http.Error(out, "", http.StatusTooManyRequests)
		}, "asks to wait"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.serve("openpgpkey.example.test", c.serve)
			r, err := w.finder("").ByAddress(t.Context(), "joe@example.test")
			if err != nil || len(r.Findings) != 0 || len(r.Asks) != 1 || !strings.Contains(r.Asks[0].Why, c.why) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}
