// Package web is the page and the REST API.
//
// HTTP requests enter; calls of gateway use cases leave, and their answers become boring HTML (usable without script)
// or JSON. The package decides nothing: who may do what is the gateway's to say, and the composer's preview asks the
// same Plan that a real submission asks. Nothing is loaded from elsewhere; no inline script or style is ever served.
// What people type is kept in memory only, and never in a session or the log; a keyring dump waits in a sealed spool file.
package web

import (
	"io"
	"log/slog"
	"net/http"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring/publish"
	"github.com/sealgate/sealgate/keyring/seal"
)

// Server serves the page and the API. Fill the fields, then call Handler once.
type Server struct {
	Gateway    *gateway.Gateway
	Spool      *seal.Spool // where dumps wait, sealed, while they are imported
	SetupToken string      // the one-time token for the first admin; "" when an admin exists
	Secure     bool        // cookies are for HTTPS only; false only for a loopback listener without TLS
	Proxies    Proxies     // who may say for whom they ask
	Log        *slog.Logger
}

// Handler returns the whole site. It is safe for concurrent use.
func (s *Server) Handler() http.Handler {
	site := newSite(s)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthy)
	mux.Handle("GET /static/", site.staticFiles())
	mux.Handle("/api/", site.api())
	mux.HandleFunc(publish.Below+"/", site.webKeyDirectory)
	mux.Handle("/", site.sessions.LoadAndSave(site.pages()))
	return site.recovering(s.Proxies.behind(securityHeaders(site.sameOrigin(mux))))
}

// healthy answers load balancers, which do not log in.
func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ok\n") // a caller that has gone needs no answer
}

// pages is every page of the route table; what is in none of them is not found.
func (s *site) pages() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.Handle(r.pattern, s.serve(r))
	}
	mux.Handle("/", s.serve(route{public: true, do: func(v *visit) error {
		v.missing(mux)
		return nil
	}}))
	return mux
}
