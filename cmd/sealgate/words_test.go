package main

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// complains runs a command that has to fail, and looks for words in what it says.
func complains(t *testing.T, args []string, words ...string) {
	t.Helper()
	output, code := sealgate(t, "", args...)
	for _, w := range words {
		if code == 0 || !strings.Contains(output, w) {
			t.Errorf("%s: exit %d, does not say %q:\n%s", strings.Join(args, " "), code, w, output)
		}
	}
}

// TestFilesAreNamedByTheirOption: what cannot be read is named with the option that named it.
func TestFilesAreNamedByTheirOption(t *testing.T) {
	config := writeConfig(t, "domain: sealgate.test\n")
	missing, empty := filepath.Join(t.TempDir(), "missing"), secretFile(t, "")
	complains(t, []string{"-c", config, "key", "import", missing}, missing+": the file cannot be read: no such file")
	complains(t, []string{"-c", config, "user", "save", "ada", "--password-file", missing}, "--password-file "+missing+": the file cannot be read")
	complains(t, []string{"-c", config, "user", "save", "ada", "--password-file=" + empty}, "--password-file "+empty, "its first line is empty")
	locked := writeConfig(t, "domain: sealgate.test\nkms:\n  passphrase_file: "+missing+"\n")
	complains(t, []string{"-c", locked, "key", "list"}, "kms.passphrase_file: open "+missing)
}

// TestNothingFoundNamesItsList: who asks for what is not there is told where to look.
func TestNothingFoundNamesItsList(t *testing.T) {
	config := writeConfig(t, "domain: sealgate.test\n")
	for want, args := range map[string][]string{
		"see: sealgate user list":    {"user", "delete", "nobody"},
		"see: sealgate group list":   {"group", "delete", "Nobody"},
		`group "Nobody": there is`:   {"plan", "--group", "Nobody", "--to", customer},
		"see: sealgate mailbox list": {"mailbox", "delete", "nobody"},
		"see: sealgate article list": {"article", "show", "0198"},
		"see: sealgate queue list":   {"queue", "retry", "0198"},
		"name the id of one article": {"article", "reopen"},
	} {
		complains(t, append([]string{"-c", config}, args...), want)
	}
	if out := must(t, "", "-c", config, "article", "reopen", "--waiting"); !strings.Contains(out, "0 tried") {
		t.Errorf("reopen says %s", out)
	}
	if out := must(t, "", "-c", config, "group", "save", "Support", "--address", support); strings.TrimSpace(out) != "Group Support is saved." {
		t.Errorf("group save says %s", out)
	}
}

// TestTakenPortIsOneLine: the setting, the address, and what to do; once.
func TestTakenPortIsOneLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	config := writeConfig(t, "domain: sealgate.test\nlisten:\n  submission: [\""+address+" plain\"]\n  imap: []\n  web: 127.0.0.1:0 plain\n")
	output, code := sealgate(t, "", "-c", config, "serve")
	if want := "sealgate: listen.submission: another program uses " + address; code != 1 || !strings.Contains(output, want) || strings.Count(output, address) != 1 {
		t.Errorf("exit %d, want %q once:\n%s", code, want, output)
	}
}

// TestPassphraseAfterTheKeyFile: a passphrase that is configured after the key file was made protects nothing; doctor and
// serve say so.
func TestPassphraseAfterTheKeyFile(t *testing.T) {
	path := writeConfig(t, "domain: sealgate.test\n")
	must(t, "", "-c", path, "key", "list")
	text := "domain: sealgate.test\nkms:\n  passphrase_file: " + secretFile(t, "a long passphrase") + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	complains(t, []string{"-c", path, "doctor"}, "WRONG key file", "kms.passphrase_file does nothing for it")
	c, err := readConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	var said syncBuffer
	p, err := openParts(t.Context(), c, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	warnOfKeyFile(c, p)
	if !strings.Contains(said.String(), "kms.passphrase_file protects nothing") {
		t.Errorf("the start says %q", said.String())
	}
}
