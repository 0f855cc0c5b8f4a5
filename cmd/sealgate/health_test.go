package main

import (
	"strings"
	"testing"
	"time"
)

// TestHealthCommand: the forecast, the warning that it sends once, and what doctor says of a key that ends.
func TestHealthCommand(t *testing.T) {
	k := newKeyDesk(t, "sqlite:data/sealgate.db")
	do := func(args ...string) string { return must(t, "", append([]string{"-c", k.config}, args...)...) }
	if out := do("health"); !strings.Contains(out, "Nothing needs a hand") {
		t.Errorf("an empty house: %s", out)
	}
	do("group", "save", "Support", "--address", "support@desk.test", "--owner", "olga@owners.test")
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
