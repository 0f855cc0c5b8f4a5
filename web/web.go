// Package web is the page and the REST API.
//
// HTTP requests enter; calls of gateway use cases leave, and their answers become boring HTML (usable without script)
// or JSON. The package decides nothing: who may do what is the gateway's to say, and the composer's preview asks the
// same Plan that a real submission asks. Nothing is loaded from elsewhere; no inline script or style is ever served.
package web

import (
	"crypto/tls"
	"log/slog"
	"net/http"

	"github.com/sealgate/sealgate/gateway"
)

// Server serves the page and the API.
type Server struct {
	Gateway    *gateway.Gateway
	SetupToken string // the one-time token for the first admin; "" when an admin exists
	Secure     bool   // cookies are for HTTPS only; false only for a loopback listener without TLS
	Log        *slog.Logger
}

// Handler returns the whole site.
func (s *Server) Handler() http.Handler { panic("skeleton") }

var _ = tls.VersionTLS12
