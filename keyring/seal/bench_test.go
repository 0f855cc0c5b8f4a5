package seal

import (
	"bytes"
	"crypto/rand"
	"io"
	"testing"
)

func BenchmarkSeal(b *testing.B) { benchmark(b, benchmarkSeal) }

func BenchmarkOpen(b *testing.B) { benchmark(b, benchmarkOpen) }

// benchmark runs a body for a long message and for a usual article.
func benchmark(b *testing.B, run func(*testing.B, []byte)) {
	b.Run("64MiB", func(b *testing.B) { run(b, make([]byte, 64<<20)) })
	b.Run("4KiB", func(b *testing.B) { run(b, make([]byte, 4<<10)) })
}

func benchmarkSeal(b *testing.B, plaintext []byte) {
	key := newTestKey(b)
	b.SetBytes(int64(len(plaintext)))
	b.ReportAllocs()
	for b.Loop() {
		w, err := NewWriter(io.Discard, key, testContext(), rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(plaintext); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkOpen(b *testing.B, plaintext []byte) {
	key := newTestKey(b)
	sealed := sealBytes(b, key, testContext(), plaintext)
	b.SetBytes(int64(len(plaintext)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(sealed), key, testContext())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}
