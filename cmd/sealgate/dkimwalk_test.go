package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
)

// signsFor makes and activates both kinds of key for a domain, and returns what others look up.
func (s *site) signsFor(domain string) (records []string) {
	s.t.Helper()
	keys, err := s.parts.gateway.GenerateDKIMKeys(s.t.Context(), cli, gateway.NewDKIMKey{Domain: domain, Selector: "m"})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, k := range keys {
		if _, err := s.parts.gateway.ActivateDKIMKey(s.t.Context(), cli, k.Domain, k.Selector, true); err != nil {
			s.t.Fatal(err)
		}
		records = append(records, k.Record.Name()+"="+k.Record.Value())
	}
	return records
}

// dkimpy is what another implementation says of each signature of a message.
func dkimpy(t *testing.T, message []byte, records []string) string {
	t.Helper()
	python := firstWord(t, "dkimverify")
	script := filepath.Join("..", "..", "gateway", "dkim", "testdata", "dkimpy.py")
	cmd := exec.CommandContext(t.Context(), python, append([]string{script}, records...)...)
	var words bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(message), &words
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dkimpy: %v\n%s", err, words.String())
	}
	return strings.TrimSpace(string(out))
}

// firstWord is the interpreter that a script names in its first line: the one for which its package is installed.
func firstWord(t *testing.T, script string) string {
	t.Helper()
	path, err := exec.LookPath(script)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(strings.TrimPrefix(line, "#!"))
}

// TestWhatLeavesIsSignedForItsDomain: encrypted, signed and clear copies go through a real Postfix to the customer, and
// another implementation accepts both signatures of each, as it accepts none of a changed one. The ticket system writes in
// 8 bits, and a server on the way cannot take them.
func TestWhatLeavesIsSignedForItsDomain(t *testing.T) {
	bed.Need(t, "dkimverify")
	s := newSite(t, func(g *groups.Group) { g.Sign, g.Encrypt = groups.Off, groups.Off })
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	records := s.signsFor("desk.test")
	s.postfix.Set(t, "lmtp_discard_lhlo_keywords=8bitmime") // it must make 7-bit what is not
	for i, c := range []struct{ policy, form string }{
		{"encrypt=off; sign=off", "text/plain"},
		{"encrypt=off; sign=on", "multipart/signed"},
		{"encrypt=on; sign=off", "multipart/encrypted"},
		{"encrypt=on; sign=on", "multipart/encrypted"},
	} {
		if err := s.submit("Sealgate-Policy: "+c.policy+"\r\n"+reply, customer); err != nil {
			t.Fatalf("%s: %v", c.policy, err)
		}
		arrived := s.waitForMail("customer", i+1)[i]
		if got := dkimpy(t, arrived, records); got != "True True" || !bytes.Contains(arrived, []byte("Content-Type: "+c.form)) {
			t.Errorf("%s: dkimpy says %q of\n%s", c.policy, got, arrived)
		}
		if got := dkimpy(t, bytes.Replace(arrived, []byte("Ticket#42"), []byte("Ticket#43"), 1), records); got != "False False" {
			t.Errorf("%s, changed: dkimpy says %q", c.policy, got)
		}
	}
}

// moody is a mail server that answers the first message at the end with 451, and keeps what it was given.
type moody struct {
	address string
	mu      sync.Mutex
	given   [][]byte
}

func startMoody(t *testing.T) *moody {
	t.Helper()
	m := &moody{}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return moodySession{m}, nil }))
	server.Domain = "moody.test"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = l.Addr().String()
	go server.Serve(l) //nolint:errcheck // ends when it is closed
	t.Cleanup(func() { server.Close() })
	return m
}

func (m *moody) all() [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([][]byte{}, m.given...)
}

type moodySession struct{ *moody }

func (moodySession) Mail(string, *smtp.MailOptions) error { return nil }
func (moodySession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (moodySession) Reset()                               {}
func (moodySession) Logout() error                        { return nil }

// Data implements smtp.Session.
func (m moodySession) Data(r io.Reader) error {
	given, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.given = append(m.given, given)
	if len(m.given) == 1 {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "not now"}
	}
	return nil
}

// TestARetryLeavesWithTheSameSignatures: the bytes of the second attempt are those of the first, and verify.
func TestARetryLeavesWithTheSameSignatures(t *testing.T) {
	bed.Need(t, "dkimverify")
	s := newSite(t, func(g *groups.Group) { g.Sign, g.Encrypt = groups.On, groups.On })
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	records := s.signsFor("desk.test")
	server := startMoody(t)
	s.sendsTo(server.address)
	if err := s.submit(reply, customer); err != nil {
		t.Fatal(err)
	}
	s.wait("the first attempt", func() bool { return s.logged("message.attempted") == 1 })
	waiting, err := s.parts.gateway.ListQueue(t.Context(), cli, queue.Filter{Open: true, Limit: 10})
	if err != nil || len(waiting) != 1 {
		t.Fatalf("%d copies wait (%v)", len(waiting), err)
	}
	if err := s.parts.gateway.RetryQueued(t.Context(), cli, waiting[0].ID); err != nil {
		t.Fatal(err)
	}
	s.wait("the second attempt", func() bool { return s.logged("message.relayed") == 1 })
	given := server.all()
	if len(given) != 2 || !bytes.Equal(given[0], given[1]) {
		t.Fatalf("%d attempts, which differ:\n%s", len(given), bytes.Join(given, []byte("\n---\n")))
	}
	if got := dkimpy(t, given[1], records); got != "True True" || !bytes.Contains(given[1][:400], []byte("\r\nDKIM-Signature: ")) {
		t.Errorf("dkimpy says %q of\n%s", got, given[1])
	}
}
