package armor_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	library "github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// object is bytes that look as random as an encrypted message does.
func object(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) //nolint:errcheck // never fails
	return b
}

// BenchmarkEncode holds our writer against the library's on the same bytes, in pieces as a cipher writes them.
func BenchmarkEncode(b *testing.B) {
	binary := object(1 << 20)
	for _, side := range []struct {
		name string
		open func(io.Writer) io.WriteCloser
	}{
		{"Sealgate", func(w io.Writer) io.WriteCloser { return armor.NewWriter(w, armor.Message) }},
		{"Library", func(w io.Writer) io.WriteCloser {
			a, err := library.Encode(w, armor.Message, nil)
			if err != nil {
				b.Fatal(err)
			}
			return a
		}},
	} {
		b.Run(side.name, func(b *testing.B) {
			b.SetBytes(int64(len(binary)))
			b.ReportAllocs()
			for b.Loop() {
				write(b, side.open(io.Discard), binary, 64<<10)
			}
		})
	}
}

// write writes b in pieces and closes.
func write(t testing.TB, w io.WriteCloser, b []byte, piece int) {
	t.Helper()
	for len(b) > 0 {
		n := min(piece, len(b))
		if _, err := w.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkDecode holds our reader against the library's on the same armor.
func BenchmarkDecode(b *testing.B) {
	var armored bytes.Buffer
	write(b, armor.NewWriter(&armored, armor.Message), object(1<<20), 1<<20)
	for _, side := range []struct {
		name string
		open func(io.Reader) (io.Reader, error)
	}{
		{"Sealgate", func(r io.Reader) (io.Reader, error) { return armor.NewReader(r) }},
		{"Library", func(r io.Reader) (io.Reader, error) {
			block, err := library.Decode(r)
			if err != nil {
				return nil, err
			}
			return block.Body, nil
		}},
	} {
		b.Run(side.name, func(b *testing.B) {
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				r, err := side.open(bytes.NewReader(armored.Bytes()))
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, r); err != nil || n != 1<<20 {
					b.Fatal(n, err)
				}
			}
		})
	}
}
