package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

// vector is made by fixed keys and a fixed salt, so that the format cannot change without notice.
func vector(t testing.TB) (Key, []byte) {
	t.Helper()
	key, err := KeyFromBytes(bytes.Repeat([]byte{7}, keySize))
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	w, err := NewWriter(&sealed, key, testContext(), bytes.NewReader(bytes.Repeat([]byte{9}, saltSize)))
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("What is the answer?"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return key, sealed.Bytes()
}

func TestFormatIsFrozen(t *testing.T) {
	path := filepath.Join("testdata", "v1.sealed")
	key, sealed := vector(t)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, sealed, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored, sealed) {
		t.Error("the format changed; give it a new version instead")
	}
	if opened, err := openBytes(key, testContext(), stored); err != nil || string(opened) != "What is the answer?" {
		t.Errorf("stored vector: %q, %v", opened, err)
	}
}

// TestFormatIsAsWritten decodes the stored vector step by step as docs/sealed-format.md says, with nothing of this
// package but the context's fields.
func TestFormatIsAsWritten(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "v1.sealed"))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(b[:9]); got != "534c4731"+"01"+"01"+"0000"+"10" {
		t.Errorf("magic, version, suite, flags, chunk size: %s", got)
	}
	context := "\x00\x00\x00\x08instance\x00\x00\x00\x07article\x00\x00\x00\x0242\x00\x00\x00\x01"
	contextHash := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(context), 1_760_000_000_123))
	if !bytes.Equal(b[41:73], contextHash[:]) {
		t.Errorf("context hash %x", b[41:73])
	}
	immutable := sha256.Sum256(b[:73])
	prk, _ := hkdf.Extract(sha256.New, bytes.Repeat([]byte{7}, 32), b[9:41])
	commitment, _ := hkdf.Expand(sha256.New, prk, "sealgate1 commit"+string(immutable[:]), 32)
	if !bytes.Equal(b[73:105], commitment) {
		t.Errorf("commitment %x", b[73:105])
	}
	chunkKey, _ := hkdf.Expand(sha256.New, prk, "sealgate1 chunk"+string(immutable[:]), 32)
	block, _ := aes.NewCipher(chunkKey)
	gcm, _ := cipher.NewGCM(block)
	opened, err := gcm.Open(nil, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, b[105:], nil)
	if err != nil || string(opened) != "What is the answer?" {
		t.Errorf("chunk: %q, %v", opened, err)
	}
}

func FuzzReader(f *testing.F) {
	key, sealed := vector(f) // the same in every fuzzing process
	f.Add(sealed)
	f.Add(sealed[:headerSize])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		opened, err := openBytes(key, testContext(), b)
		if (err == nil) != bytes.Equal(b, sealed) || (err != nil && len(opened) > 0) {
			t.Fatalf("opened %q, %v", opened, err)
		}
	})
}
