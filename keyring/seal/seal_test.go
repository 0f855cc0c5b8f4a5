package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
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
}

// TestFailingSourceIsNotTampering: an error of the source comes through as it is, so that the caller may try again.
func TestFailingSourceIsNotTampering(t *testing.T) {
	key := newTestKey(t)
	sealed := sealBytes(t, key, testContext(), make([]byte, 2*chunkSize))
	broken := errors.New("the line is broken")
	for _, at := range []int{0, 10, headerSize, headerSize + 100, headerSize + chunkSize + tagSize + 1} {
		src := io.MultiReader(bytes.NewReader(sealed[:at]), iotest.ErrReader(broken))
		r, err := NewReader(src, key, testContext())
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if !errors.Is(err, broken) {
			t.Errorf("broken at %d: %v", at, err)
		}
	}
}

// TestFailingDestinationEndsTheStream: what could not be written is never reported as sealed.
func TestFailingDestinationEndsTheStream(t *testing.T) {
	full := errors.New("no space left")
	for _, room := range []int{headerSize, headerSize + chunkSize + tagSize} {
		w, err := NewWriter(&limitedWriter{left: room, err: full}, newTestKey(t), testContext(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(make([]byte, 3*chunkSize))
		if err := w.Close(); !errors.Is(err, full) {
			t.Errorf("room for %d bytes: closed with %v", room, err)
		}
	}
	if _, err := NewWriter(&limitedWriter{err: full}, newTestKey(t), testContext(), rand.Reader); !errors.Is(err, full) {
		t.Errorf("no room for the header: %v", err)
	}
}

type limitedWriter struct {
	left int
	err  error
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, w.err
	}
	w.left -= len(p)
	return len(p), nil
}
