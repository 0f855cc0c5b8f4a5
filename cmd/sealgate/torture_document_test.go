package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// report logs one row of figures, and keeps it where SEALGATE_TEST_FIGURES names a folder: make torture writes
// docs/torture.md from it.
func report(t *testing.T, what string, f figures, times int) {
	t.Helper()
	row := fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %d | %d | %d |\n", t.Name(), what, times,
		f.Messages, f.Deliveries, f.Arrived, f.Twice, len(f.Lost), len(f.Clear))
	t.Log(row)
	folder := os.Getenv("SEALGATE_TEST_FIGURES")
	if folder == "" || t.Failed() {
		return
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, strings.ReplaceAll(t.Name(), "/", "-")+".row"), []byte(row))
}
