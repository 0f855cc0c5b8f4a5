package pgpmime

import (
	"bytes"
	"io"
	"testing"

	"pgregory.net/rapid"
)

// TestMessageIsItsBytes: however a message was cut and joined, in memory and in stores, it reads as its bytes.
func TestMessageIsItsBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Message
		var model []byte
		for range rapid.IntRange(0, 8).Draw(t, "steps") {
			b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				m, model = joined(m, Of(b)), append(bytes.Clone(model), b...)
			case 1:
				m, model = joined(At(bytes.NewReader(b), int64(len(b))), m), append(bytes.Clone(b), model...)
			case 2:
				from := rapid.IntRange(0, len(model)).Draw(t, "from")
				to := rapid.IntRange(from, len(model)).Draw(t, "to")
				m, model = m.slice(int64(from), int64(to)), model[from:to]
			}
		}
		var written bytes.Buffer
		n, err := m.WriteTo(&written)
		if err != nil || n != m.Size() || !bytes.Equal(written.Bytes(), model) {
			t.Fatalf("written %q (%v), want %q", written.Bytes(), err, model)
		}
		whole, err := m.Bytes()
		if err != nil || !bytes.Equal(whole, model) {
			t.Fatalf("whole %q (%v), want %q", whole, err, model)
		}
		off := rapid.IntRange(0, len(model)+1).Draw(t, "off")
		part := make([]byte, rapid.IntRange(0, 50).Draw(t, "length"))
		got, err := m.ReadAt(part, int64(off))
		want := model[min(off, len(model)):min(off+len(part), len(model))]
		if !bytes.Equal(part[:got], want) || (err == io.EOF) != (got < len(part)) {
			t.Fatalf("at %d: %q (%v), want %q", off, part[:got], err, want)
		}
	})
}

// TestNothingBeforeTheStart: a place that cannot be is an error, not a panic.
func TestNothingBeforeTheStart(t *testing.T) {
	if _, err := Of([]byte("x")).ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("read before the start")
	}
}
