package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheNextHopByCommandLine: what leaves which way, an OAuth access that is granted elsewhere, and what the doctor says. The
// secrets come from files and standard input, and nowhere out again.
func TestTheNextHopByCommandLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sealgate.db")
	config := writeConfig(t, "domain: sealgate.test\ndatabase: sqlite:"+file+"\ndns: {servers: [\"127.0.0.1:1\"]}\n")
	do := func(stdin string, args ...string) string {
		t.Helper()
		return must(t, stdin, append([]string{"-c", config}, args...)...)
	}
	fails := func(words string, args ...string) {
		t.Helper()
		if out, code := sealgate(t, "", append([]string{"-c", config}, args...)...); code != 1 || !strings.Contains(out, words) {
			t.Errorf("%v: exit %d, want %q\n%s", args, code, words, out)
		}
	}
	do("", "group", "save", "Support", "--address", "support@desk.test")
	do("", "mailbox", "save", "support", "--group", "Support", "--password-file", secretFile(t, gatewayPassword), "--smtp", "127.0.0.1:1", "--smtp-tls", "starttls")
	fails("does not log in with OAuth", "mailbox", "access", "show", "support")
	fails("needs the user name too", "mailbox", "save", "support", "--login-with", "oauth")
	do("", "mailbox", "save", "support", "--smtp-username", "support@desk.test", "--login-with", "oauth", "--oauth-grant", "device-code", "--oauth-client-id", "gate",
		"--oauth-token-url", "https://127.0.0.1:1/token", "--oauth-device-url", "https://127.0.0.1:1/device", "--oauth-secret-file", secretFile(t, "canary-client"), "--oauth-scope", "smtp")
	if out := do("", "mailbox", "list"); !strings.Contains(out, "oauth") {
		t.Errorf("list: %s", out)
	}
	fails("the OAuth token server cannot be reached", "mailbox", "access", "grant", "support")
	do("canary-refresh\n", "mailbox", "access", "token", "support", "-")
	if out := do("", "mailbox", "access", "show", "support"); !strings.Contains(out, "No token was asked for yet") || strings.Contains(out, "canary") {
		t.Errorf("show: %s", out)
	}
	if out := do("", "mailbox", "access", "show", "support", "--json"); !strings.Contains(out, `"unused"`) || strings.Contains(out, "canary") {
		t.Errorf("show --json: %s", out)
	}
	fails("needs at least one pin", "mailbox", "save", "support", "--route", "mx", "--policy", "pinned")
	do("", "mailbox", "save", "support", "--route", "mx", "--policy", "dane", "--login-with", "password")
	fails("WRONG mailbox        support: the policy dane needs a name server that validates DNSSEC; set dns.validating", "doctor")

	for _, name := range []string{file, file + "-wal"} {
		if content, err := os.ReadFile(name); err != nil && !os.IsNotExist(err) || bytes.Contains(content, []byte("canary")) {
			t.Errorf("%s holds a secret, or: %v", name, err)
		}
	}
	do("", "mailbox", "save", "support", "--policy", "auto")
	if out, _ := sealgate(t, "", "-c", config, "doctor"); !strings.Contains(out, "support: DANE is never looked at") {
		t.Errorf("doctor, policy auto: %s", out)
	}
}
