package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
)

// TestOwnKeyCommands makes a key, changes it, and ends it with its revocation; gpg reads the result.
func TestOwnKeyCommands(t *testing.T) {
	k := newKeyDesk(t, "sqlite:data/sealgate.db")
	k.fails("", []string{"generate", "support@desk.test"}, "no group writes as support@desk.test", "--yes")
	k.fails("", []string{"generate", "support@desk.test", "--yes", "--until", "soon"}, "YYYY-MM-DD")
	fp := strings.TrimSpace(k.do("", "generate", "support@desk.test", "--yes", "--name", "Support", "--until", "2030-05-01"))
	k.says("expires on 2035-05-01", "extend", fp, "--until", "2035-05-01")
	k.says("new subkey", "subkey", "add", fp, "--use", "encrypt", "--days", "30")
	k.fails("", []string{"subkey", "retire", fp, "0123456789ABCDEF"}, "no such subkey")
	k.fails("", []string{"revoke", fp, "--reason", "retired"}, "--yes")
	file := filepath.Join(t.TempDir(), "revocation.asc")
	k.do("", "revocation", fp, "-o", file)
	revocation, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g := bed.NewGPG(t)
	g.Import(t, []byte(k.do("", "export", fp)))
	k.says("revoked", "import", file)
	g.Run(t, revocation, "--import")
	if listed, _ := g.Run(t, nil, "--with-colons", "--list-keys", fp); !strings.Contains(string(listed), "pub:r:") {
		t.Errorf("gpg says\n%s", listed)
	}
	k.fails("", []string{"revoke", fp, "--reason", "retired", "--yes"}, "revoked already")
}
