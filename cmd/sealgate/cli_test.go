package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
)

// secretFile writes a secret where options that end in -file look for it.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCommandLineDoesWhatThePageDoes walks through every use case by command, as an administrator without a browser
// would, on both engines.
func TestCommandLineDoesWhatThePageDoes(t *testing.T) {
	for engine, url := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "sqlite:data/sealgate.db" },
		"postgres": func(t *testing.T) string { return dbtest.Postgres(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			hop := startNextHop(t, newAuditor())
			config := writeConfig(t, "domain: sealgate.test\ndatabase: "+url(t)+"\n")
			do := func(stdin string, args ...string) string {
				return must(t, stdin, append([]string{"-c", config}, args...)...)
			}

			do("", "group", "save", "Support", "--address", support, "--encrypt", "on", "--rule", "court.test:on:required")
			fingerprint := strings.TrimSpace(do("", "key", "generate", support, "--name", "Support"))
			do("", "mailbox", "save", "support", "--group", "Support", "--password-file", secretFile(t, gatewayPassword), "--smtp", hop.address, "--smtp-tls", "none")
			do(adminPassword+"\n", "user", "save", "ada", "--role", "admin", "--password-file", "-")
			do(adminPassword+"\n", "user", "save", "agnes", "--group", "Support", "--password-file", "-")
			certificate := string(customerCertificate(t, customer))

			if out, code := sealgate(t, "", "-c", config, "plan", "--group", "Support", "--to", customer); code != 1 || !strings.Contains(out, "would be refused") || !strings.Contains(out, customer) {
				t.Errorf("plan without a certificate: exit %d\n%s", code, out)
			}
			if out := do(certificate, "key", "import", "-"); !strings.Contains(out, "added") {
				t.Errorf("import: %s", out)
			}
			if out := do("", "plan", "--group", "Support", "--to", customer); !strings.Contains(out, "encrypt: yes, by group default (group)") {
				t.Errorf("plan: %s", out)
			}
			id := strings.TrimSpace(do("The answer is forty-two.", "compose", "--group", "Support", "--to", customer, "--subject", "Re: question"))
			if out := do("", "plan", "--article", id); !strings.Contains(out, "to "+customer+": encrypted to ") {
				t.Errorf("plan of an article: %s", out)
			}
			pasted := "From: " + support + "\r\nTo: a@court.test\r\nSubject: x\r\nSealgate-Policy: sign=off\r\n\r\nHello\r\n"
			if out, code := sealgate(t, pasted, "-c", config, "plan", "--message", "-"); code != 1 || !strings.Contains(out, "by recipient domain (recipient domain)") || !strings.Contains(out, "would be refused") {
				t.Errorf("plan of a message: exit %d\n%s", code, out)
			}
			copied := regexp.MustCompile(`[0-9a-f-]{36}`).FindString(do("", "queue", "list", "--all"))
			if out := do("", "queue", "show", copied); !strings.Contains(out, "decided") || !strings.Contains(out, "through mailbox support") {
				t.Errorf("queue show: %s", out)
			}
			if out, code := sealgate(t, "", "-c", config, "queue", "reroute", copied, "--mailbox", "nowhere"); code != 1 || !strings.Contains(out, "no other mailbox") {
				t.Errorf("queue reroute: exit %d\n%s", code, out)
			}
			for want, args := range map[string][]string{
				"forty-two":          {"article", "show", id},
				"Re: question":       {"article", "list"},
				"Subject:":           {"article", "raw", id},
				customer:             {"queue", "list"},
				"signed+encrypted":   {"queue", "list", "--all"},
				"group.saved":        {"activity", "list"},
				"the chain is whole": {"activity", "verify"},
				`"act":"key.`:        {"activity", "export"},
				"Support":            {"group", "list"},
				hop.address:          {"mailbox", "list"},
				"agnes":              {"user", "list"},
				"sg_":                {"user", "token", "agnes"},
				"sign with    yes":   {"key", "show", fingerprint},
				"BEGIN PGP PUBLIC":   {"key", "export", fingerprint},
				"BEGIN PGP PRIVATE":  {"key", "export", fingerprint, "--secret", "--passphrase-file", secretFile(t, "a long passphrase")},
				"1 of 1":             {"key", "list", "--secret"},
				"answer and accept":  {"mailbox", "check", "support"},
				"low assurance":      {"doctor"},
				"configuration file": {"--help"},
				"Hidden copy":        {"compose", "--help"},
			} {
				if out := do("", args...); !strings.Contains(strings.ToLower(out), strings.ToLower(want)) {
					t.Errorf("%s does not say %q:\n%s", strings.Join(args, " "), want, out)
				}
			}
			queued := strings.Fields(strings.Split(do("", "queue", "list"), "\n")[1])[0]
			do("", "queue", "hold", queued)
			do("", "queue", "retry", queued)
			do("", "queue", "delete", queued, "--reason", "a test")
			do("", "key", "block", fingerprint)
			do("", "key", "approve", fingerprint)
			if out, code := sealgate(t, "", "-c", config, "key", "delete", fingerprint); code != 1 || !strings.Contains(out, "Support") || !strings.Contains(out, "--yes") {
				t.Errorf("delete what a group needs: exit %d\n%s", code, out)
			}
			do("", "key", "delete", fingerprint, "--yes")
			do("", "user", "delete", "agnes")
			if out, code := sealgate(t, "", "-c", config, "user", "delete", "ada"); code != 1 || !strings.Contains(out, "admin") {
				t.Errorf("delete the last admin: exit %d\n%s", code, out)
			}
			if _, code := sealgate(t, "", "-c", config, "group", "delete", "Support"); code != 1 {
				t.Error("a group that a mailbox uses was deleted")
			}
			do("", "mailbox", "delete", "support")
			do("", "group", "delete", "Support")
			do("", "activity", "verify")
		})
	}
}

// TestUsageErrors: wrong usage is exit 2 with the way to help, and nothing is done.
func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"srve"}, {"key", "import"}, {"group", "save", "x", "--sign", "maybe"}, {"--nonsense"}} {
		if out, code := sealgate(t, "", args...); code != 2 || !strings.Contains(out, "--help") {
			t.Errorf("%v: exit %d\n%s", args, code, out)
		}
	}
	if out, _ := sealgate(t, "", "group", "save", "x", "--sign", "maybe"); strings.Contains(out, `""`) {
		t.Errorf("an empty choice is offered: %s", out)
	}
	if out, code := sealgate(t, "", "--version"); code != 0 || !strings.Contains(out, version) {
		t.Errorf("--version: exit %d, %s", code, out)
	}
}

// TestMissingKeyFileIsNeverReplaced: a database with sealed data and no key file refuses to start, and makes no new one.
func TestMissingKeyFileIsNeverReplaced(t *testing.T) {
	config := writeConfig(t, "domain: sealgate.test\n")
	must(t, "", "-c", config, "group", "save", "Support", "--address", support)
	must(t, "", "-c", config, "key", "generate", support)
	kek := filepath.Join(filepath.Dir(config), "data", "kek")
	if err := os.Rename(kek, kek+".away"); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"serve", "doctor"} {
		if out, code := sealgate(t, "", "-c", config, command); code != 1 || !strings.Contains(out, "restore the key file from its backup") {
			t.Errorf("%s without the key file: exit %d\n%s", command, code, out)
		}
	}
	if _, err := os.Stat(kek); err == nil {
		t.Fatal("a new key file was made")
	}
	if err := os.Rename(kek+".away", kek); err != nil {
		t.Fatal(err)
	}
	must(t, "", "-c", config, "key", "list")
}
