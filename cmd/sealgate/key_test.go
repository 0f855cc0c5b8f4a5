package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
)

// keyDesk is a command line over an empty keyring.
type keyDesk struct {
	t      *testing.T
	config string
}

func newKeyDesk(t *testing.T, url string) *keyDesk {
	t.Helper()
	return &keyDesk{t, writeConfig(t, "domain: sealgate.test\ndatabase: "+url+"\n")}
}

// do runs a key command that has to succeed.
func (k *keyDesk) do(stdin string, args ...string) string {
	k.t.Helper()
	return must(k.t, stdin, append([]string{"-c", k.config, "key"}, args...)...)
}

// fails runs a key command that has to fail with these words.
func (k *keyDesk) fails(stdin string, args []string, words ...string) {
	k.t.Helper()
	output, code := sealgate(k.t, stdin, append([]string{"-c", k.config, "key"}, args...)...)
	for _, w := range words {
		if code == 0 || !strings.Contains(output, w) {
			k.t.Errorf("key %s: exit %d, does not say %q:\n%s", strings.Join(args, " "), code, w, output)
		}
	}
}

// says runs a key command and looks for words in its result.
func (k *keyDesk) says(words string, args ...string) {
	k.t.Helper()
	if output := k.do("", args...); !strings.Contains(output, words) {
		k.t.Errorf("key %s does not say %q:\n%s", strings.Join(args, " "), words, output)
	}
}

// imported imports a fresh certificate for an address and returns its fingerprint.
func (k *keyDesk) imported(address string) string {
	k.t.Helper()
	fields := strings.Fields(k.do(string(armoredCertificate(k.t, address)), "import", "-"))
	for _, f := range fields {
		if len(f) == 40 {
			return f
		}
	}
	k.t.Fatalf("no fingerprint in %q", fields)
	return ""
}

// TestKeyCommands runs every command of the keyring, as an administrator without a browser would, on both engines.
func TestKeyCommands(t *testing.T) {
	for engine, url := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "sqlite:data/sealgate.db" },
		"postgres": func(t *testing.T) string { return dbtest.Postgres(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			k := newKeyDesk(t, url(t))
			k.decide()
			k.rules()
			k.files()
		})
	}
}

// decide: a second certificate for an address waits until a person decides.
func (k *keyDesk) decide() {
	first := k.imported("ada@example.test")
	second := k.do(string(armoredCertificate(k.t, "ada@example.test")), "import", "-")
	if !strings.Contains(second, "added, waits") || !strings.Contains(second, "in use for ada@example.test: "+first) || !strings.Contains(second, "sealgate key approve") {
		k.t.Errorf("the second import says %s", second)
	}
	waiting := strings.Fields(k.do("", "waiting"))[0]
	k.says("in use for  ada@example.test: "+first, "waiting")
	k.says("1 of 1", "list", "--state", "proposed")
	k.says("encrypt to   no. Nobody has approved it yet", "show", waiting)
	k.do("", "approve", waiting)
	k.says("0 of 0 wait", "waiting")
	k.says("encrypt to   yes", "show", waiting)
	k.do("", "propose", waiting)
	k.says("1 of 1 wait", "waiting")
	k.do("", "block", waiting)
	k.says("state        blocked", "show", waiting[len(waiting)-16:])
	k.fails("", []string{"show", "ada@example.test"}, "2 certificates", first, waiting)
	k.fails("", []string{"show", "nobody@example.test"}, "see: sealgate key list")
	k.fails("", []string{"block", strings.Repeat("A", 40)}, "see: sealgate key list")
}

// rules: pins, domain rules and tags are made, listed and removed.
func (k *keyDesk) rules() {
	court := k.imported("post@court.test")
	k.do("", "pin", court, "court.test")
	k.do("", "pin", "post@court.test", "judge@court.test")
	k.do("", "tags", "court.test")
	k.says("court.test        use "+court, "rules")
	k.says("judge@court.test  use "+court, "rules")
	k.says("ignore +tags", "rules")
	k.says("used for     judge@court.test", "show", court)
	k.do("", "unpin", "judge@court.test")
	k.do("", "tags", "court.test", "--count")
	if rules := k.do("", "rules"); strings.Contains(rules, "judge@") || strings.Contains(rules, "tags") {
		k.t.Errorf("after removal: %s", rules)
	}
	k.fails("", []string{"unpin", "judge@court.test"}, "there is no rule for judge@court.test", "sealgate key rules")
	k.fails("", []string{"pin", court, "no domain"}, "write it like example.org")
}

// files: a dump is imported, and certificates leave and go.
func (k *keyDesk) files() {
	dump := filepath.Join(k.t.TempDir(), "dump.asc")
	bob := armoredCertificate(k.t, "bob@example.test")
	content := bytes.Join([][]byte{bob, armoredCertificate(k.t, "carol@example.test"), bob}, []byte("\n"))
	if err := os.WriteFile(dump, content, 0o600); err != nil {
		k.t.Fatal(err)
	}
	k.says("2 added, 0 updated, 1 unchanged, 0 refused", "dump", dump)
	fingerprint := strings.Fields(k.do("", "list", "bob@example.test"))[6]
	k.says("import", "list", "bob@example.test")
	k.says("BEGIN PGP PUBLIC KEY BLOCK", "export", fingerprint)
	if binary := k.do("", "export", fingerprint, "--binary"); len(binary) == 0 || binary[0]&0x80 == 0 {
		k.t.Error("the binary export is not binary")
	}
	k.do("", "delete", fingerprint, "--yes")
	k.fails("", []string{"show", fingerprint}, "see: sealgate key list")
}

// TestImportSpeaksOfCommands: what an import refuses is said in words of the command line; a page's fields and buttons
// are not there.
func TestImportSpeaksOfCommands(t *testing.T) {
	k := newKeyDesk(t, "sqlite:data/sealgate.db")
	good := string(armoredCertificate(t, "ada@example.test"))
	locked := k.locked("locked@example.test", "a long passphrase")
	for name, c := range map[string]struct {
		input, want string
		args        []string
	}{
		"nothing":          {"", "name a file that holds a certificate", nil},
		"noise":            {"noise", "name a file with the whole block", nil},
		"pasted binary":    {"\ufffd\ufffd\ufffd\ufffd\ufffd", "name the binary file itself", nil},
		"truncated":        {good[:len(good)/2], "refused", nil},
		"no passphrase":    {locked, "--passphrase-file FILE", nil},
		"wrong passphrase": {locked, "check the first line of --passphrase-file", []string{"--passphrase-file", secretFile(t, "another")}},
	} {
		output, code := sealgate(t, c.input, append([]string{"-c", k.config, "key", "import", "-"}, c.args...)...)
		if code != 1 || !strings.Contains(output, c.want) {
			t.Errorf("%s: exit %d, want %q:\n%s", name, code, c.want, output)
		}
		for _, word := range []string{"upload", "paste the", "paste a", "choose its file", "enter it", "import the file again"} {
			if strings.Contains(output, word) {
				t.Errorf("%s speaks of a page: %s", name, output)
			}
		}
	}
}

// locked is a secret key under a passphrase.
func (k *keyDesk) locked(address, passphrase string) string {
	k.t.Helper()
	other := newKeyDesk(k.t, "sqlite:data/sealgate.db")
	must(k.t, "", "-c", other.config, "group", "save", "Other", "--address", address)
	fingerprint := strings.TrimSpace(other.do("", "generate", address))
	return other.do("", "export", fingerprint, "--secret", "--passphrase-file", secretFile(k.t, passphrase))
}
