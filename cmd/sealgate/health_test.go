package main

import (
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/groups"
)

// TestHealthCommand: the forecast, the warning that it sends once, and what doctor says of a key that ends.
func TestHealthCommand(t *testing.T) {
	k := newKeyDesk(t, "sqlite:data/sealgate.db")
	do := func(args ...string) string { return must(t, "", append([]string{"-c", k.config}, args...)...) }
	if out := do("health"); !strings.Contains(out, "Nothing needs a hand") {
		t.Errorf("an empty house: %s", out)
	}
	do("group", "save", "Support", "--address", "support@desk.test", "--owner", "olga@owners.test")
	if out := do("health"); !strings.Contains(out, "no key    Group Support can neither sign as support@desk.test") {
		t.Errorf("without a key: %s", out)
	}
	fingerprint := strings.TrimSpace(k.do("", "generate", "support@desk.test", "--until", time.Now().AddDate(0, 0, 5).Format(time.DateOnly)))
	if out := do("health"); !strings.Contains(out, "5 days") || !strings.Contains(out, "Your own key of support@desk.test expires on") || !strings.Contains(out, fingerprint) {
		t.Errorf("a key that ends: %s", out)
	}
	if out, code := sealgate(t, "", "-c", k.config, "doctor"); code == 0 || !strings.Contains(out, "WRONG certificates   Your own key of support@desk.test") {
		t.Errorf("doctor: exit %d\n%s", code, out)
	}
	out, code := sealgate(t, "", "-c", k.config, "health", "--warn")
	if code == 0 || !strings.Contains(out, "1 warnings could not be queued") {
		t.Errorf("without a mailbox: exit %d\n%s", code, out)
	}
	k.do("", "extend", fingerprint, "--until", "never")
	if out := do("health"); !strings.Contains(out, "Nothing needs a hand") {
		t.Errorf("extended: %s", out)
	}
	do("group", "save", "Support", "--owner=")
	if out, code := sealgate(t, "", "-c", k.config, "health", "--warn"); code != 0 || !strings.Contains(out, "Warnings queued: 0") {
		t.Errorf("without owners: exit %d\n%s", code, out)
	}
}

// TestOwnersGetTheirWarning: the server finds by itself, when it starts, what owners have to hear of; real mail servers carry
// one letter, and a server that starts anew sends no second.
func TestOwnersGetTheirWarning(t *testing.T) {
	s := newSite(t, func(g *groups.Group) { g.Owners = []string{customer} })
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	own, err := s.parts.gateway.Keyring.ByAddress(t.Context(), []string{support}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.parts.gateway.ExtendKey(t.Context(), cli, own[support][0].Fingerprint, time.Now().AddDate(0, 0, 5)); err != nil {
		t.Fatal(err)
	}
	s.wait("the change to count", func() bool {
		f, err := s.parts.gateway.Forecast(t.Context(), cli)
		return err == nil && len(f.Ending) == 1
	})
	for range 2 {
		s.stop()
		s.start()
		message := s.waitForMail("customer", 1)
		entity, status := s.gpg.Read(t, message[0])
		if len(message) != 1 || !strings.Contains(string(entity), "Your own key of "+support+" expires") || !strings.Contains(status, "GOODSIG") {
			t.Errorf("%d messages, of which the first says\n%s\n%s", len(message), entity, status)
		}
	}
	s.wait("the relay in the log", func() bool { return s.logged("message.relayed") == 1 })
	if n := s.logged("message.submitted"); n != 1 {
		t.Errorf("%d warnings in the log, want 1", n)
	}
}
