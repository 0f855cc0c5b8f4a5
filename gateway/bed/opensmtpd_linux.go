package bed

import (
	"os"
	"path/filepath"
	"testing"
)

// OpenSMTPD is a running OpenSMTPD with a configuration of the test's. It has no mailboxes of its own.
type OpenSMTPD struct{ log string }

// StartOpenSMTPD starts one that listens at these ports of 127.0.0.1. It calls Need.
func StartOpenSMTPD(t testing.TB, config string, ports ...int) *OpenSMTPD {
	t.Helper()
	Need(t, "opensmtpd")
	system := newApart(t, "opensmtpd", "opensmtpq")
	// Its folders are compiled in.
	system.folder(t, "system/var/spool/smtpd", 0o711)
	system.folder(t, "system/var/lib/opensmtpd/empty", 0o755)
	system.folder(t, "system/var/run", 0o755)
	program := system.brought("opensmtpd")
	system.over["/usr/libexec"] = filepath.Join(filepath.Dir(filepath.Dir(find("opensmtpd"))), "libexec")
	system.file(t, "system/etc/mailname", "opensmtpd.desk.test\n")
	path := system.file(t, "smtpd.conf", config)
	system.start(t, "", ports, program, "-d", "-f", path)
	return &OpenSMTPD{log: filepath.Join(system.dir, "start.log")}
}

// Log returns what OpenSMTPD wrote about the messages so far.
func (o *OpenSMTPD) Log(t testing.TB) string {
	t.Helper()
	words, err := os.ReadFile(o.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(words)
}
