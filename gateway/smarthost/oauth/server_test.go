package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/smarthost/oauth"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a token server that enforces the rules: a refresh token is good once, and using an old one ends the grant;
// a device that polls too fast is told to slow down.
type server struct {
	t   *testing.T
	url string
	web *http.Client

	mu      sync.Mutex
	now     time.Time
	asked   []string // grant types
	refresh string   // the one that is good
	issued  int
	revoked bool
	broken  int // status of every answer, 0 for none
	kept    []oauth.Tokens
	keep    error
	agreed  bool
	polled  time.Time
	wait    time.Duration
}

func newServer(t *testing.T) *server {
	s := &server{t: t, now: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC), refresh: "refresh-0", wait: time.Second}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /device", s.device)
	web := httptest.NewUnstartedServer(mux)
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	t.Cleanup(web.Close)
	s.url, s.web = web.URL, web.Client()
	t.Cleanup(s.web.CloseIdleConnections)
	return s
}

// account is one that this server knows.
func (s *server) account(grant oauth.Grant) oauth.Account {
	return oauth.Account{
		Grant: grant, TokenURL: s.url + "/token", DeviceURL: s.url + "/device", ClientID: "gate", ClientSecret: "client-secret",
		Scopes: []string{"smtp"}, HTTP: s.web, Keep: s.store,
		Now: func() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now },
	}
}

func (s *server) store(_ context.Context, t oauth.Tokens) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keep == nil {
		s.kept = append(s.kept, t)
	}
	return s.keep
}

// change alters the server between two requests.
func (s *server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *server) later(d time.Duration) { s.change(func() { s.now = s.now.Add(d) }) }

// requests is how many there were.
func (s *server) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	grant := r.PostFormValue("grant_type")
	s.asked = append(s.asked, grant)
	switch {
	case s.broken != 0:
		w.Header().Set("Location", s.url+"/elsewhere")
		w.WriteHeader(s.broken)
		io.WriteString(w, "secret-in-the-answer") //nolint:errcheck // the client fails then
	case r.PostFormValue("client_id") != "gate" || r.PostFormValue("client_secret") != "client-secret":
		refuse(w, "invalid_client")
	case r.PostFormValue("scope") != "smtp":
		refuse(w, "invalid_scope")
	case grant == "client_credentials":
		s.grant(w, false)
	case grant == "refresh_token" && (s.revoked || r.PostFormValue("refresh_token") != s.refresh):
		s.revoked = true
		refuse(w, "invalid_grant")
	case grant == "refresh_token":
		s.grant(w, true)
	case grant == "urn:ietf:params:oauth:grant-type:device_code":
		s.poll(w, r)
	default:
		refuse(w, "unsupported_grant_type")
	}
}

// grant issues tokens of an hour, and a new refresh token.
func (s *server) grant(w http.ResponseWriter, refresh bool) {
	s.issued++
	answer := map[string]any{"access_token": fmt.Sprintf("access-%d", s.issued), "token_type": "Bearer", "expires_in": 3600}
	if refresh {
		s.refresh = fmt.Sprintf("refresh-%d", s.issued)
		answer["refresh_token"] = s.refresh
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer) //nolint:errcheck // the client fails then
}

func (s *server) device(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{ //nolint:errcheck // the client fails then
		"device_code": "device", "user_code": "ABCD-EFGH", "verification_uri": "https://login.test/device", "expires_in": 60, "interval": 1,
	})
}

// poll answers a device: the first time to slow down, then by what the person did.
func (s *server) poll(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	tooFast := !s.polled.IsZero() && now.Sub(s.polled) < s.wait-100*time.Millisecond
	first := s.polled.IsZero()
	s.polled = now
	switch {
	case r.PostFormValue("device_code") != "device" || tooFast:
		refuse(w, "invalid_grant")
	case first:
		s.wait += 5 * time.Second
		refuse(w, "slow_down")
	case !s.agreed:
		refuse(w, "access_denied")
	default:
		s.grant(w, true)
	}
}

func refuse(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"error": %q, "error_description": "secret-in-the-answer"}`, code)
}

var errDisk = errors.New("disk full")
