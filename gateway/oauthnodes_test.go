package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// node is a second gateway over the same database and keys, as another machine runs it.
func (h *house) node() *house {
	g := &gateway.Gateway{
		DB: h.DB, Keeper: h.Keeper, Keyring: h.Keyring, Groups: groups.NewStore(h.DB, h.Keeper), Archive: h.Archive, Activity: h.Activity,
		Mirror: h.Mirror, Writer: h.Writer, Domain: h.Domain, Now: h.Now, Random: h.Random, Log: h.Log, Queue: h.Queue, HTTP: h.HTTP,
	}
	return &house{Gateway: g, t: h.t, group: h.group, box: h.box, admin: h.admin}
}

// TestNodesShareOneAccess: two nodes that send at once make one request, one's refusal is the other's, and so is what a
// person granted.
func TestNodesShareOneAccess(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		one, to := emptyHouse(t, db), startHop(t)
		grants := startGranting(t, to)
		var later atomic.Int64
		one.HTTP, one.Now = grants.web.Client(), func() time.Time { return noon.Add(time.Duration(later.Load())) }
		one.group = one.newGroup("Support", support)
		one.box = one.newMailbox(one.group, "support")
		one.saveHop(to, func(m *groups.Mailbox) {
			m.SMTP.Username, m.Out.Login = "support", groups.LoginOAuth
			m.Out.OAuth = groups.OAuth{Grant: "refresh-token", TokenURL: grants.web.URL, ClientID: "gate"}
		}, &groups.Credentials{ClientSecret: "canary-client"})
		two := one.node()
		one.access("unused", "")
		if err := one.ReplaceAccess(t.Context(), one.admin, one.box.ID, "canary-refresh-0"); err != nil {
			t.Fatal(err)
		}
		both := func(outcome queue.Outcome, words string) {
			t.Helper()
			var all sync.WaitGroup
			for n := range 10 {
				for _, h := range []*house{one, two} {
					all.Go(func() { h.wants(h.sends(fmt.Sprintf("%d@example.org", n)), outcome, words) })
				}
			}
			all.Wait()
		}
		both(queue.OutcomeRelayed, "")
		later.Store(int64(55 * time.Minute)) // the token is to be renewed, with a refresh token that is good once
		both(queue.OutcomeRelayed, "")
		if grants.requests() != 2 || len(to.arrived()) != 40 {
			t.Errorf("%d requests for tokens, %d messages", grants.requests(), len(to.arrived()))
		}
		two.access("ok", "")

		grants.mu.Lock()
		grants.revoked = true
		grants.mu.Unlock()
		later.Store(int64(3 * time.Hour))
		both(queue.OutcomeDeferred, "no longer grants access (invalid_grant); somebody must agree to the access again")
		one.access("needs-person", "no longer grants access")
		two.access("needs-person", "no longer grants access")
		one.node().access("needs-person", "no longer grants access") // as after a restart
		logins := to.loginsSoFar()
		both(queue.OutcomeDeferred, "no longer grants access")
		if grants.requests() != 3 || to.loginsSoFar() != logins {
			t.Errorf("%d requests for tokens, %d more logins", grants.requests(), to.loginsSoFar()-logins)
		}

		grants.mu.Lock()
		grants.revoked, grants.refresh = false, "canary-refresh-9"
		grants.mu.Unlock()
		if err := two.ReplaceAccess(t.Context(), two.admin, two.box.ID, "canary-refresh-9"); err != nil {
			t.Fatal(err)
		}
		both(queue.OutcomeRelayed, "")
		one.access("ok", "")
		one.holdsNothingOnDisk("canary-")
	})
}

func (h *hop) loginsSoFar() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logins
}

// access wants a status, and that the mailbox's state tells it too when it keeps mail from leaving.
func (h *house) access(status, problem string) {
	h.t.Helper()
	a, err := h.MailboxAccess(h.ctx(), h.admin, h.box.ID)
	if err != nil || string(a.Status) != status || !strings.Contains(a.Problem, problem) {
		h.t.Errorf("access: %+v, %v, want %s with %q", a, err, status, problem)
	}
	h.cannotSend(problem)
}

// cannotSend wants words in what is said about the mailbox; "" for none.
func (h *house) cannotSend(words string) {
	h.t.Helper()
	all, err := h.ListMailboxes(h.ctx(), h.admin)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, m := range all {
		if m.ID == h.box.ID && (!strings.Contains(m.CannotSend, words) || words == "" && m.CannotSend != "") {
			h.t.Errorf("cannot send: %q, want %q", m.CannotSend, words)
		}
	}
}

// holdsNothingOnDisk looks for a word in the files of an SQLite database, its write-ahead log among them.
func (h *house) holdsNothingOnDisk(word string) {
	h.t.Helper()
	if h.DB.Name() != "sqlite" {
		return
	}
	var file string
	if err := h.DB.Raw("SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&file).Error; err != nil || file == "" {
		h.t.Fatalf("no file: %v", err)
	}
	for _, name := range []string{file, file + "-wal"} {
		content, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			h.t.Fatal(err)
		}
		if bytes.Contains(content, []byte(word)) {
			h.t.Errorf("%s holds %q", name, word)
		}
	}
}

// rests makes the way of the house's mailbox rest, as after an attempt that came to nothing.
func (h *house) rests() {
	h.t.Helper()
	way := h.DestinationOf(h.ctx(), queue.Message{MailboxID: h.box.ID}, "ann@example.org")
	err := h.DB.Exec("INSERT INTO queue_destinations (destination, failures, rest_until_ms, reason, since_ms) VALUES (?, 1, ?, 'no login', 1)", way, noon.Add(time.Hour).UnixMilli()).Error
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestACorrectedSecretIsTriedOnce: a client whose secret is wrong is not tried again before a person corrects it.
func TestACorrectedSecretIsTriedOnce(t *testing.T) {
	h, to := newHouse(t), startHop(t)
	var asked atomic.Int64
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if name, secret, _ := r.BasicAuth(); name != "gate" || secret != "canary-right" || r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("scope") != "smtp send" {
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error": "invalid_client"}`) //nolint:errcheck // the client fails then
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"access_token": "canary-access", "token_type": "Bearer", "expires_in": 3600}) //nolint:errcheck // the client fails then
	}))
	defer web.Close()
	h.HTTP = web.Client()
	to.with(func() { to.token = "canary-access" })
	save := func(secret string) {
		t.Helper()
		h.saveHop(to, func(m *groups.Mailbox) {
			m.SMTP.Username, m.Out.Login, m.Out.Mechanism = "support", groups.LoginOAuth, "OAUTHBEARER"
			m.Out.OAuth = groups.OAuth{Grant: "client-credentials", TokenURL: web.URL, ClientID: "gate", Scopes: []string{"smtp", "send"}, Basic: true}
		}, &groups.Credentials{ClientSecret: secret})
	}
	wants := func(outcome queue.Outcome, words string, requests int64) {
		t.Helper()
		h.wants(h.sends("ann@example.org"), outcome, words)
		if asked.Load() != requests {
			t.Errorf("%d requests, want %d", asked.Load(), requests)
		}
	}
	save("canary-wrong")
	wants(queue.OutcomeDeferred, "check the client id, its secret and the scopes", 1)
	wants(queue.OutcomeDeferred, "check the client id, its secret and the scopes", 1)
	h.access("needs-person", "check the client id, its secret and the scopes")
	h.rests()
	save("canary-right")
	if rests, err := h.Queue.Rests(t.Context()); err != nil || len(rests) != 0 {
		t.Errorf("mail still waits for a server that somebody mended: %v, %v", rests, err)
	}
	wants(queue.OutcomeRelayed, "", 2)
	save("canary-right") // a token that works is not thrown away
	wants(queue.OutcomeRelayed, "", 2)
	h.access("ok", "")
}
