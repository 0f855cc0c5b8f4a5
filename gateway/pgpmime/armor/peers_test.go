package armor_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	library "github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// sizes are around the ends of lines and of buffers.
var sizes = []int{0, 1, 2, 3, 47, 48, 49, 95, 96, 97, 36863, 36864, 36865, 200_000}

// TestLibraryBothWays: the library reads what we write, and we what it writes.
func TestLibraryBothWays(t *testing.T) {
	for _, size := range sizes {
		want := object(size)
		block, err := library.Decode(strings.NewReader(armored(t, want)))
		if err != nil || block.Type != armor.Message || len(block.Header) != 0 {
			t.Fatalf("%d: %+v, %v", size, block, err)
		}
		if got, err := io.ReadAll(block.Body); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d: the library read %d bytes, %v", size, len(got), err)
		}
		var text bytes.Buffer
		w, err := library.Encode(&text, armor.Message, map[string]string{"Version": "1"})
		if err != nil {
			t.Fatal(err)
		}
		write(t, w, want, 1000)
		if got, err := read(text.String()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d: we read %d bytes, %v", size, len(got), err)
		}
		ours := strings.TrimSuffix(strings.ReplaceAll(armored(t, want), "\r\n", "\n"), "\n")
		if theirs := strings.Replace(text.String(), "Version: 1\n", "", 1); size > 0 && ours != theirs {
			t.Errorf("%d: not the same text\n%.200s\n%.200s", size, ours, theirs)
		}
	}
}

// TestGPGBothWays: gpg reads what we write, checksum and all, and we what it writes.
func TestGPGBothWays(t *testing.T) {
	bed.Need(t, "gpg")
	gpg := bed.NewGPG(t)
	for _, size := range sizes {
		if size == 0 {
			continue // gpg takes no empty object
		}
		want := object(size)
		got, _, err := gpg.Try(t, []byte(armored(t, want)), "--dearmor")
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d: gpg read %d bytes, %v", size, len(got), err)
		}
		text, _, err := gpg.Try(t, want, "--enarmor")
		if err != nil || !bytes.Contains(text, []byte("\nComment: ")) {
			t.Fatalf("%d: %.200q, %v", size, text, err)
		}
		text = bytes.ReplaceAll(text, []byte("PGP ARMORED FILE"), []byte(armor.Message))
		if got, err := read(string(text)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d: we read %d bytes, %v", size, len(got), err)
		}
	}
	altered := strings.Replace(armored(t, []byte("123456789")), "=Ic8C", "=Ic8D", 1)
	if _, _, err := gpg.Try(t, []byte(altered), "--dearmor"); err == nil {
		t.Error("gpg does not look at the checksum, so this test proves nothing about it")
	}
}
