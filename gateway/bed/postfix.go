package bed

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Postfix is a running smarthost with TLS and AUTH whose mail for desk.test ends in d's mailboxes. It takes mail only
// after STARTTLS and AUTH (user and password as in Dovecot), answers 550 for unknown users of desk.test, and discards
// mail for every other domain.
type Postfix struct {
	SMTP   string // host:port, STARTTLS and AUTH (SASL by Dovecot)
	Inside string // host:port, takes mail from this machine without a login
	Back   string // host:port, the same, and never sends it through a content filter
	Dir    string // postfix -c
}

// StartPostfix starts one. It calls Need.
func StartPostfix(t testing.TB, a Authority, d *Dovecot) *Postfix {
	t.Helper()
	Need(t, "postfix", "postqueue")
	dir := filepath.Join(Dir(t), "postfix")
	conf := filepath.Join(dir, "conf")
	for _, path := range []string{dir, conf, filepath.Join(dir, "queue"), filepath.Join(dir, "data")} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatalf("make postfix folder: %v", err)
		}
	}
	giveTo(t, "postfix", filepath.Join(dir, "data"))
	write(t, filepath.Join(dir, "tls.pem"), append(bytes.Clone(a.KeyPEM), a.CertPEM...))
	configure(t, "main.cf", filepath.Join(conf, "main.cf"), map[string]any{
		"Dir": dir, "SASL": d.SASL, "LMTP": d.LMTP, "Users": d.Users,
	})
	ports := startTwice(t, 3, func(p []int) error {
		configure(t, "master.cf", filepath.Join(conf, "master.cf"), map[string]any{"Port": p[0], "Inside": p[1], "Back": p[2]})
		return start(dir, "postfix", "-c", conf, "start")
	})
	stopAtEnd(t, filepath.Join(dir, "log"), filepath.Join(dir, "queue", "pid", "master.pid"))
	if err := listening(ports); err != nil {
		t.Fatal(err)
	}
	return &Postfix{SMTP: local(ports[0]), Inside: local(ports[1]), Back: local(ports[2]), Dir: conf}
}

// Set changes parameters of main.cf and has the running Postfix read them.
func (p *Postfix) Set(t testing.TB, parameters ...string) {
	t.Helper()
	p.command(t, "postconf", append([]string{"-e"}, parameters...)...)
	p.command(t, "postfix", "reload")
}

func (p *Postfix) command(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(find(program), append([]string{"-c", p.Dir}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// Queue returns what postqueue prints: what Postfix took and has not delivered.
func (p *Postfix) Queue(t testing.TB) string {
	t.Helper()
	out, err := exec.Command(find("postqueue"), "-c", p.Dir, "-p").CombinedOutput()
	if err != nil {
		t.Fatalf("postqueue: %v\n%s", err, out)
	}
	return string(out)
}

// Serve adds services to master.cf, as a document may show them, and waits until they listen at these addresses of 127.0.0.1.
// They must be new: a process that waits already serves one more client in the old way.
func (p *Postfix) Serve(t testing.TB, services string, addresses ...string) {
	t.Helper()
	path := filepath.Join(p.Dir, "master.cf")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(before, services...), 0o644); err != nil {
		t.Fatal(err)
	}
	p.command(t, "postfix", "reload")
	for _, address := range addresses {
		_, port, _ := net.SplitHostPort(address)
		number, _ := strconv.Atoi(port) // of the kernel's
		if err := listening([]int{number}); err != nil {
			t.Fatal(err)
		}
	}
}
