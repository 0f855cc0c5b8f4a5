package armor_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// FuzzReader: no text brings the reader down or makes it say something else when it comes in other pieces; what is read
// is no more than the text can hold, and is the same after another round.
func FuzzReader(f *testing.F) {
	for _, c := range awkward(f) {
		f.Add([]byte(c.text))
	}
	f.Add([]byte(armored(f, object(500))))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, blockType, err := readFrom(bytes.NewReader(text))
		slow, _, slowErr := readFrom(iotest.OneByteReader(bytes.NewReader(text)))
		if !bytes.Equal(got, slow) || (err == nil) != (slowErr == nil) || err != nil && err.Error() != slowErr.Error() {
			t.Fatalf("%q, %v; byte by byte %q, %v", got, err, slow, slowErr)
		}
		if len(got) > len(text)/4*3 {
			t.Fatalf("%d bytes from %d characters", len(got), len(text))
		}
		known := errors.Is(err, armor.ErrCorrupt) || errors.Is(err, armor.ErrNoBlock) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil {
			if !known {
				t.Fatal(err)
			}
			return
		}
		if !strings.Contains(string(text), "-----END "+blockType+"-----") {
			t.Fatal("read without an END line")
		}
		if again, err := read(armored(t, got)); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q, then %q, %v", got, again, err)
		}
	})
}

func readFrom(source io.Reader) (b []byte, blockType string, err error) {
	r, err := armor.NewReader(source)
	if err != nil {
		return nil, "", err
	}
	b, err = io.ReadAll(r)
	return b, r.Type(), err
}
