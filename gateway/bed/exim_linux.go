package bed

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// EximParts are parts of Exim's configuration, as a document may show them. Main must set daemon_smtp_ports.
type EximParts struct{ Main, Routers, Transports string }

// Exim is a running Exim whose mail for users of desk.test ends in Dovecot's mailboxes. It takes mail for everybody without a
// login, offers STARTTLS, answers 550 for unknown users of desk.test, and discards mail for every other domain. What it cannot
// deliver it tries again every second.
type Exim struct {
	dir string
	log string
}

// StartExim starts one that listens at these ports of 127.0.0.1. Routers stand before its own. It calls Need.
func StartExim(t testing.TB, a Authority, d *Dovecot, parts EximParts, ports ...int) *Exim {
	t.Helper()
	Need(t, "exim4")
	system := newApart(t, "Debian-exim")
	spool := system.folder(t, "spool", 0o750)
	system.giveTo(t, spool, 0)
	e := &Exim{dir: system.dir, log: filepath.Join(spool, "mainlog")}
	system.file(t, "cert.pem", string(a.CertPEM))
	key := system.file(t, "key.pem", string(a.KeyPEM))
	system.giveTo(t, key, 0)
	program := system.brought("exim4")
	_, lmtp, _ := net.SplitHostPort(d.LMTP)
	config := filepath.Join(system.dir, "exim.conf")
	configure(t, "exim.conf", config, map[string]any{
		"Program": program, "Dir": system.dir, "LMTP": lmtp, "Users": strings.Join(d.Users, " : !"),
		"Main": parts.Main, "Routers": parts.Routers, "Transports": parts.Transports,
	})
	// Exim keeps its rights only for configurations that the system names.
	system.folder(t, "system/etc/exim4", 0o755)
	system.file(t, "system/etc/exim4/trusted_configs", config+"\n")
	system.start(t, e.log, ports, program, "-C", config, "-bdf", "-q1s")
	return e
}

// Later makes Exim put off everybody who comes with mail, or take it again.
func (e *Exim) Later(t testing.TB, later bool) {
	t.Helper()
	path := filepath.Join(e.dir, "later")
	err := os.Remove(path)
	if later {
		err = os.WriteFile(path, nil, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Log returns what Exim wrote about the messages so far.
func (e *Exim) Log(t testing.TB) string {
	t.Helper()
	words, err := os.ReadFile(e.log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(words)
}

// Waiting counts the messages that Exim has taken and not delivered.
func (e *Exim) Waiting(t testing.TB) int {
	t.Helper()
	waiting, err := filepath.Glob(filepath.Join(e.dir, "spool", "input", "*-H"))
	if err != nil {
		t.Fatal(err)
	}
	return len(waiting)
}
