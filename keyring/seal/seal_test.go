package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"
)

var sealedAt = time.UnixMilli(1_760_000_000_123)

func testContext() EncryptionContext {
	return EncryptionContext{Service: "instance", Type: "article", ID: "42", Version: 1, Time: sealedAt}
}

func newTestKey(t testing.TB) Key {
	t.Helper()
	k, err := NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sealBytes(t testing.TB, key Key, ec EncryptionContext, plaintext []byte) []byte {
	t.Helper()
	var sealed bytes.Buffer
	w, err := NewWriter(&sealed, key, ec, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, iotest.OneByteReader(bytes.NewReader(plaintext[:min(len(plaintext), 100)]))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plaintext[min(len(plaintext), 100):]); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return sealed.Bytes()
}

// openBytes returns what was released, even on failure.
func openBytes(key Key, ec EncryptionContext, sealed []byte) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(sealed), key, ec)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestSealedStreamOpens(t *testing.T) {
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 3*chunkSize + 5} {
		plaintext := make([]byte, size)
		rand.Read(plaintext)
		key := newTestKey(t)
		sealed := sealBytes(t, key, testContext(), plaintext)
		opened, err := openBytes(key, testContext(), sealed)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Errorf("%d bytes: %v, equal %t", size, err, bytes.Equal(opened, plaintext))
		}
	}
}

// chunksOf cuts a sealed stream into its header and its sealed chunks.
func chunksOf(sealed []byte) (header []byte, chunks [][]byte) {
	header, rest := sealed[:headerSize], sealed[headerSize:]
	for len(rest) > chunkSize+16 {
		chunks, rest = append(chunks, rest[:chunkSize+16]), rest[chunkSize+16:]
	}
	return header, append(chunks, rest)
}

// TestAlteredStreamsDoNotOpen: whatever is done to the chunks, what is released is a true prefix at most, and the end
// is an error.
func TestAlteredStreamsDoNotOpen(t *testing.T) {
	plaintext := make([]byte, 3*chunkSize+100)
	rand.Read(plaintext)
	key := newTestKey(t)
	sealed := sealBytes(t, key, testContext(), plaintext)
	header, c := chunksOf(sealed)
	join := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{header}, parts...), nil) }
	for name, altered := range map[string][]byte{
		"header only":       header,
		"last chunk gone":   join(c[0], c[1], c[2]),
		"middle chunk gone": join(c[0], c[2], c[3]),
		"reordered":         join(c[1], c[0], c[2], c[3]),
		"duplicated":        join(c[0], c[0], c[1], c[2], c[3]),
		"last duplicated":   join(c[0], c[1], c[2], c[3], c[3]),
		"extended":          append(bytes.Clone(sealed), 0),
		"cut by one byte":   sealed[:len(sealed)-1],
		"cut in a chunk":    sealed[:headerSize+chunkSize/2],
		"last made middle":  join(c[0], c[1], c[3]),
	} {
		opened, err := openBytes(key, testContext(), altered)
		if !errors.Is(err, ErrTampered) {
			t.Errorf("%s: error %v, want tampered", name, err)
		}
		if !bytes.HasPrefix(plaintext, opened) {
			t.Errorf("%s: bytes were released that were never sealed", name)
		}
	}
}

func TestEveryHeaderByteCounts(t *testing.T) {
	key := newTestKey(t)
	sealed := sealBytes(t, key, testContext(), []byte("words"))
	for i := range headerSize {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		if opened, err := openBytes(key, testContext(), altered); err == nil || len(opened) > 0 {
			t.Errorf("byte %d of the header does not count: %q", i, opened)
		}
	}
}

// TestContextIsTheCallers: each wrong field of the context refuses to open, whatever the stream says.
func TestContextIsTheCallers(t *testing.T) {
	key := newTestKey(t)
	sealed := sealBytes(t, key, testContext(), []byte("words"))
	for name, edit := range map[string]func(*EncryptionContext){
		"service": func(c *EncryptionContext) { c.Service = "other" },
		"type":    func(c *EncryptionContext) { c.Type = "queue" },
		"id":      func(c *EncryptionContext) { c.ID = "43" },
		"version": func(c *EncryptionContext) { c.Version = 2 },
		"time":    func(c *EncryptionContext) { c.Time = c.Time.Add(time.Millisecond) },
		"shifted": func(c *EncryptionContext) { c.Type, c.ID = "article4", "2" },
	} {
		ec := testContext()
		edit(&ec)
		if _, err := openBytes(key, ec, sealed); !errors.Is(err, ErrContext) {
			t.Errorf("%s: %v, want context", name, err)
		}
	}
	if _, err := openBytes(newTestKey(t), testContext(), sealed); !errors.Is(err, ErrTampered) {
		t.Errorf("another key: %v, want tampered", err)
	}
	if _, err := openBytes(key, testContext(), append([]byte("SLG2"), sealed[4:]...)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("another format: %v, want unsupported", err)
	}
}

func TestWrappedKeyIsBound(t *testing.T) {
	kek, dek := newTestKey(t), newTestKey(t)
	wrapped, err := kek.Wrap(dek, testContext(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	back, err := kek.Unwrap(wrapped, testContext())
	if err != nil || *back.b != *dek.b {
		t.Fatalf("unwrap: %v", err)
	}
	other := testContext()
	other.ID = "43"
	flipped := bytes.Clone(wrapped)
	flipped[20] ^= 1
	for name, unwrap := range map[string]func() (Key, error){
		"context":  func() (Key, error) { return kek.Unwrap(wrapped, other) },
		"kek":      func() (Key, error) { return newTestKey(t).Unwrap(wrapped, testContext()) },
		"flipped":  func() (Key, error) { return kek.Unwrap(flipped, testContext()) },
		"cut":      func() (Key, error) { return kek.Unwrap(wrapped[:30], testContext()) },
		"empty":    func() (Key, error) { return kek.Unwrap(nil, testContext()) },
		"extended": func() (Key, error) { return kek.Unwrap(append(bytes.Clone(wrapped), 0), testContext()) },
	} {
		if _, err := unwrap(); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v, want tampered", name, err)
		}
	}
	dek.Wipe()
	dek.Wipe()
	if *dek.b != [keySize]byte{} {
		t.Error("the key is not wiped")
	}
}

// vector is made by fixed keys and a fixed salt, so that the format cannot change without notice.
func vector(t *testing.T) (Key, []byte) {
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

func FuzzReader(f *testing.F) {
	key, err := KeyFromBytes(bytes.Repeat([]byte{7}, keySize))
	if err != nil {
		f.Fatal(err)
	}
	sealed := sealBytes(f, key, testContext(), []byte("words"))
	f.Add(sealed)
	f.Add(sealed[:headerSize])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		opened, err := openBytes(key, testContext(), b)
		if err == nil && !bytes.Equal(b, sealed) && len(opened) > 0 {
			t.Fatalf("opened something that was never sealed: %q", opened)
		}
	})
}

func TestSpoolHoldsNoPlaintext(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "spool")
	spool, err := NewSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	f, err := spool.Create()
	if err != nil {
		t.Fatal(err)
	}
	plaintext := bytes.Repeat([]byte("canary-spool "), 20_000)
	if _, err := f.Write(plaintext); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := f.Reader()
		if err != nil {
			t.Fatal(err)
		}
		if read, err := io.ReadAll(r); err != nil || !bytes.Equal(read, plaintext) || f.Size() != int64(len(plaintext)) {
			t.Fatalf("read back: %v, size %d", err, f.Size())
		}
	}
	raw := make([]byte, len(plaintext))
	if n, _ := f.file.ReadAt(raw, 0); bytes.Contains(raw[:n], []byte("canary")) {
		t.Error("the file holds plaintext")
	}
	if left, _ := os.ReadDir(folder); len(left) != 0 {
		t.Errorf("the folder shows %v", left)
	}
	if err := errors.Join(f.Remove(), f.Remove()); err != nil {
		t.Error(err)
	}
}

func TestSpoolSweepsLeftovers(t *testing.T) {
	folder := t.TempDir()
	left := filepath.Join(folder, "spool-123")
	mine := filepath.Join(folder, "unrelated")
	for _, path := range []string{left, mine} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := NewSpool(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Error("the leftover is still there")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error("another file was swept")
	}
}

func BenchmarkSeal64MiB(b *testing.B) {
	plaintext := make([]byte, 64<<20)
	key := newTestKey(b)
	b.SetBytes(int64(len(plaintext)))
	for b.Loop() {
		w, _ := NewWriter(io.Discard, key, testContext(), rand.Reader)
		w.Write(plaintext)
		w.Close()
	}
}

func BenchmarkOpen4KiB(b *testing.B) {
	key := newTestKey(b)
	sealed := sealBytes(b, key, testContext(), make([]byte, 4<<10))
	b.SetBytes(4 << 10)
	for b.Loop() {
		if _, err := openBytes(key, testContext(), sealed); err != nil {
			b.Fatal(err)
		}
	}
}
