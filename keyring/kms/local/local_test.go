package local

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/keyring/seal"
)

func testContext() seal.EncryptionContext {
	return seal.EncryptionContext{Type: "lease", ID: "1", Version: 1, Time: time.UnixMilli(0)}
}

// TestKeyFileOpensWhatItWrapped: a key wrapped before a restart unwraps after it, with and without a passphrase.
func TestKeyFileOpensWhatItWrapped(t *testing.T) {
	for name, passphrase := range map[string][]byte{"unprotected": nil, "protected": []byte("correct horse")} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "new", "kek")
			p, err := Create(path, passphrase)
			if err != nil {
				t.Fatal(err)
			}
			key, err := seal.NewKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			wrapped, version, err := p.Wrap(t.Context(), key, testContext())
			if err != nil {
				t.Fatal(err)
			}
			again, err := Open(path, passphrase)
			if err != nil {
				t.Fatal(err)
			}
			back, err := again.Unwrap(t.Context(), wrapped, version, testContext())
			if err != nil || !bytes.Equal(back.Export(), key.Export()) {
				t.Errorf("unwrap: %v", err)
			}
			if again.KeyRef() != p.KeyRef() || again.Protected() != (passphrase != nil) {
				t.Errorf("key ref %q, protected %t", again.KeyRef(), again.Protected())
			}
			if _, err := Create(path, nil); !errors.Is(err, os.ErrExist) {
				t.Errorf("a key file was overwritten: %v", err)
			}
			if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
				t.Errorf("mode %o", info.Mode().Perm())
			}
		})
	}
}

// TestKeyFileProblemsAreSaid: each problem has its sentence with the remedy.
func TestKeyFileProblemsAreSaid(t *testing.T) {
	folder := t.TempDir()
	protected := filepath.Join(folder, "protected")
	if _, err := Create(protected, []byte("correct horse")); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(folder, "garbage")
	if err := os.WriteFile(garbage, []byte("not a key file"), 0o600); err != nil {
		t.Fatal(err)
	}
	readable := filepath.Join(folder, "readable")
	if err := os.WriteFile(readable, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path, passphrase, words string
		is                            error
	}{
		{"missing", filepath.Join(folder, "none"), "", "missing", ErrMissing},
		{"no passphrase", protected, "", "kms.passphrase_file", ErrPassphrase},
		{"wrong passphrase", protected, "wrong horse", "does not open", ErrPassphrase},
		{"garbage", garbage, "", "restore it from its backup", nil},
		{"readable by others", readable, "", "chmod 600", nil},
	} {
		_, err := Open(c.path, []byte(c.passphrase))
		if err == nil || !strings.Contains(err.Error(), c.words) || (c.is != nil && !errors.Is(err, c.is)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestPassphraseGuardsTheKey: the protected file does not hold the key.
func TestPassphraseGuardsTheKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	p, err := Create(path, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte(base64.StdEncoding.EncodeToString(p.key.Export()))
	if bytes.Contains(text, plain) || bytes.Contains(text, []byte("correct horse")) {
		t.Error("the file holds the key or the passphrase in clear")
	}
}
