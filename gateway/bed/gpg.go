package bed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// GPG is a GnuPG home folder of its own. It is not safe for concurrent use.
type GPG struct{ Home string }

// NewGPG makes one; its agent is stopped when the test ends. It calls Need.
func NewGPG(t testing.TB) *GPG {
	t.Helper()
	Need(t, "gpg", "gpgconf")
	g := &GPG{Home: filepath.Join(Dir(t), "gpg")}
	if err := os.Mkdir(g.Home, 0o700); err != nil {
		t.Fatalf("make gpg home: %v", err)
	}
	t.Cleanup(func() {
		stop := exec.Command("gpgconf", "--kill", "all")
		stop.Env = g.environment()
		if out, err := stop.CombinedOutput(); err != nil {
			t.Logf("stop gpg agent: %v\n%s", err, out)
		}
	})
	return g
}

// environment is that of every call: our folder only, words in English, times in UTC.
func (g *GPG) environment() []string {
	return append(os.Environ(), "GNUPGHOME="+g.Home, "LC_ALL=C", "TZ=UTC")
}

// Run runs gpg --batch with stdin and returns stdout and the --status-fd lines; a non-zero exit fails the test.
func (g *GPG) Run(t testing.TB, stdin []byte, args ...string) (stdout []byte, status string) {
	t.Helper()
	stdout, status, err := g.Try(t, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return stdout, status
}

// Try is Run for what may fail: a non-zero exit is an error that holds gpg's words, together with what gpg wrote. The
// empty passphrase is the default; a later --passphrase in args wins.
func (g *GPG) Try(t testing.TB, stdin []byte, args ...string) (stdout []byte, status string, err error) {
	t.Helper()
	lines, err := os.CreateTemp(g.Home, "status")
	if err != nil {
		t.Fatalf("make gpg status file: %v", err)
	}
	defer os.Remove(lines.Name())
	defer lines.Close()
	cmd := exec.Command("gpg", append([]string{
		"--batch", "--yes", "--no-tty", "--no-auto-key-locate", "--trust-model", "always",
		"--pinentry-mode", "loopback", "--passphrase", "", "--status-fd", "3",
	}, args...)...)
	var out, words bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = g.environment(), bytes.NewReader(stdin), &out, &words
	cmd.ExtraFiles = []*os.File{lines}
	if failed := cmd.Run(); failed != nil {
		err = fmt.Errorf("gpg %s: %w\n%s", strings.Join(args, " "), failed, words.Bytes())
	}
	told, read := os.ReadFile(lines.Name())
	return out.Bytes(), string(told), errors.Join(err, read)
}

// Generate makes a key without passphrase for a user ID ("Name <address>") and returns its fingerprint. algo is that of
// the primary key, which certifies and signs, and after a plus sign that of the encryption subkey, each as for gpg
// --quick-gen-key: "rsa2048+rsa2048". Without a plus sign the certificate only signs. "" means "ed25519+cv25519".
func (g *GPG) Generate(t testing.TB, userID, algo string) string {
	t.Helper()
	return g.generate(t, userID, algo, "never")
}

// GenerateAt is Generate with a creation time, of which whole seconds count, and a time to live in gpg's words ("2y",
// "30d", "never").
func (g *GPG) GenerateAt(t testing.TB, userID, algo string, created time.Time, life string) string {
	t.Helper()
	return g.generate(t, userID, algo, life, At(created)...)
}

// At are the options that make gpg believe that it is the given second.
func At(at time.Time) []string {
	return []string{"--faked-system-time", at.UTC().Format("20060102T150405") + "!"}
}

func (g *GPG) generate(t testing.TB, userID, algo, life string, options ...string) string {
	t.Helper()
	if algo == "" {
		algo = "ed25519+cv25519"
	}
	primary, subkey, encrypts := strings.Cut(algo, "+")
	run := func(args ...string) string {
		_, status := g.Run(t, nil, append(options[:len(options):len(options)], args...)...)
		for line := range strings.Lines(status) {
			if f := strings.Fields(line); len(f) >= 4 && f[1] == "KEY_CREATED" {
				return f[3]
			}
		}
		t.Fatalf("gpg made no key for %s:\n%s", userID, status)
		return ""
	}
	fingerprint := run("--quick-gen-key", userID, primary, "sign", life)
	if encrypts {
		run("--quick-add-key", fingerprint, subkey, "encr", life)
	}
	return fingerprint
}

// Export returns armored certificates; id is a fingerprint, an address or a user ID.
func (g *GPG) Export(t testing.TB, id string) []byte {
	t.Helper()
	return g.export(t, "--export", id)
}

// ExportSecret returns the armored secret key.
func (g *GPG) ExportSecret(t testing.TB, id string) []byte {
	t.Helper()
	return g.export(t, "--export-secret-keys", id)
}

func (g *GPG) export(t testing.TB, what, id string) []byte {
	t.Helper()
	key, _ := g.Run(t, nil, "--armor", what, id)
	if len(key) == 0 { // gpg's exit code is zero when it found nothing
		t.Fatalf("gpg %s %s: there is no such key", what, id)
	}
	return key
}

// Import imports keys and trusts them ultimately.
func (g *GPG) Import(t testing.TB, keys []byte) {
	t.Helper()
	_, status := g.Run(t, keys, "--import")
	var trust strings.Builder
	for line := range strings.Lines(status) {
		if f := strings.Fields(line); len(f) >= 4 && f[1] == "IMPORT_OK" {
			fmt.Fprintf(&trust, "%s:6:\n", f[3])
		}
	}
	if trust.Len() == 0 {
		t.Fatalf("gpg imported nothing:\n%s", status)
	}
	g.Run(t, []byte(trust.String()), "--trust-model", "pgp", "--import-ownertrust")
}
