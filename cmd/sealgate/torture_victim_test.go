package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// tortureNumber is a number from the environment, or else the one for make test.
func tortureNumber(t *testing.T, variable string, short int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// victim is a real sealgate process that can be killed and started again on the same data and ports.
type victim struct {
	t          *testing.T
	auditor    *auditor
	config     string
	submission string
	process    *exec.Cmd
	ended      <-chan error // of process
	output     *lastWords
}

// furnish fills a folder, and the database, by the command line: a group that must encrypt, a mailbox, two customers'
// certificates.
func furnish(t *testing.T, folder, database, nextHop string) {
	t.Helper()
	config, password := filepath.Join(t.TempDir(), "sealgate.yaml"), filepath.Join(t.TempDir(), "password")
	writeTortureConfig(t, config, folder, database, "")
	writeFile(t, password, []byte(gatewayPassword+"\n"))
	must(t, "", "-c", config, "group", "save", "Support", "--address", support, "--sign", "required", "--encrypt", "required")
	must(t, "", "-c", config, "key", "generate", support)
	for _, address := range []string{customer, otherCustomer} {
		certificate := filepath.Join(t.TempDir(), address)
		writeFile(t, certificate, customerCertificate(t, address))
		must(t, "", "-c", config, "key", "import", certificate)
	}
	must(t, "", "-c", config, "mailbox", "save", "support", "--group", "Support", "--password-file", password, "--smtp", nextHop, "--smtp-tls", "none")
}

// newVictim is a gateway over what furnish made, not started yet.
func newVictim(t *testing.T, a *auditor, folder, database string) *victim {
	t.Helper()
	v := &victim{t: t, auditor: a, config: filepath.Join(t.TempDir(), "sealgate.yaml"), submission: freePort(t), output: &lastWords{}}
	writeTortureConfig(t, v.config, folder, database, v.submission)
	t.Cleanup(func() {
		v.stop()
		if t.Failed() {
			t.Logf("gateway:\n%s", v.output)
		}
	})
	return v
}

func writeTortureConfig(t *testing.T, path, folder, database, submission string) {
	t.Helper()
	listen := ""
	if submission != "" {
		listen = fmt.Sprintf("%q", submission+" plain")
	}
	writeFile(t, path, fmt.Appendf(nil, "domain: sealgate.test\ndatabase: %q\nspool: %q\nkms:\n  key_file: %q\n"+
		"listen:\n  submission: [%s]\n  imap: []\n  web: %q\nlog:\n  level: warn\ndns:\n  servers: []\n",
		database, filepath.Join(folder, "spool"), filepath.Join(folder, "kek"), listen, freePort(t)+" plain"))
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func customerCertificate(t *testing.T, address string) []byte {
	t.Helper()
	e, err := openpgp.NewEntity("Customer", "", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := e.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// freePort asks the kernel for an address that is free now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts the process and waits until it listens.
func (v *victim) start() {
	v.t.Helper()
	if err := v.tryStart(); err != nil {
		v.t.Fatalf("the gateway does not start: %v\n%s", err, v.output)
	}
}

// tryStart is start for when it may fail.
func (v *victim) tryStart() error {
	process := exec.Command(os.Args[0], "-c", v.config, "serve")
	process.Env = append(os.Environ(), asSealgate+"=1")
	process.Stdout, process.Stderr = v.output, v.output
	if err := process.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", v.submission)
		if err == nil {
			v.process, v.ended = process, ended
			return conn.Close()
		}
		select {
		case err := <-ended:
			return fmt.Errorf("it ended: %v", err)
		case <-deadline.C:
			process.Process.Kill() //nolint:errcheck // it is given up
			return fmt.Errorf("it does not listen: %v, %v", err, <-ended)
		case <-tick.C:
		}
	}
}

// killed kills the process, lets something happen meanwhile, and starts it again.
func (v *victim) killed(meanwhile func()) {
	v.t.Helper()
	from := time.Now()
	v.stop()
	if meanwhile != nil {
		meanwhile()
	}
	v.start()
	v.auditor.interrupt(from, time.Now())
}

// stop ends the process at once, as kill -9 does, if it runs.
func (v *victim) stop() {
	if v.process == nil {
		return
	}
	v.process.Process.Kill() //nolint:errcheck // it may have ended by itself
	<-v.ended
	v.process = nil
}

// lastWords keeps the end of what a process wrote.
type lastWords struct {
	mu sync.Mutex
	b  []byte
}

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, p...)
	if over := len(w.b) - 16<<10; over > 0 {
		w.b = append([]byte(nil), w.b[over:]...)
	}
	return len(p), nil
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.b)
}
