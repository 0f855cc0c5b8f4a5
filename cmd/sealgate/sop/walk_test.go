package sop_test

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/cmd/sealgate/sop"
)

// asProgram makes this test binary behave as "sealgate sop".
const asProgram = "SEALGATE_TEST_AS_SOP"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	os.Exit(sop.Program{
		Version: "test", In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv, Now: time.Now(), Random: rand.Reader,
	}.Run(os.Args[1:]))
}

// TestFirstWalk types what --help and the documentation tell people to type, into a shell.
func TestFirstWalk(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operation.md"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"--help": string(must(t, nil, "--help")), "documentation": string(document)} {
		t.Run(name, func(t *testing.T) {
			script := "set -e\nsealgate() { shift; \"$OWN\" \"$@\"; }\n"
			lines := 0
			for line := range strings.Lines(text) {
				line = strings.TrimPrefix(strings.TrimPrefix(line, "$ "), "  ")
				if strings.Contains(line, "sealgate sop") && strings.ContainsAny(line, "<>") {
					script += line
					lines++
				}
			}
			cmd := exec.Command("sh", "-c", script)
			cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), asProgram+"=yes", "OWN="+own)
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "Hello\n" || lines != 4 {
				t.Errorf("%d lines: %q, %v", lines, out, err)
			}
		})
	}
}
