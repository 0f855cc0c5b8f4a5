package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
)

// TestDKIMKeysOnTheCommandLine: made, shown, refused until their record is seen, switched on and off, deleted.
func TestDKIMKeysOnTheCommandLine(t *testing.T) {
	t.Chdir(documentedFolder(t, filepath.Join("..", "..")))
	d := dnstest.Start(t)
	t.Setenv("SEALGATE_DNS_SERVERS", d.Client().Servers[0].String())
	must(t, "", "group", "save", "Support", "--address", "support@desk.test")
	made := must(t, "", "dkim", "generate", "Desk.Test", "--selector", "m")
	for _, kind := range []string{"rsa", "ed25519"} {
		if !strings.Contains(made, "m-"+kind+"._domainkey.desk.test. IN TXT \"v=DKIM1; k="+kind+"; p=") {
			t.Errorf("it prints\n%s", made)
		}
	}
	if shown := must(t, "", "dkim", "show", "desk.test", "m-rsa"); !strings.Contains(made, shown) {
		t.Errorf("it shows\n%s", shown)
	}
	fails(t, "its record was not seen in the DNS", "dkim", "activate", "desk.test", "m-rsa")
	fails(t, "The DNS has no such record yet", "dkim", "check", "desk.test", "m-rsa")
	fails(t, "its record was not seen in the DNS: The DNS has no such record yet", "dkim", "activate", "desk.test", "m-rsa")
	published, _, _ := strings.Cut(made, "\n")
	d.Set(t, published)
	if checked := must(t, "", "dkim", "check", "desk.test", "m-rsa"); checked != "The DNS has the right record.\n" {
		t.Errorf("it says\n%s", checked)
	}
	must(t, "", "dkim", "activate", "desk.test", "m-rsa")
	fails(t, "deactivate it first", "dkim", "delete", "desk.test", "m-rsa", "--yes")
	fails(t, "see: sealgate dkim list", "dkim", "show", "desk.test", "else")
	if list := must(t, "", "dkim", "list"); !strings.Contains(list, "rsa      active    published on ") {
		t.Errorf("it lists\n%s", list)
	}
	var items []dkimItem
	if err := json.Unmarshal([]byte(must(t, "", "dkim", "list", "--json")), &items); err != nil || len(items) != 2 || items[0].Active == items[1].Active || !items[0].Used {
		t.Errorf("as JSON %+v (%v)", items, err)
	}
	if checked, _ := sealgate(t, "", "doctor"); !strings.Contains(checked, "ok    DKIM           keys that sign: 1") {
		t.Errorf("doctor says\n%s", checked)
	}
	d.Set(t)
	if checked, _ := sealgate(t, "", "doctor"); !strings.Contains(checked, "WRONG DKIM           m-rsa of desk.test: The DNS has no such record yet") {
		t.Errorf("doctor says\n%s", checked)
	}
	must(t, "", "dkim", "activate", "desk.test", "m-ed25519", "--unseen")
	must(t, "", "dkim", "deactivate", "desk.test", "m-ed25519")
	must(t, "", "dkim", "deactivate", "desk.test", "m-rsa")
	must(t, "", "dkim", "delete", "desk.test", "m-rsa", "--yes")
	if list := must(t, "", "dkim", "list"); strings.Contains(list, "m-rsa") {
		t.Errorf("it still lists\n%s", list)
	}
}

// TestAnImportedDKIMKeyComesFromAFileOrAPipe as openssl writes it.
func TestAnImportedDKIMKeyComesFromAFileOrAPipe(t *testing.T) {
	bed.Need(t, "openssl")
	t.Chdir(documentedFolder(t, filepath.Join("..", "..")))
	text, err := exec.CommandContext(t.Context(), "openssl", "genpkey", "-algorithm", "ed25519").Output()
	if err != nil {
		t.Fatal(err)
	}
	if printed := must(t, string(text), "dkim", "import", "desk.test", "old", "-"); !strings.HasPrefix(printed, "old._domainkey.desk.test. IN TXT \"v=DKIM1; k=ed25519; p=") {
		t.Errorf("it prints\n%s", printed)
	}
	fails(t, "missing.pem", "dkim", "import", "desk.test", "new", "missing.pem")
}

// fails runs a command that must end with 1 and say the words.
func fails(t *testing.T, words string, args ...string) {
	t.Helper()
	var out, besides bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &out, &besides)
	if code != 1 || !strings.Contains(besides.String(), words) {
		t.Errorf("sealgate %s: exit %d, says %s", strings.Join(args, " "), code, besides.String())
	}
}
