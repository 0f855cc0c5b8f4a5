package web

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/sealgate/sealgate/groups"
)

// logsIn opens the overview as root.
func (w *browser) logsIn() {
	w.t.Helper()
	w.open("/login")
	w.types("[name=name]", "root")
	w.types("[name=password]", password)
	w.click("main button")
	w.says("Needs attention")
}

// shootBoth leaves pictures of the page as it is, at the width of a desk and of a telephone.
func (w *browser) shootBoth(name string) {
	w.t.Helper()
	for width, suffix := range map[int64]string{1280: "-wide", 390: "-narrow"} {
		w.do(chromedp.EmulateViewport(width, 900))
		w.holds(`document.documentElement.scrollWidth <= window.innerWidth`)
		w.shoot(name + suffix)
	}
}

// TestImportInTheBrowser: a paste, and then the dump of a keyring as a file, in a real browser. While the dump is
// imported one line is seen, and none of the progress when the report is there.
func TestImportInTheBrowser(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	w := newBrowser(t, b)
	w.logsIn()
	ada := armoredKey(t, "Ada", "ada@example.test", 0, b.clock.Now())
	b.imports(ada)
	stranger := armoredKey(t, "Ada on a new phone", "ada@example.test", 0, b.clock.Now())
	carol := armoredKey(t, "Carol", "carol@example.test", 0, b.clock.Now())
	w.open("/keyring/import")
	w.types("[name=text]", ada+"\n"+carol+"\n"+stranger+"\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENB\n-----END PGP PUBLIC KEY BLOCK-----\n")
	w.click("main form button")
	w.says("Import report")
	w.says("It waits: another certificate is in use for ada@example.test")
	w.shootBoth("imported")

	path := filepath.Join(t.TempDir(), "dump.asc")
	dump := longDump(armoredKey(t, "Bob", "bob@example.test", 0, b.clock.Now()), carol)
	if err := os.WriteFile(path, []byte(dump), 0o600); err != nil {
		t.Fatal(err)
	}
	w.open("/keyring/import")
	w.do(chromedp.SetUploadFiles("[name=file]", []string{path}))
	w.click("main form button")
	w.says("All of it was read")
	w.says("1 added")
	w.holds(`[...document.querySelectorAll(".progress")].length > 2 && [...document.querySelectorAll(".progress")].every(e => e.offsetHeight === 0)`)
	w.shootBoth("dump")
}
