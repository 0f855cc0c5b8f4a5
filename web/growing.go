package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
)

// growing is a page of which the head has left and the rest comes piece by piece, so that something long can be watched
// without a script. What cannot be written any more is dropped: nobody reads it.
type growing struct {
	visit    *visit
	template *template.Template
	tail     []byte
}

// here is where the template of a page that grows is cut in two. What people typed is escaped and cannot look like it.
const here = "<template></template>"

// grow sends the page up to its place for the pieces.
func (v *visit) grow(name, title string) (*growing, error) {
	t, whole, err := v.filled(name, title, nil)
	if err != nil {
		return nil, err
	}
	head, tail, found := bytes.Cut(whole, []byte(here))
	if !found {
		return nil, fmt.Errorf("page %s has no place to grow", name)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("X-Accel-Buffering", "no") // or nginx would keep the pieces until the end
	v.w.Write(head)
	return &growing{v, t, tail}, nil
}

// add sends one piece: a template of the page's own file.
func (g *growing) add(name string, data any) {
	var b bytes.Buffer
	if err := g.template.ExecuteTemplate(&b, name, data); err != nil {
		g.visit.Log.ErrorContext(g.visit.r.Context(), "page failed", "path", g.visit.r.URL.Path, "error", err)
		return
	}
	g.visit.w.Write(b.Bytes())
	http.NewResponseController(g.visit.w).Flush()
}

// end sends the rest of the page.
func (g *growing) end() { g.visit.w.Write(g.tail) }
