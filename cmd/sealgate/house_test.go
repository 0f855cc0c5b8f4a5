package main

import (
	"os/exec"
	"strings"
	"testing"
)

// layers are the rooms of the house from low to high: a package may import only packages of lower layers, or its own
// children. Packages for tests stand on their own.
var layers = [][]string{
	{"gateway/pgpmime/armor"},
	{"gateway/pgpmime/pgp"},
	{"gateway/pgpmime", "keyring/seal", "gateway/activity", "gateway/batch", "gateway/memory", "migrations", "keyring/publish"},
	{"keyring/kms/local"},
	{"keyring/kms"},
	{"keyring"},
	{"keyring/discover", "groups", "gateway/queue", "gateway/archive", "gateway/dkim/keystore"}, // discover is keyring's child, and reads certificates with it
	{"gateway/smarthost/resolve"},
	{"gateway/smarthost/mtasts", "gateway/smarthost/oauth", "gateway/dkim"},
	{"gateway/submission", "gateway/smarthost", "gateway/mailbox"},
	{"gateway"},
	{"web"},
	{"cmd/sealgate/sop"},
	{"cmd/sealgate"},
}

const module = "github.com/sealgate/sealgate/"

// goList runs go list with a format and returns its lines.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// TestImportsRunDownTheHouse holds the layers against what the packages really import.
func TestImportsRunDownTheHouse(t *testing.T) {
	layerOf := map[string]int{}
	for n, names := range layers {
		for _, name := range names {
			layerOf[name] = n
		}
	}
	testOnly := map[string]bool{"gateway/bed": true, "gateway/bed/disk": true, "migrations/dbtest": true, "gateway/smarthost/resolve/dnstest": true}
	for _, line := range goList(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", module+"...") {
		fields := strings.Fields(line)
		from := strings.TrimPrefix(fields[0], module)
		if testOnly[from] {
			continue
		}
		own, known := layerOf[from]
		if !known {
			t.Errorf("%s has no layer: add it to the table", from)
		}
		for _, imported := range fields[1:] {
			to, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			if testOnly[to] {
				t.Errorf("%s imports %s, which is for tests only", from, to)
			} else if layerOf[to] >= own {
				t.Errorf("%s (layer %d) must not import %s (layer %d)", from, own, to, layerOf[to])
			}
		}
	}
}

// TestPurePackagesStayPure: no database, network or files where bytes and values are all there is.
func TestPurePackagesStayPure(t *testing.T) {
	forbidden := map[string][]string{
		"gateway/pgpmime":       {"gorm.io/gorm", "net", "net/http", "os", "os/exec", "log", "log/slog"},
		"gateway/pgpmime/pgp":   {"gorm.io/gorm", "net", "net/http", "os", "os/exec", "log", "log/slog"},
		"gateway/pgpmime/armor": {"gorm.io/gorm", "net", "net/http", "os", "os/exec", "log", "log/slog"},
		"keyring/kms":           {"net", "net/http", "os", "os/exec"},
		"keyring/publish":       {"gorm.io/gorm", "net", "net/http", "os", "os/exec", "log", "log/slog", "time"},
	}
	for pkg, names := range forbidden {
		imports := strings.Fields(strings.Join(goList(t, "-f", "{{join .Imports \" \"}}", module+pkg), " "))
		for _, name := range names {
			for _, imported := range imports {
				if imported == name {
					t.Errorf("%s imports %s", pkg, name)
				}
			}
		}
	}
}

// TestTopLevel holds the list of what may stand at the top.
func TestTopLevel(t *testing.T) {
	allowed := " cmd gateway keyring groups web migrations go.mod go.sum docker-compose.yml Dockerfile Makefile README.md LICENSE CHANGELOG.md docs "
	out, err := exec.Command("git", "-C", "../..", "ls-files").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for _, file := range strings.Fields(string(out)) {
		top, _, _ := strings.Cut(file, "/")
		if !strings.HasPrefix(top, ".") && !strings.Contains(allowed, " "+top+" ") {
			t.Errorf("%s must not stand at the top level", top)
		}
	}
}
