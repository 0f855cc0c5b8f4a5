package submission_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/submission"
)

// house is a relay that knows two recipients, and says how each message went.
type house struct {
	mu      sync.Mutex
	carried []carried
	open    int // passages
	errors  map[string]error
}

type carried struct {
	peer     submission.Peer
	envelope submission.Envelope
	message  string
}

type passage struct {
	house *house
	carried
}

func (h *house) relay(_ context.Context, peer submission.Peer, e submission.Envelope) (submission.Passage, error) {
	if e.ReversePath == "spammer@x.test" {
		return nil, &submission.Refusal{Code: 550, Enhanced: [3]int{5, 7, 1}, Sentence: "not from you"}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open++
	return &passage{house: h, carried: carried{peer: peer, envelope: e}}, nil
}

func (p *passage) Recipient(_ context.Context, to submission.ForwardPath) error {
	if strings.HasPrefix(to.Address, "nobody@") {
		return &submission.Refusal{Code: 550, Enhanced: [3]int{5, 1, 1}, Sentence: "nobody has this address"}
	}
	p.envelope.ForwardPaths = append(p.envelope.ForwardPaths, to)
	return nil
}

func (p *passage) Message(_ context.Context, message []byte) (string, []error) {
	p.message = string(message)
	p.house.mu.Lock()
	defer p.house.mu.Unlock()
	p.house.carried = append(p.house.carried, p.carried)
	var errs []error
	for _, to := range p.envelope.ForwardPaths {
		errs = append(errs, p.house.errors[to.Address])
	}
	return "queued as 4711", errs
}

func (p *passage) Close() {
	p.house.mu.Lock()
	defer p.house.mu.Unlock()
	p.house.open--
}

func (h *house) first(t *testing.T) carried {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.carried) == 0 {
		t.Fatal("nothing was carried")
	}
	return h.carried[0]
}

// newRelay serves one relay on loopback, or at a unix socket.
func newRelay(t testing.TB, network string, r submission.Relay, config *tls.Config) (*house, string) {
	t.Helper()
	h := &house{errors: map[string]error{
		"later@x.test": &submission.Refusal{Code: 452, Enhanced: [3]int{4, 2, 2}, Sentence: "the mailbox is full"},
		"never@x.test": &submission.Refusal{Code: 554, Enhanced: [3]int{5, 7, 0}, Sentence: "not this one"},
	}}
	s := &submission.Server{
		Backend: submission.Backend{Relay: h.relay}, Domain: "sealgate.test", TLS: config,
		Spool: newSpool(t, filepath.Join(t.TempDir(), "spool")), Log: slog.New(slog.DiscardHandler),
	}
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.ServeRelay(ctx, l, r); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		serving.Wait()
		if h.open != 0 {
			t.Errorf("%d passages were never closed", h.open)
		}
	})
	return h, l.Addr().String()
}

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func greet(t testing.TB, network, address string, config *tls.Config) *client {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the dialogue would fail
	if config != nil {
		conn = tls.Client(conn, config)
	}
	c := &client{t: t, Conn: conn, r: bufio.NewReader(conn)}
	c.want("220 sealgate.test")
	return c
}

// TestNeighbourTellsWhomItHasAMessageFrom: XFORWARD counts for one message and comes in one packet with what follows,
// as Postfix sends it.
func TestNeighbourTellsWhomItHasAMessageFrom(t *testing.T) {
	h, address := newRelay(t, "tcp", submission.Relay{Mode: submission.Plain, Networks: loopback()}, nil)
	c := greet(t, "tcp", address, nil)
	c.send("EHLO mx.desk.test\r\n")
	var offered []string
	for {
		line := c.want("250")
		offered = append(offered, line[4:])
		if line[3] == ' ' {
			break
		}
	}
	if all := strings.Join(offered, "|"); !strings.Contains(all, "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE|XCLIENT ") || strings.Contains(all, "AUTH") {
		t.Errorf("offered: %s", all)
	}
	c.send("XFORWARD NAME=out.customer.test ADDR=IPv6:2001:db8::1 PROTO=ESMTP HELO=a+2Bb\r\nMAIL FROM:<c@customer.test>\r\nRCPT TO:<support@desk.test>\r\nDATA\r\n")
	c.want("250 2.0.0 noted")
	c.want("250")
	c.want("250")
	c.want("354")
	c.send("From: c@customer.test\r\n\r\nXFORWARD NAME=no.command\r\n.\r\n")
	c.want("250 2.0.0 queued as 4711")
	got := h.first(t)
	want := submission.Client{Name: "out.customer.test", Address: "2001:db8::1", Protocol: "ESMTP", Hello: "a+b"}
	if got.peer.Client != want || got.peer.Remote != "127.0.0.1" || got.peer.Hello != "mx.desk.test" {
		t.Errorf("the peer is %+v", got.peer)
	}
	if got.message != "From: c@customer.test\r\n\r\nXFORWARD NAME=no.command\r\n" {
		t.Errorf("the message is %q", got.message)
	}
	c.say("MAIL FROM:<d@customer.test>", "250")
	c.say("XFORWARD NAME=late.test", "503 5.5.1")
}

// TestStrangersAreTurnedAway: a stranger may neither send nor tell anything.
func TestStrangersAreTurnedAway(t *testing.T) {
	_, address := newRelay(t, "tcp", submission.Relay{Mode: submission.Plain, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, nil)
	c := greet(t, "tcp", address, nil)
	c.say("HELO x", "250")
	c.say("MAIL FROM:<a@x.test>", "550 5.7.1 this door is for known mail servers")
}

// TestNeighbourIsKnownByItsKey: the certificate's key makes it known, wherever it connects from.
func TestNeighbourIsKnownByItsKey(t *testing.T) {
	known, print := clientCertificate(t)
	other, _ := clientCertificate(t)
	for _, mode := range []submission.Mode{submission.Implicit, submission.StartTLS} {
		_, address := newRelay(t, "tcp", submission.Relay{Mode: mode, Certificates: []string{print}}, certificate(t))
		for _, try := range []struct {
			certificates []tls.Certificate
			answer       string
		}{{[]tls.Certificate{known}, "250"}, {[]tls.Certificate{other}, "550 5.7.1"}, {nil, "550 5.7.1"}} {
			config := &tls.Config{InsecureSkipVerify: true, Certificates: try.certificates} //nolint:gosec // a test's own
			var c *client
			if mode == submission.Implicit {
				c = greet(t, "tcp", address, config)
			} else {
				c = greet(t, "tcp", address, nil)
				c.say("HELO x", "250")
				c.say("STARTTLS", "220")
				c.Conn = tls.Client(c.Conn, config)
				c.r = bufio.NewReader(c.Conn)
			}
			c.say("HELO mx.x", "250")
			c.say("MAIL FROM:<a@x.test>", try.answer)
		}
	}
}

func clientCertificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, hex.EncodeToString(sum[:])
}

// TestEachRecipientHasItsAnswer: LMTP tells the recipients apart; SMTP says what loses nobody.
func TestEachRecipientHasItsAnswer(t *testing.T) {
	_, address := newRelay(t, "unix", submission.Relay{Mode: submission.Plain, LMTP: true}, nil)
	c := greet(t, "unix", address, nil)
	c.say("LHLO mx", "250-Hello mx")
	for !strings.HasPrefix(c.want("250"), "250 ") {
	}
	c.say("MAIL FROM:<a@x.test>", "250")
	for _, to := range []string{"support", "later", "never", `"a b"`} {
		c.say(fmt.Sprintf("RCPT TO:<%s@x.test>", to), "250")
	}
	c.say("RCPT TO:<nobody@x.test>", "550 5.1.1")
	c.say("DATA", "354")
	c.send("From: a@x.test\r\n\r\nwords\r\n.\r\n")
	c.want("250 2.0.0 <support@x.test> queued as 4711")
	c.want("452 4.2.2 <later@x.test> the mailbox is full")
	c.want("554 5.7.0 <never@x.test> not this one")
	c.want("250 2.0.0 <a b@x.test> queued as 4711")
	c.say("QUIT", "221")
}

// TestOneAnswerForAllLosesNobody: where one may still get it, the neighbour keeps the message.
func TestOneAnswerForAllLosesNobody(t *testing.T) {
	for _, c := range []struct{ to, answer string }{
		{"support later never", "452 4.2.2"},
		{"support never", "554 5.7.0"},
		{"support", "250 2.0.0 queued as 4711"},
	} {
		_, address := newRelay(t, "tcp", submission.Relay{Mode: submission.Plain, Networks: loopback()}, nil)
		d := greet(t, "tcp", address, nil)
		d.say("HELO mx", "250")
		d.say("MAIL FROM:<a@x.test>", "250")
		for _, to := range strings.Fields(c.to) {
			d.say("RCPT TO:<"+to+"@x.test>", "250")
		}
		d.say("DATA", "354")
		d.send("From: a@x.test\r\n\r\nwords\r\n.\r\n")
		d.want(c.answer)
	}
}

// TestXCLIENTBeginsAnew: the greeting comes again, and what was told stays for all messages.
func TestXCLIENTBeginsAnew(t *testing.T) {
	h, address := newRelay(t, "tcp", submission.Relay{Mode: submission.Plain, Networks: loopback()}, nil)
	c := greet(t, "tcp", address, nil)
	c.say("HELO proxy", "250")
	c.say("XCLIENT ADDR=192.0.2.7 NAME=[UNAVAILABLE] LOGIN=clerk", "220 sealgate.test ESMTP")
	c.say("HELO client.test", "250")
	for range 2 {
		c.say("MAIL FROM:<a@x.test>", "250")
		c.say("RCPT TO:<b@x.test>", "250")
		c.say("DATA", "354")
		c.send("From: a@x.test\r\n\r\nwords\r\n.\r\n")
		c.want("250")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.carried {
		if m.peer.Client != (submission.Client{Address: "192.0.2.7", Login: "clerk"}) {
			t.Errorf("the client is %+v", m.peer.Client)
		}
	}
	for _, wrong := range []string{"ADDR=nowhere", "COLOUR=red", "NAME", "NAME=a+0Ab", "NAME=a+2", "NAME=" + strings.Repeat("a", 300)} {
		c.say("XCLIENT "+wrong, "501 5.5.4")
	}
}

// TestChunksAreNoCommands: what stands in a BDAT chunk is never taken for a command.
func TestChunksAreNoCommands(t *testing.T) {
	h, address := newRelay(t, "tcp", submission.Relay{Mode: submission.Plain, Networks: loopback()}, nil)
	c := greet(t, "tcp", address, nil)
	c.say("HELO mx", "250")
	c.say("MAIL FROM:<a@x.test>", "250")
	c.say("RCPT TO:<b@x.test>", "250")
	message := "From: a@x.test\r\n\r\nXCLIENT NAME=evil.test\r\nXFORWARD NAME=evil.test\r\n"
	c.send(fmt.Sprintf("BDAT %d\r\n%sBDAT %d LAST\r\n%s", len(message)-10, message[:len(message)-10], 10, message[len(message)-10:]))
	c.want("250")
	c.want("250 2.0.0 queued as 4711")
	if got := h.first(t); got.message != message || got.peer.Client != (submission.Client{}) {
		t.Errorf("carried %+v", got)
	}
}

// TestSwaksSpeaksLMTP drives the relay with a client of others.
func TestSwaksSpeaksLMTP(t *testing.T) {
	bed.Need(t, "swaks")
	h, address := newRelay(t, "tcp", submission.Relay{Mode: submission.Plain, LMTP: true, Networks: loopback()}, nil)
	host, port, _ := net.SplitHostPort(address)
	raw, err := exec.CommandContext(t.Context(), "swaks", "--protocol", "LMTP", "--server", host, "--port", port, "--from", "a@x.test", "--to", "b@x.test,never@x.test", "--body", "words").CombinedOutput()
	out := string(raw)
	if !strings.Contains(out, "554 5.7.0 <never@x.test> not this one") || !strings.Contains(out, "250 2.0.0 <b@x.test> queued as 4711") {
		t.Errorf("swaks ended with %v:\n%s", err, out)
	}
	if got := h.first(t); !got.peer.LMTP || !strings.Contains(got.message, "words") {
		t.Errorf("carried %+v", got)
	}
}
