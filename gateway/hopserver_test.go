package gateway_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/gateway/bed"
)

// hop is a mail server that speaks STARTTLS and believes one token, and remembers who logged in and what came.
type hop struct {
	address string
	tls     bed.Authority

	mu     sync.Mutex
	token  string
	logins int
	got    []string // recipients
}

// startHop starts one with a certificate for localhost and these names.
func startHop(t *testing.T, names ...string) *hop {
	t.Helper()
	h := &hop{tls: bed.NewAuthority(t, names...)}
	pair, err := tls.X509KeyPair(h.tls.CertPEM, h.tls.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &hopSession{hop: h}, nil }))
	server.MaxMessageBytes = 20_000
	server.Domain, server.TLSConfig, server.ErrorLog = "hop.test", &tls.Config{Certificates: []tls.Certificate{pair}}, log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.address = l.Addr().String()
	go server.Serve(l) //nolint:errcheck // ends when it is closed
	t.Cleanup(func() { server.Close() })
	return h
}

func (h *hop) with(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *hop) arrived() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

type hopSession struct {
	hop *hop
	to  []string
}

// AuthMechanisms implements smtp.AuthSession.
func (*hopSession) AuthMechanisms() []string { return []string{sasl.OAuthBearer, sasl.Plain} }

// Auth implements smtp.AuthSession. The token serves as a password too.
func (s *hopSession) Auth(mechanism string) (sasl.Server, error) {
	if mechanism == sasl.Plain {
		return sasl.NewPlainServer(func(_, _, password string) error {
			s.hop.mu.Lock()
			defer s.hop.mu.Unlock()
			s.hop.logins++
			if password != s.hop.token {
				return smtp.ErrAuthFailed
			}
			return nil
		}), nil
	}
	return refusing{sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
		s.hop.mu.Lock()
		defer s.hop.mu.Unlock()
		s.hop.logins++
		if o.Token != s.hop.token {
			return &sasl.OAuthBearerError{Status: "invalid_token"}
		}
		return nil
	})}, nil
}

// refusing answers 535 to a login that is refused, as mail servers do; the library would say that it failed for now.
type refusing struct{ sasl.Server }

// Next implements sasl.Server.
func (r refusing) Next(response []byte) (challenge []byte, done bool, err error) {
	if challenge, done, err = r.Server.Next(response); err != nil {
		err = smtp.ErrAuthFailed
	}
	return challenge, done, err
}

func (s *hopSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *hopSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}
func (s *hopSession) Reset()        { s.to = nil }
func (s *hopSession) Logout() error { return nil }

// Data implements smtp.Session.
func (s *hopSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	s.hop.with(func() { s.hop.got = append(s.hop.got, s.to...) })
	return nil
}

// granting is a token server whose refresh tokens are good once.
type granting struct {
	web *httptest.Server

	mu      sync.Mutex
	refresh string
	issued  int
	asked   int
	revoked bool
	hop     *hop // learns which token is good
}

func startGranting(t *testing.T, h *hop) *granting {
	t.Helper()
	g := &granting{refresh: "canary-refresh-0", hop: h}
	g.web = httptest.NewTLSServer(g)
	t.Cleanup(g.web.Close)
	return g
}

// ServeHTTP implements http.Handler.
func (g *granting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	w.Header().Set("Content-Type", "application/json")
	if g.revoked || r.PostFormValue("refresh_token") != g.refresh || r.PostFormValue("client_secret") != "canary-client" {
		g.revoked = true // who shows a used one again is a thief
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error": "invalid_grant"}`) //nolint:errcheck // the client fails then
		return
	}
	g.issued++
	g.refresh = fmt.Sprintf("canary-refresh-%d", g.issued)
	token := fmt.Sprintf("canary-access-%d", g.issued)
	g.hop.with(func() { g.hop.token = token })
	json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": g.refresh}) //nolint:errcheck // the client fails then
}

func (g *granting) requests() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}
