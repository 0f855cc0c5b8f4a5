package web

import (
	"bytes"
	"net/http"
	"os"
	"testing"

	"github.com/sealgate/sealgate/groups"
)

// TestUploadedNoiseIsRefused: 50 MB of nothing get a page with a sentence, and leave nothing behind.
func TestUploadedNoiseIsRefused(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.as("root")
	noise := bytes.Repeat([]byte("lorem ipsum dolor sit amet\n"), 50<<20/27)
	v.upload("keyring.asc", noise, map[string]string{"text": ""}).says(t, http.StatusOK, "is not OpenPGP data", "</html>")
	v.upload("keyring.asc", bytes.Repeat([]byte("\x98\x01\x04"), 50<<20/3), map[string]string{"text": ""}).says(t, http.StatusOK,
		"1000 blocks in a row could not be taken", "</html>")
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("an upload left temporary files: %v %v", left, err)
	}
}
