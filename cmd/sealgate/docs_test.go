package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// TestDocumentedCommandsRun runs every command line of README and docs in a fresh folder, in the order written. Targets
// of make are asked for, not run: this test is part of one.
func TestDocumentedCommandsRun(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, document := range append(documents, filepath.Join(root, "README.md")) {
		t.Run(filepath.Base(document), func(t *testing.T) {
			text, err := os.ReadFile(document)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(documentedFolder(t, root))
			for _, line := range commandLines(string(text)) {
				commands++
				runDocumented(t, root, line)
			}
		})
	}
	if commands < 10 {
		t.Errorf("only %d commands were found", commands)
	}
}

// documentedFolder is a fresh folder with the example configuration, a customer's certificate and a password.
func documentedFolder(t *testing.T, root string) string {
	t.Helper()
	folder := t.TempDir()
	example, err := os.ReadFile(filepath.Join(root, "docs", "sealgate.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []string{"1587", "1143", "8025"} {
		_, free, _ := strings.Cut(freePort(t), ":")
		example = bytes.ReplaceAll(example, []byte(":"+port+" "), []byte(":"+free+" "))
	}
	for name, content := range map[string][]byte{"sealgate.yaml": example, "customer.asc": armoredCertificate(t, "customer@example.org"), "password.txt": []byte("correct horse battery\n")} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func armoredCertificate(t *testing.T, address string) []byte {
	t.Helper()
	e, err := openpgp.NewEntity("Customer", "", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// commandLines are the lines of fenced blocks that begin with a command of ours.
func commandLines(text string) []string {
	var lines []string
	for i, block := range strings.Split(text, "```") {
		if i%2 == 0 {
			continue
		}
		for _, line := range strings.Split(block, "\n") {
			line = strings.TrimPrefix(strings.TrimSpace(line), "./")
			if strings.HasPrefix(line, "sealgate ") || strings.HasPrefix(line, "make ") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

func runDocumented(t *testing.T, root, line string) {
	t.Helper()
	words := strings.Fields(line)
	switch {
	case words[0] == "make":
		if out, err := exec.Command("make", "-C", root, "-n", words[1]).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	case asksKeyserver(line): // where it is not the real one: TestDocumentedUpload
	case words[1] == "serve":
		serveOnce(t, words[1:])
	default:
		must(t, "", words[1:]...)
	}
}

func asksKeyserver(line string) bool { return strings.HasPrefix(line, "sealgate key upload ") }

// serveOnce serves until the link for the first administrator was printed.
func serveOnce(t *testing.T, args []string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &announced{stop: stop}
	if code := run(ctx, args, strings.NewReader(""), out, out); code != 0 || !strings.Contains(out.String(), "/setup?token=") {
		t.Errorf("serve: exit %d\n%s", code, out.String())
	}
}

// announced stops the server once it said where to click.
type announced struct {
	syncBuffer
	stop func()
}

func (a *announced) Write(p []byte) (int, error) {
	defer func() {
		if strings.Contains(a.String(), "/setup?token=") {
			a.stop()
		}
	}()
	return a.syncBuffer.Write(p)
}
