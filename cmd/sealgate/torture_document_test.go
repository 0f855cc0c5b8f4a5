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

// TestTortureDocument writes docs/torture.md from the figures that make torture kept.
func TestTortureDocument(t *testing.T) {
	folder := os.Getenv("SEALGATE_TEST_FIGURES")
	if os.Getenv("SEALGATE_WRITE_DOCS") != "1" || folder == "" {
		t.Skip("make torture writes docs/torture.md")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.row"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no figures in %s (%v)", folder, err)
	}
	var text strings.Builder
	text.WriteString(tortureIntroduction)
	for _, file := range files {
		row, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(row)
	}
	writeFile(t, filepath.Join("..", "..", "docs", "torture.md"), []byte(text.String()))
}

const tortureIntroduction = `# Torture

Several mail programs submit at once to a real sealgate process while something terrible happens to it again and again. An
auditor notes every message that was acknowledged (250 after the final dot) and every message that arrived at the next hop,
and compares: nothing may be lost, nothing may leave in clear, and a message may arrive again only if the reply to it could
be lost (the process was killed, its database was cut off, or a hostile next hop never answered), and then with the same
bytes and the same Message-ID. The auditor has tests that show that it finds each of these faults, and a disk that forgets
what it promised to keep shows that the power cuts bite.

` + "```" + `
make torture
` + "```" + `

writes this page. ` + "`SEALGATE_TEST_KILLS`, `SEALGATE_TEST_CUTS` and `SEALGATE_TEST_ROUNDS`" + ` say how long it takes, ` + "`SEALGATE_TEST_SEED`" + `
draws the same numbers again (each test says its own). Short versions are part of ` + "`make test`" + `.

- **kill -9**: the process is killed at random instants and started again.
- **power cut**: the process is killed, and the disk drops what was not synced: all of it, or half of it by chance, page by
  page. The disk is a file system of the tests' own, mounted by FUSE.
- **disk full, read-only, slow, failing**: the disk has no space, refuses writes, takes 300 ms for each sync, or fails it.
- **database cut**: connections to PostgreSQL end at random instants, half of them between COMMIT and its answer.
- **connections of a hostile next hop**: it hangs after the final dot, answers 250 and closes, resets or says garbage at
  each step, refuses a recipient, closes in its banner, says 421, or never ends a line.

Messages and recipients are those acknowledged; arrived are the message and recipient pairs that reached the next hop, with
those whose acknowledgement was lost; again are the repetitions.

| Test | What happens | Times | Messages | Recipients | Arrived | Again | Lost | In clear |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
`
