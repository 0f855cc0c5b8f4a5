package gateway_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
)

// saveHop makes the house's mailbox send through a hop.
func (h *house) saveHop(to *hop, change func(*groups.Mailbox), c *groups.Credentials) {
	h.t.Helper()
	m := h.box
	m.SMTP = groups.Upstream{Address: to.address, TLS: groups.TLSStart, CA: string(to.tls.CertPEM)}
	change(&m)
	var err error
	if h.box, err = h.SaveMailbox(h.ctx(), h.admin, gateway.MailboxRequest{Mailbox: m, Credentials: c}); err != nil {
		h.t.Fatal(err)
	}
}

// sends makes one attempt for some recipients and returns what came of it.
func (h *house) sends(to ...string) []queue.Result {
	h.t.Helper()
	o, err := pgpmime.Protect([]byte("From: "+support+"\r\nSubject: hello\r\n\r\nhello\r\n"), pgpmime.ProtectRequest{Protection: pgpmime.Clear})
	if err != nil {
		h.t.Fatal(err)
	}
	m := queue.Message{ID: "q", MailboxID: h.box.ID, GroupID: h.group.ID, ReversePath: support}
	var recipients []queue.Recipient
	for _, address := range to {
		recipients = append(recipients, queue.Recipient{ID: address, Address: address})
	}
	return h.Deliver(h.ctx(), m, recipients, o)
}

func (h *house) wants(results []queue.Result, outcome queue.Outcome, words string) {
	h.t.Helper()
	for _, r := range results {
		if r.Outcome != outcome || !strings.Contains(r.Reply+" "+r.TLS, words) {
			h.t.Errorf("%s: %+v, want %s with %q", r.RecipientID, r, outcome, words)
		}
	}
}

// TestOnlyThePinnedServerGetsMail: a server with another key gets nothing, and the answer tells which key came.
func TestOnlyThePinnedServerGetsMail(t *testing.T) {
	h, to := newHouse(t), startHop(t)
	block, _ := pem.Decode(to.tls.CertPEM)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	right := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	h.saveHop(to, func(m *groups.Mailbox) { m.SMTP.CA, m.Out.Pins = "", []string{hex.EncodeToString(right[:])} }, nil)
	h.wants(h.sends("ann@example.org"), queue.OutcomeRelayed, "pinned key")
	h.saveHop(to, func(m *groups.Mailbox) { m.SMTP.CA, m.Out.Pins = "", []string{strings.Repeat("ab", 32)} }, nil)
	h.wants(h.sends("bob@example.org"), queue.OutcomeDeferred, "not the pinned one")
	if got := fmt.Sprint(to.arrived()); got != "[ann@example.org]" {
		t.Errorf("arrived: %s", got)
	}
	_, err = h.SaveMailbox(t.Context(), h.admin, gateway.MailboxRequest{Mailbox: func() groups.Mailbox { m := h.box; m.Out.Pins = []string{"nonsense"}; return m }()})
	if err == nil || !strings.Contains(err.Error(), "64 hexadecimal digits") {
		t.Errorf("a pin that is none: %v", err)
	}
}

// TestAPolicyThatCannotBeMetSendsNothing: without a resolver that validates there is no DANE, and nothing leaves without.
func TestAPolicyThatCannotBeMetSendsNothing(t *testing.T) {
	h, to := newHouse(t), startHop(t)
	h.saveHop(to, func(m *groups.Mailbox) { m.Out.DANE = true }, nil)
	h.wants(h.sends("ann@example.org"), queue.OutcomeDeferred, "set dns.servers and dns.validating")
	problems, err := h.CheckMailbox(t.Context(), h.admin, h.box.ID)
	if err != nil || !strings.Contains(strings.Join(problems, " "), "dns.validating") {
		t.Errorf("check: %v, %v", problems, err)
	}
	h.saveHop(to, func(m *groups.Mailbox) { m.SMTP, m.Out = groups.Upstream{}, groups.NextHop{Route: groups.Exchanges} }, nil)
	h.wants(h.sends("ann@example.org"), queue.OutcomeDeferred, "set dns.servers")
	if got := to.arrived(); len(got) != 0 {
		t.Errorf("arrived: %v", got)
	}
}

// TestManyDeliveriesAskForOneToken: fifty at once make one request; a token that came is sealed; and after the token server's
// no, neither it nor the mail server is asked again until a person acts.
func TestManyDeliveriesAskForOneToken(t *testing.T) {
	h, to := newHouse(t), startHop(t)
	g := startGranting(t, to)
	h.HTTP = g.web.Client()
	h.saveHop(to, func(m *groups.Mailbox) {
		m.SMTP.Username, m.Out.Login = "support", groups.LoginOAuth
		m.Out.OAuth = groups.OAuth{Grant: "refresh-token", TokenURL: g.web.URL, ClientID: "gate"}
	}, &groups.Credentials{ClientSecret: "canary-client"})
	if err := h.ReplaceAccess(t.Context(), h.admin, h.box.ID, "canary-refresh-0"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 50 {
		all.Go(func() { h.wants(h.sends(fmt.Sprintf("%d@example.org", n)), queue.OutcomeRelayed, "") })
	}
	all.Wait()
	if g.requests() != 1 || len(to.arrived()) != 50 {
		t.Errorf("%d requests for tokens, %d messages", g.requests(), len(to.arrived()))
	}
	if a, err := h.MailboxAccess(t.Context(), h.admin, h.box.ID); err != nil || a.Status != "ok" {
		t.Errorf("access: %+v, %v", a, err)
	}
	h.holdsNoWord("canary-")

	g.mu.Lock()
	g.revoked = true
	g.mu.Unlock()
	to.with(func() { to.token = "another" }) // the mail server refuses the token, so a new one is wanted
	h.wants(h.sends("ann@example.org"), queue.OutcomeDeferred, "")
	h.wants(h.sends("ann@example.org"), queue.OutcomeDeferred, "")
	requests, logins := g.requests(), to.logins
	for range 10 {
		h.wants(h.sends("ann@example.org"), queue.OutcomeDeferred, "")
	}
	if g.requests() != requests || to.logins != logins {
		t.Errorf("a storm: %d more requests, %d more logins", g.requests()-requests, to.logins-logins)
	}
	a, err := h.MailboxAccess(t.Context(), h.admin, h.box.ID)
	if err != nil || a.Status == "ok" || a.Problem == "" {
		t.Errorf("access after the no: %+v, %v", a, err)
	}
}

// holdsNoWord looks for a word in every table, as whoever copies the database would.
func (h *house) holdsNoWord(word string) {
	h.t.Helper()
	var tables []string
	if err := h.DB.Raw("SELECT name FROM sqlite_master WHERE type = 'table'").Scan(&tables).Error; err != nil {
		h.t.Fatal(err)
	}
	for _, table := range tables {
		var rows []map[string]any
		if err := h.DB.Table(table).Find(&rows).Error; err != nil {
			h.t.Fatal(err)
		}
		if strings.Contains(fmt.Sprintf("%s", rows), word) {
			h.t.Errorf("table %s holds %q", table, word)
		}
	}
}

// TestAPersonGrantsAccessWithACode: the page shows the code while it waits, and the token once a person agreed.
func TestAPersonGrantsAccessWithACode(t *testing.T) {
	h, to := newHouse(t), startHop(t)
	agreed := make(chan struct{})
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, values map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(values) //nolint:errcheck // the client fails then
	}
	mux.HandleFunc("POST /device", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{
			"device_code": "canary-device", "user_code": "ABCD-EFGH", "verification_uri": "https://login.test/device", "expires_in": 600, "interval": 1,
		})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-agreed:
			answer(w, http.StatusOK, map[string]any{"access_token": "canary-access", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "canary-refresh"})
		default:
			answer(w, http.StatusBadRequest, map[string]any{"error": "authorization_pending"})
		}
	})
	web := httptest.NewTLSServer(mux)
	defer web.Close()
	h.HTTP, h.Now = web.Client(), time.Now
	h.saveHop(to, func(m *groups.Mailbox) {
		m.SMTP.Username, m.Out.Login = "support", groups.LoginOAuth
		m.Out.OAuth = groups.OAuth{Grant: "device-code", TokenURL: web.URL + "/token", DeviceURL: web.URL + "/device", ClientID: "gate"}
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.RunAccess(ctx) }()

	invitation, err := h.InviteAccess(t.Context(), h.admin, h.box.ID)
	if err != nil || invitation.UserCode != "ABCD-EFGH" {
		t.Fatalf("invitation %+v, %v", invitation, err)
	}
	if a, err := h.MailboxAccess(t.Context(), h.admin, h.box.ID); err != nil || a.Invitation.UserCode != "ABCD-EFGH" || a.Status != "unused" {
		t.Errorf("while waiting: %+v, %v", a, err)
	}
	close(agreed)
	for tick, deadline := time.NewTicker(50*time.Millisecond), time.After(time.Minute); ; {
		a, err := h.MailboxAccess(t.Context(), h.admin, h.box.ID)
		if err == nil && a.Status == "ok" && a.Invitation.UserCode == "" {
			tick.Stop()
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("nobody took the token: %+v, %v", a, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	to.with(func() { to.token = "canary-access" })
	h.wants(h.sends("ann@example.org"), queue.OutcomeRelayed, "")
	h.holdsNoWord("canary-")
}

// TestADemandForTLSTravels: from the submission through the queue to the mail server, which does not promise it; the message
// fails for good, and the notification to its sender demands the same.
func TestADemandForTLSTravels(t *testing.T) {
	h, to := newHouse(t), startHop(t)
	h.saveHop(to, func(*groups.Mailbox) {}, nil)
	h.Queue.Deliver = h.Deliver
	l := letter{to: []string{"ann@example.org"}}
	_, err := h.Submit(t.Context(), submission.Submission{
		Identity: submission.Identity{MailboxID: h.box.ID, GroupID: h.group.ID, Login: h.box.Login},
		Envelope: submission.Envelope{ReversePath: support, RequireTLS: true, ForwardPaths: []submission.ForwardPath{{Address: "ann@example.org"}}},
		Message:  l.message(), TLS: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Queue.Run(ctx) }()
	var all []queue.Message
	for tick, deadline := time.NewTicker(20*time.Millisecond), time.After(time.Minute); ; {
		if all, err = h.Queue.List(t.Context(), queue.Filter{}); err != nil {
			t.Fatal(err)
		}
		done := len(all) == 2 && !slices.ContainsFunc(all, func(m queue.Message) bool { return m.Recipients[0].State != queue.Failed })
		if done {
			tick.Stop()
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in the queue: %+v", all)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, m := range all {
		if !m.RequireTLS || !strings.Contains(m.Recipients[0].LastReply, "REQUIRETLS") {
			t.Errorf("%+v", m)
		}
	}
	if got := to.arrived(); len(got) != 0 {
		t.Errorf("arrived: %v", got)
	}
}

// TestAMessageThatGrowsTooLargeIsRefusedAtOnce: once it is known what the mail server takes, by what the message would have when
// it leaves.
func TestAMessageThatGrowsTooLargeIsRefusedAtOnce(t *testing.T) {
	h, to := newHouse(t, func(g *groups.Group) { g.Sign = groups.On }), startHop(t)
	h.saveHop(to, func(*groups.Mailbox) {}, nil)
	h.wants(h.sends("ann@example.org"), queue.OutcomeRelayed, "") // tells its limit
	id := submission.Identity{MailboxID: h.box.ID, GroupID: h.group.ID, Login: h.box.Login}
	if err := h.MaySend(t.Context(), id, support, 20_000); err != nil {
		t.Errorf("what may fit: %v", err)
	}
	if err := h.MaySend(t.Context(), id, support, 20_001); err == nil || !strings.Contains(err.Error(), "552 5.3.4") {
		t.Errorf("what cannot fit in any form: %v", err)
	}
	_, err := h.submit(letter{to: []string{"ann@example.org"}, fields: grown(19_000)})
	if err == nil || !strings.Contains(err.Error(), "552 5.3.4") || !strings.Contains(err.Error(), "takes at most 0.02 MB") {
		t.Errorf("what grew over it: %v", err)
	}
	if _, err := h.submit(letter{to: []string{"ann@example.org"}, fields: grown(6_000)}); err != nil {
		t.Errorf("what still fits: %v", err)
	}
}

// grown is header fields of about so many bytes.
func grown(size int) (fields []string) {
	for n := range size / 64 {
		fields = append(fields, fmt.Sprintf("X-Filler-%03d: %s", n, strings.Repeat("x", 48)))
	}
	return fields
}
