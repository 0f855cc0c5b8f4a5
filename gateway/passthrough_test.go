package gateway_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
)

// presents logs a ticket system in.
func (h *house) presents(secret string, bearer bool) error {
	h.t.Helper()
	_, err := h.AuthenticateMailbox(h.ctx(), submission.Presented{Login: "support", Secret: secret, Bearer: bearer}, "127.0.0.1")
	return err
}

// TestTheMailServerDecidesAboutALogin: what the ticket system presents is proven at the mail server, once in ten minutes; it is
// sealed and serves the queue; when the server takes it no more, mail waits for the next login without asking again.
func TestTheMailServerDecidesAboutALogin(t *testing.T) {
	for name, bearer := range map[string]bool{"password": false, "token": true} {
		t.Run(name, func(t *testing.T) {
			h, to := newHouse(t), startHop(t)
			to.token = "canary-first"
			h.saveHop(to, func(m *groups.Mailbox) { m.Out.Login = groups.LoginPresented }, nil)
			h.wants(h.sends("ann@example.org"), queue.OutcomeDeferred, "has not logged in")
			if err := h.presents("canary-wrong", bearer); !errors.Is(err, groups.ErrLogin) {
				t.Errorf("a wrong one: %v", err)
			}
			if err := h.presents("correct horse battery", bearer); !errors.Is(err, groups.ErrLogin) {
				t.Errorf("the mailbox's own password: %v", err)
			}
			for range 3 {
				if err := h.presents("canary-first", bearer); err != nil {
					t.Fatal(err)
				}
			}
			if to.logins != 3 {
				t.Errorf("%d logins at the mail server", to.logins)
			}
			h.wants(h.sends("ann@example.org"), queue.OutcomeRelayed, "")
			h.holdsNoWord("canary-")

			to.with(func() { to.token = "canary-second" })
			h.wants(h.sends("ann@example.org"), queue.OutcomeDeferred, "")
			logins := to.logins
			h.wants(h.sends("ann@example.org"), queue.OutcomeDeferred, "")
			if bearer && to.logins != logins {
				t.Error("a token that was refused was said again")
			}
			h.Now = func() time.Time { return noon.Add(11 * time.Minute) }
			if err := h.presents("canary-first", bearer); !errors.Is(err, groups.ErrLogin) {
				t.Errorf("after ten minutes: %v", err)
			}
			if err := h.presents("canary-second", bearer); err != nil {
				t.Fatal(err)
			}
			h.wants(h.sends("ann@example.org"), queue.OutcomeRelayed, "")
		})
	}
}

// TestWhatWasPresentedGoesToNoOtherServer: neither is it said to a server that was set later, nor is a login believed when the
// server cannot be asked.
func TestWhatWasPresentedGoesToNoOtherServer(t *testing.T) {
	h, to, other := newHouse(t), startHop(t), startHop(t)
	to.token, other.token = "canary-first", "canary-first"
	presented := func(m *groups.Mailbox) { m.Out.Login = groups.LoginPresented }
	h.saveHop(to, presented, nil)
	if err := h.presents("canary-first", true); err != nil {
		t.Fatal(err)
	}
	h.saveHop(other, presented, nil)
	h.wants(h.sends("ann@example.org"), queue.OutcomeDeferred, "has not logged in")
	if other.logins != 0 {
		t.Error("another server was shown the token")
	}
	h.saveHop(&hop{address: "127.0.0.1:1", tls: to.tls}, presented, nil)
	if err := h.presents("canary-first", true); err == nil || errors.Is(err, groups.ErrLogin) {
		t.Errorf("a server that cannot be asked: %v", err)
	}
}

// TestATokenOpensNoMailboxWithAPassword: not even when it is the password.
func TestATokenOpensNoMailboxWithAPassword(t *testing.T) {
	h := newHouse(t)
	if err := h.presents("correct horse battery", true); !errors.Is(err, groups.ErrLogin) {
		t.Errorf("as a token: %v", err)
	}
	if err := h.presents("correct horse battery", false); err != nil {
		t.Errorf("as a password: %v", err)
	}
}
