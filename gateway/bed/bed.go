// Package bed runs real mail peers for tests: Dovecot and Postfix on loopback, and the programs that speak OpenPGP. It is
// imported by tests only.
//
// What enters is a test; what leaves is a running peer with an address, and messages that the peer made or read. Every
// peer gets a temporary folder and ports from the kernel, and is stopped by its test through its own pid. When
// the test failed, the peer's log is shown. Where a peer is not installed the test is skipped, or failed when
// SEALGATE_PEERS=required (make test). The package imports nothing of Sealgate, so that a peer's opinion is its own.
package bed

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Need skips the test, or fails it when SEALGATE_PEERS=required, unless every program is installed. A program is a
// name or an absolute path. For each missing one it logs a line "PEER-MISSING: name", which a summary can count.
// Mail servers count as missing unless the tests run as root: they change to users of their own. "openpgpjs" is the
// JavaScript library, which make peers installs.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	sentence := ""
	for _, program := range programs {
		if reason := missing(program); reason != "" {
			t.Logf("PEER-MISSING: %s", program)
			sentence += reason + "; "
		}
	}
	if sentence != "" {
		skip(t, sentence)
	}
}

// without is Need for what no package brings.
func without(t testing.TB, what, sentence string) {
	t.Helper()
	t.Logf("PEER-MISSING: %s", what)
	skip(t, sentence+"; ")
}

func skip(t testing.TB, sentence string) {
	t.Helper()
	if os.Getenv("SEALGATE_PEERS") == "required" {
		t.Fatalf("%sand SEALGATE_PEERS=required", sentence)
	}
	t.Skipf("%sset SEALGATE_PEERS=required to make this a failure", sentence)
}

// missing tells why a program cannot be used, or "".
func missing(program string) string {
	if program == "openpgpjs" { // a library, not a program
		return openPGPJSMissing()
	}
	if find(program) == "" && (program == "exim4" || program == "opensmtpd") {
		return program + " is not unpacked (.ci/install-mailservers does that)"
	}
	if find(program) == "" {
		return program + " is not installed (Debian: apt-get install " + debianPackage(filepath.Base(program)) + ")"
	}
	if slices.Contains([]string{"dovecot", "postfix", "exim4", "opensmtpd"}, program) && os.Geteuid() != 0 {
		return program + " needs the tests to run as root"
	}
	return ""
}

// find returns the path of a program or "". Daemons are often outside the PATH of a desktop user.
func find(program string) string {
	if path := unpacked(program); path != "" {
		return path
	}
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	for _, folder := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, program)); err == nil {
			return path
		}
	}
	return ""
}

// debianPackage is the Debian package that holds a program; most are named alike.
func debianPackage(program string) string {
	packages := map[string]string{
		"dovecot": "dovecot-imapd dovecot-lmtpd", "doveadm": "dovecot-imapd",
		"gpg": "gnupg", "gpgconf": "gnupg", "ruby": "ruby ruby-mail", "mbsync": "isync", "rnpkeys": "rnp",
		"node": "nodejs", "ip": "iproute2", "zbarimg": "zbar-tools", "dkimverify": "python3-dkim", "dkimsign": "python3-dkim", "opendkim-testmsg": "opendkim-tools",
		"rt-server": "rt5-standalone", "rt-mailgate-5": "rt5-clients", "rt-setup-database-5": "request-tracker5 rt5-db-sqlite",
		"smtp-sink": "postfix", "smtp-source": "postfix", "postqueue": "postfix",
		"softhsm2-util": "softhsm2", "pkcs11-tool": "opensc", "initdb": "postgresql",
	}
	if name, known := packages[program]; known {
		return name
	}
	return program
}

// Dir returns a temporary folder with a short path (Unix socket paths end at about 100 characters), removed when the
// test ends. Daemons that change to another user can pass through it but not list it.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bed")
	if err != nil {
		t.Fatalf("make bed folder: %v", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatalf("open bed folder: %v", err)
	}
	t.Cleanup(func() {
		// A daemon's last child may still write for a moment after the daemon itself has gone.
		if err := until(5*time.Second, func() error { return os.RemoveAll(dir) }); err != nil {
			t.Logf("remove bed folder: %v", err)
		}
	})
	return dir
}

// until calls try until it succeeds and returns its last error when the deadline passed.
func until(deadline time.Duration, try func() error) error {
	end := time.NewTimer(deadline)
	defer end.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-end.C:
			return err
		case <-again.C:
		}
	}
}
