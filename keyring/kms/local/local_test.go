package local

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode of the file %v, %v", info.Mode(), err)
			}
			if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("mode of the folder %v, %v", info.Mode(), err)
			}
			if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
				t.Errorf("the folder holds %v, %v", files, err)
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
		{"readable by others", readable, "", "chmod 600 " + readable, nil},
		{"folder", folder, "", "no key file", nil},
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

// TestDamagedKeyFilesAreRefused: whatever is missing or out of bounds is said, before any work is spent on it.
func TestDamagedKeyFilesAreRefused(t *testing.T) {
	key, wrapped := strings.Repeat("A", 43)+"=", strings.Repeat("A", 80)
	cost := func(text string) string {
		return `{"sealgate_key_file":1,"id":"x","key":"` + wrapped + `","argon2id":` + text + `}`
	}
	const salt = `"salt":"AAAAAAAAAAAAAAAAAAAAAA=="`
	for name, c := range map[string]struct{ text, words string }{
		"empty":         {``, "not JSON"},
		"cut":           {`{"sealgate_key_file":1,"id":"x"`, "not JSON"},
		"newer":         {`{"sealgate_key_file":2,"id":"x","key":"` + key + `"}`, "format is 2"},
		"no id":         {`{"sealgate_key_file":1,"key":"` + key + `"}`, "not whole"},
		"short key":     {`{"sealgate_key_file":1,"id":"x","key":"AAAA"}`, "not whole"},
		"no salt":       {cost(`{"time":3,"memory_kib":65536,"threads":4}`), "out of bounds"},
		"no time":       {cost(`{` + salt + `,"memory_kib":65536,"threads":4}`), "out of bounds"},
		"years":         {cost(`{` + salt + `,"time":4000000000,"memory_kib":65536,"threads":4}`), "out of bounds"},
		"all memory":    {cost(`{` + salt + `,"time":3,"memory_kib":4000000000,"threads":4}`), "out of bounds"},
		"no threads":    {cost(`{` + salt + `,"time":3,"memory_kib":65536}`), "out of bounds"},
		"a key of zero": {`{"sealgate_key_file":1,"id":"x","key":"` + key + `"}`, "no key"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kek")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path, []byte("correct horse"))
			if err == nil || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), "restore it from its backup") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestFirstStartsAtOnceMakeOneKeyFile: two processes on one folder never end with two keys.
func TestFirstStartsAtOnceMakeOneKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	made := make(chan *Provider, 8)
	var starts sync.WaitGroup
	for range cap(made) {
		starts.Go(func() {
			p, err := Create(path, nil)
			if err != nil && !errors.Is(err, os.ErrExist) {
				t.Error(err)
			}
			if err == nil {
				made <- p
			}
		})
	}
	starts.Wait()
	if len(made) != 1 {
		t.Fatalf("%d key files were made", len(made))
	}
	p, err := Open(path, nil)
	if err != nil || p.KeyRef() != (<-made).KeyRef() {
		t.Errorf("open: %v", err)
	}
}

func TestClosedProviderWrapsNothing(t *testing.T) {
	p, err := Create(filepath.Join(t.TempDir(), "kek"), nil)
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
	if _, err := p.Unwrap(t.Context(), wrapped, "2", testContext()); !errors.Is(err, seal.ErrGone) {
		t.Errorf("another key version: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := p.Wrap(t.Context(), key, testContext()); err == nil {
		t.Error("a closed provider wraps")
	}
	if _, err := p.Unwrap(t.Context(), wrapped, version, testContext()); err == nil {
		t.Error("a closed provider unwraps")
	}
}

// FuzzKeyFile: no text makes parse fail otherwise than by an error, and what it lets through is within bounds.
func FuzzKeyFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "kek")
	if _, err := Create(path, []byte("correct horse")); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"sealgate_key_file":1,"id":"x","key":"AAAA"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := parse(text)
		if err != nil {
			return
		}
		if len(k.Key) != keySize && (k.Argon2 == nil || k.Argon2.MemoryKiB > maxMemoryKiB || k.Argon2.Time > maxTime) {
			t.Fatalf("let through: %+v", k.Argon2)
		}
	})
}
