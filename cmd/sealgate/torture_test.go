package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// tortureMessages and tortureKills are the size of the run in make test.
const (
	tortureMessages = 500
	tortureKills    = 50
)

// TestKilledGatewayLosesNothing: kill -9 at random instants while a sender submits. Every acknowledged message arrives,
// none twice unless the gateway was killed after the next hop took it, none in clear.
func TestKilledGatewayLosesNothing(t *testing.T) {
	sink := startSink(t)
	victim := newVictim(t, sink.address)
	victim.start()

	sender := &sender{address: victim.submission, acknowledged: map[string]bool{}}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- sender.run(ctx, tortureMessages) }()

	kills := killAtRandom(ctx, t, victim, done)
	t.Logf("%d kills, %d messages acknowledged", len(kills), len(sender.acknowledged))
	if len(kills) < tortureKills {
		t.Errorf("only %d kills", len(kills))
	}
	waitForAll(ctx, t, sink, sender.acknowledged)
	victim.stop()
	audit(t, sink, sender.acknowledged, kills)
}

// killAtRandom kills and restarts the gateway until the sender is done and the kills are.
func killAtRandom(ctx context.Context, t *testing.T, v *victim, done <-chan error) []time.Time {
	t.Helper()
	var kills []time.Time
	for sending := true; sending || len(kills) < tortureKills; {
		pause := time.NewTimer(time.Duration(rand.IntN(900)) * time.Millisecond)
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("sender: %v", err)
			}
			sending, done = false, nil
		case <-ctx.Done():
			t.Fatalf("the torture took too long: %d kills", len(kills))
		case <-pause.C:
		}
		pause.Stop()
		if len(kills) < tortureKills {
			kills = append(kills, time.Now())
			v.kill()
			v.start()
		}
	}
	return kills
}

// waitForAll waits until every acknowledged message has arrived.
func waitForAll(ctx context.Context, t *testing.T, sink *sink, acknowledged map[string]bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for missing(sink, acknowledged) > 0 {
		select {
		case <-ctx.Done():
			t.Fatalf("%d of %d acknowledged messages did not arrive", missing(sink, acknowledged), len(acknowledged))
		case <-tick.C:
		}
	}
}

func missing(sink *sink, acknowledged map[string]bool) int {
	n := 0
	arrived := sink.byToken()
	for token := range acknowledged {
		if len(arrived[token]) == 0 {
			n++
		}
	}
	return n
}

// audit compares what was acknowledged with what arrived.
func audit(t *testing.T, sink *sink, acknowledged map[string]bool, kills []time.Time) {
	t.Helper()
	twice := 0
	for token, times := range sink.byToken() {
		for i := 1; i < len(times); i++ {
			twice++
			if !killedBetween(kills, times[i-1], times[i]) {
				t.Errorf("%s arrived twice (%s, %s) with no kill in between", token, times[i-1], times[i])
			}
		}
	}
	if clear := sink.inClear(); len(clear) > 0 {
		t.Errorf("%d messages left in clear, the first:\n%s", len(clear), clear[0])
	}
	t.Logf("%d acknowledged, all arrived; %d arrived twice", len(acknowledged), twice)
}

func killedBetween(kills []time.Time, from, to time.Time) bool {
	for _, k := range kills {
		// The arrival is noted just after the reply was written; a kill can fall right before the note.
		if k.After(from.Add(-100*time.Millisecond)) && k.Before(to) {
			return true
		}
	}
	return false
}

// sender submits messages one after another, each attempt under a token of its own.
type sender struct {
	address      string
	acknowledged map[string]bool
}

// run sends until n messages were acknowledged. Connections that die are opened again.
func (s *sender) run(ctx context.Context, n int) error {
	for attempt := 0; len(s.acknowledged) < n; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c, err := s.connect()
		if err != nil {
			continue
		}
		for len(s.acknowledged) < n {
			attempt++
			token := fmt.Sprintf("token-%06d", attempt)
			if err := c.SendMail(support, []string{customer}, strings.NewReader(tortureMessage(token))); err != nil {
				var answer *smtp.SMTPError
				if errors.As(err, &answer) && answer.Code >= 500 {
					return fmt.Errorf("%s: %w", token, err)
				}
				break
			}
			s.acknowledged[token] = true
		}
		c.Close()
	}
	return nil
}

func (s *sender) connect() (*smtp.Client, error) {
	conn, err := net.DialTimeout("tcp", s.address, time.Second)
	if err != nil {
		return nil, err
	}
	c := smtp.NewClient(conn)
	if err := c.Auth(sasl.NewPlainClient("", "support", gatewayPassword)); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

const tortureCanary = "canary-body-5291"

func tortureMessage(token string) string {
	return "From: support@desk.test\r\nTo: customer@desk.test\r\nSubject: torture\r\nMessage-ID: <" + token + "@desk.test>\r\n" +
		"Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" + tortureCanary + "\r\n"
}

// victim is a real sealgate process that can be killed and started again on the same data and ports.
type victim struct {
	t          *testing.T
	config     string
	submission string
	process    *exec.Cmd
	output     *syncBuffer
}

// newVictim prepares the data through the command line: a group that must encrypt, a mailbox, a customer's certificate.
func newVictim(t *testing.T, smarthost string) *victim {
	t.Helper()
	folder := t.TempDir()
	v := &victim{t: t, config: filepath.Join(folder, "sealgate.yaml"), submission: freePort(t), output: &syncBuffer{}}
	yaml := fmt.Sprintf("domain: sealgate.test\ndatabase: sqlite:data/sealgate.db\nspool: spool\nkms:\n  key_file: kek\n"+
		"listen:\n  submission: [%q]\n  imap: []\n  web: %q\n", v.submission+" plain", freePort(t)+" plain")
	password := filepath.Join(folder, "password")
	certificate := filepath.Join(folder, "customer.pgp")
	for path, content := range map[string][]byte{
		v.config: []byte(yaml), password: []byte(gatewayPassword + "\n"), certificate: customerCertificate(t),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "", "-c", v.config, "group", "save", "Support", "--address", support, "--sign", "required", "--encrypt", "required")
	must(t, "", "-c", v.config, "key", "generate", support)
	must(t, "", "-c", v.config, "key", "import", certificate)
	must(t, "", "-c", v.config, "mailbox", "save", "support", "--group", "Support", "--password-file", password, "--smtp", smarthost, "--smtp-tls", "none")
	t.Cleanup(func() {
		v.stop()
		if t.Failed() {
			t.Logf("gateway:\n%s", v.output)
		}
	})
	return v
}

func customerCertificate(t *testing.T) []byte {
	t.Helper()
	e, err := openpgp.NewEntity("Customer", "", customer, nil)
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
	v.process = exec.Command(os.Args[0], "-c", v.config, "serve")
	v.process.Env = append(os.Environ(), asSealgate+"=1")
	v.process.Stdout, v.process.Stderr = v.output, v.output
	if err := v.process.Start(); err != nil {
		v.t.Fatalf("start: %v", err)
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", v.submission)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-deadline.C:
			v.t.Fatalf("the gateway does not listen\n%s", v.output)
		case <-tick.C:
		}
	}
}

// kill ends the process at once, as kill -9 does.
func (v *victim) kill() {
	if err := v.process.Process.Kill(); err != nil {
		v.t.Errorf("kill: %v", err)
	}
	v.process.Wait() //nolint:errcheck // it was killed
	v.process = nil
}

// stop kills what still runs.
func (v *victim) stop() {
	if v.process != nil {
		v.kill()
	}
}

// sink is the next hop: it takes everything and notes when.
type sink struct {
	address string

	mu      sync.Mutex
	arrived map[string][]time.Time
	clear   [][]byte
}

func startSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{arrived: map[string][]time.Time{}}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sinkSession{sink: s}, nil }))
	server.Domain = "sink.test"
	server.MaxLineLength = 1 << 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	go server.Serve(l) //nolint:errcheck // ends when it is closed
	t.Cleanup(func() { server.Close() })
	return s
}

func (s *sink) byToken() map[string][]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := make(map[string][]time.Time, len(s.arrived))
	for token, times := range s.arrived {
		copied[token] = append([]time.Time(nil), times...)
	}
	return copied
}

func (s *sink) inClear() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clear
}

type sinkSession struct{ sink *sink }

func (*sinkSession) Mail(string, *smtp.MailOptions) error { return nil }
func (*sinkSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (*sinkSession) Reset()                               {}
func (*sinkSession) Logout() error                        { return nil }

var tokenPattern = regexp.MustCompile(`(?i)Message-ID: <(token-\d+)@`)

// Data implements smtp.Session.
func (s *sinkSession) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	if err != nil {
		return err // cut off: the gateway was killed before its final dot
	}
	match := tokenPattern.FindSubmatch(message)
	if match == nil {
		return errors.New("no token")
	}
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.arrived[string(match[1])] = append(s.sink.arrived[string(match[1])], time.Now())
	if bytes.Contains(message, []byte(tortureCanary)) || !bytes.Contains(message, []byte("BEGIN PGP MESSAGE")) {
		s.sink.clear = append(s.sink.clear, message)
	}
	return nil
}
