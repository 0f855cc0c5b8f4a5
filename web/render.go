package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static/*
var staticFiles embed.FS

// assets is the address of each static file by its name; it changes with the content, so that it can be cached.
type assets map[string]string

func readAssets() assets {
	a := assets{}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		panic(err) // embedded at build time
	}
	for _, e := range entries {
		content, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		a[e.Name()] = "/static/" + e.Name() + "?v=" + hex.EncodeToString(sum[:6])
	}
	return a
}

// staticFiles serves what never holds anything about anybody, so it may be cached.
func (s *site) staticFiles() http.Handler {
	files := http.FileServerFS(staticFiles)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		// The frame of a mail's HTML version is of no origin, and needs its style sheet.
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		if s.assets[path.Base(r.URL.Path)] == r.URL.RequestURI() {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			w.Header().Set("Cache-Control", "no-cache")
		}
		files.ServeHTTP(w, r)
	})
}

// parseTemplates makes one template per page, each with the layout and the parts that pages share.
func parseTemplates(a assets) map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(functions(a)).ParseFS(templateFiles,
		"templates/layout.html", "templates/parts.html", "templates/icons.html"))
	pages, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err)
	}
	all := map[string]*template.Template{}
	for _, file := range pages {
		name := strings.TrimSuffix(path.Base(file), ".html")
		all[name] = template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, file))
	}
	return all
}

// page is what a template is given.
type page struct {
	*visit
	Title  string
	Notice string // said once after a form was obeyed
	Data   any

	waiting func() int64 // counts once
}

// countWaiting counts the certificates that an admin should decide about. A menu that cannot be counted is no reason to
// show nothing.
func (v *visit) countWaiting() int64 {
	if v.user.Role != groups.Admin {
		return 0
	}
	_, n, err := v.Gateway.Certificates(v.r.Context(), v.actor(), keyring.Filter{State: keyring.Proposed, Limit: 1})
	if err != nil {
		v.Log.WarnContext(v.r.Context(), "count waiting certificates", "error", err)
	}
	return n
}

// User is who looks at the page; its ID is empty for people who have not logged in.
func (p page) User() groups.User { return p.user }

// IsAdmin tells whether forms for admins are shown.
func (p page) IsAdmin() bool { return p.user.Role == groups.Admin }

// Writes tells whether the person may read and write articles.
func (p page) Writes() bool { return p.user.Role == groups.Admin || p.user.Role == groups.Agent }

// Waiting is how many certificates wait for the decision of whoever looks at the page.
func (p page) Waiting() int64 { return p.waiting() }

// Path is the page's own address.
func (p page) Path() string { return p.r.URL.Path }

// In tells whether a menu entry is the one for this page.
func (p page) In(prefix string) bool {
	if prefix == "/" {
		return p.r.URL.Path == "/"
	}
	return p.r.URL.Path == prefix || strings.HasPrefix(p.r.URL.Path, prefix+"/")
}

// render answers with a page. It is complete before the first byte leaves, so that an error never shows half of it.
func (v *visit) render(status int, name, title string, data any) error {
	_, whole, err := v.filled(name, title, data)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	v.w.Write(whole) // a reader that has gone needs no answer
	return nil
}

// filled is a page with its template filled in.
func (v *visit) filled(name, title string, data any) (*template.Template, []byte, error) {
	t, ok := v.templates[name]
	if !ok {
		return nil, nil, fmt.Errorf("there is no template %s", name)
	}
	p := page{visit: v, Title: title, Data: data, waiting: sync.OnceValue(v.countWaiting)}
	if v.inSession {
		p.Notice = v.sessions.PopString(v.r.Context(), "notice")
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", p); err != nil {
		return nil, nil, fmt.Errorf("render %s: %w", name, err)
	}
	return t, b.Bytes(), nil
}

func (v *visit) show(name, title string, data any) error {
	return v.render(http.StatusOK, name, title, data)
}

// refused shows a form again, as it was filled in, with the sentence that says why it was not obeyed; an error
// without such a sentence goes on.
func (v *visit) refused(err error, name, title string, data func(sentence string) any) error {
	words := sentenceOf(err)
	if words == "" {
		return err
	}
	return v.render(http.StatusUnprocessableEntity, name, title, data(words))
}
