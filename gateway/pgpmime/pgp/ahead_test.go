package pgp

import (
	"bytes"
	"errors"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestAheadWriterWritesAll: in order, whatever the sizes of the writes.
func TestAheadWriterWritesAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var got, want bytes.Buffer
		a := &aheadWriter{w: &got}
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 3*aheadPiece), 0, 8).Draw(t, "sizes") {
			p := bytes.Repeat([]byte{byte(i)}, n)
			want.Write(p)
			if m, err := a.Write(p); m != n || err != nil {
				t.Fatalf("%d of %d bytes, %v", m, n, err)
			}
		}
		if err := a.Close(); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatalf("%d bytes, want %d (%v)", got.Len(), want.Len(), err)
		}
		if _, err := a.Write([]byte("x")); err == nil {
			t.Fatal("written after Close")
		}
	})
}

// brokenWriter breaks after so many bytes.
type brokenWriter struct{ left int }

var errBroken = errors.New("broken")

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

// TestAheadWriterTellsOfFailure: at the latest when it is closed, and it ends all the same.
func TestAheadWriterTellsOfFailure(t *testing.T) {
	for _, after := range []int{0, 100, aheadPiece, 3 * aheadPiece, 9 * aheadPiece} {
		a := &aheadWriter{w: &brokenWriter{left: after}}
		var failed error
		for range 12 {
			_, err := a.Write(make([]byte, aheadPiece))
			failed = errors.Join(failed, err)
		}
		if err := errors.Join(failed, a.Close()); !errors.Is(err, errBroken) {
			t.Errorf("after %d bytes: %v", after, err)
		}
	}
}
