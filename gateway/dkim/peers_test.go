package dkim_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
)

// program finds one that may stand where only administrators look.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, candidate := range []string{name, filepath.Join("/usr/sbin", name)} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Fatalf("no %s", name)
	return ""
}

// python is the interpreter that dkimpy is installed for: the one that its own program names.
func python(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile(program(t, "dkimverify"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(script), "\n")
	return strings.TrimSpace(strings.TrimPrefix(first, "#!"))
}

// run gives a message to a program and returns what it prints.
func run(t *testing.T, text, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var words bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(text), &words
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, words.String())
	}
	return string(out)
}

// keyFile writes an RSA key as PEM.
func keyFile(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDkimpyReadsOurs: another implementation accepts both kinds of our signatures, and refuses a changed message.
func TestDkimpyReadsOurs(t *testing.T) {
	bed.Need(t, "dkimverify")
	one, two := rsaKey(t, 2048), edKey(t)
	fields, err := dkim.Sign([]byte(message), dkim.Key{Domain: "desk.test", Selector: "r", Signer: one}, dkim.Key{Domain: "desk.test", Selector: "e", Signer: two})
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"testdata/dkimpy.py", "r._domainkey.desk.test=" + record(t, one, ""), "e._domainkey.desk.test=" + record(t, two, "")}
	if got := run(t, fields+message, python(t), args...); got != "True True\n" {
		t.Errorf("dkimpy says %q", got)
	}
	if got := run(t, "Subject: else\r\n"+fields+message, python(t), args...); got != "False False\n" {
		t.Errorf("of a message with another Subject dkimpy says %q", got)
	}
}

// TestWeReadDkimpys: signatures of dkimpy pass here, and fail on a changed message.
func TestWeReadDkimpys(t *testing.T) {
	bed.Need(t, "dkimsign")
	key := rsaKey(t, 2048)
	d := dnstest.Start(t, zone("s._domainkey.desk.test", record(t, key, "")))
	for _, ways := range []string{"relaxed", "simple"} {
		text := run(t, message, program(t, "dkimsign"), "--hcanon", ways, "--bcanon", ways, "s", "desk.test", keyFile(t, key))
		if got := verify(t, text, d); got != "[dkim=pass header.d=desk.test header.s=s]" {
			t.Errorf("%s: %s", ways, got)
		}
		if got := verify(t, strings.Replace(text, "answer", "question", 1), d); !strings.HasPrefix(got, "[dkim=fail") {
			t.Errorf("%s, changed: %s", ways, got)
		}
	}
}

// TestNamesBelow: a signature for a name below the domain passes, unless the key says that it is for the domain alone.
func TestNamesBelow(t *testing.T) {
	bed.Need(t, "dkimsign")
	key := rsaKey(t, 2048)
	text := run(t, message, program(t, "dkimsign"), "--identity", "@below.desk.test", "s", "desk.test", keyFile(t, key))
	for flag, want := range map[string]string{"": "[dkim=pass header.d", "t=s; ": `[dkim=permerror reason="the key is not for names below`} {
		d := dnstest.Start(t, zone("s._domainkey.desk.test", record(t, key, flag)))
		if got := verify(t, text, d); !strings.HasPrefix(got, want) {
			t.Errorf("with %q: %s", flag, got)
		}
	}
}

// TestOpendkimsSHA1IsRefused: the test program of OpenDKIM signs with SHA-1, which counts for nothing (RFC 8301, section 3.1).
func TestOpendkimsSHA1IsRefused(t *testing.T) {
	bed.Need(t, "opendkim-testmsg")
	key := rsaKey(t, 2048)
	d := dnstest.Start(t, zone("s._domainkey.desk.test", record(t, key, "")))
	text := run(t, message, program(t, "opendkim-testmsg"), "-C", "-d", "desk.test", "-s", "s", "-k", keyFile(t, key))
	if got := verify(t, text, d); got != `[dkim=permerror reason="hash algorithm too weak: sha1" header.d=desk.test header.s=s]` {
		t.Errorf("got %s of\n%s", got, text)
	}
}
