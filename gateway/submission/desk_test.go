package submission_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring/seal"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every dialogue of these tests.
const patience = 20 * time.Second

// desk is a server whose backend knows one login and notes what is submitted.
type desk struct {
	addresses map[submission.Mode]string
	log       *journal
	end       func() // ends the server and waits for it

	mu        sync.Mutex
	submitted []submission.Submission
	answer    func(submission.Submission) error // set before the first message
}

// journal is a log that several goroutines write and a test reads.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// newDesk serves all three modes; edit changes the server before it starts.
func newDesk(t testing.TB, edit func(*submission.Server)) *desk {
	t.Helper()
	d := &desk{addresses: map[submission.Mode]string{}, log: &journal{}}
	s := &submission.Server{
		Backend: submission.Backend{Authenticate: d.authenticate, MaySend: d.maySend, Submit: d.submit},
		Domain:  "sealgate.test", TLS: certificate(t), MaxMessageBytes: 1 << 20,
		Spool: newSpool(t, filepath.Join(t.TempDir(), "spool")), Log: slog.New(slog.NewTextHandler(d.log, nil)),
	}
	if edit != nil {
		edit(s)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var serving sync.WaitGroup
	for _, mode := range []submission.Mode{submission.Implicit, submission.StartTLS, submission.Plain} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		d.addresses[mode] = l.Addr().String()
		serving.Go(func() {
			if err := s.Serve(ctx, l, mode); err != nil {
				t.Errorf("serve: %v", err)
			}
		})
	}
	d.end = func() { cancel(); serving.Wait() }
	t.Cleanup(d.end)
	return d
}

func newSpool(t testing.TB, folder string) *seal.Spool {
	t.Helper()
	spool, err := seal.NewSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	return spool
}

func certificate(t testing.TB) *tls.Config {
	t.Helper()
	authority := bed.NewAuthority(t)
	pair, err := tls.X509KeyPair(authority.CertPEM, authority.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

func (d *desk) authenticate(_ context.Context, p submission.Presented, remote string) (submission.Identity, error) {
	if remote != "127.0.0.1" {
		return submission.Identity{}, fmt.Errorf("the remote address is %q", remote)
	}
	if p.Login != "support" || p.Secret != map[bool]string{false: "desk-password", true: "desk-token"}[p.Bearer] {
		return submission.Identity{}, groups.ErrLogin
	}
	return submission.Identity{MailboxID: "m", GroupID: "g", Login: p.Login}, nil
}

func (d *desk) maySend(_ context.Context, _ submission.Identity, reversePath string, _ int64) error {
	if reversePath != "" && reversePath != "support@desk.test" {
		return &submission.Refusal{Code: 550, Enhanced: [3]int{5, 7, 1}, Sentence: "group Support may not send as " + reversePath}
	}
	return nil
}

func (d *desk) submit(_ context.Context, s submission.Submission) (submission.Receipt, error) {
	if d.answer != nil {
		if err := d.answer(s); err != nil {
			return submission.Receipt{}, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.submitted = append(d.submitted, s)
	return submission.Receipt{ArticleID: fmt.Sprintf("article-%d", len(d.submitted))}, nil
}

func (d *desk) messages() []submission.Submission {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]submission.Submission(nil), d.submitted...)
}

// client is a raw SMTP client: it sends what it is told, right or wrong.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

// dial connects, with TLS where the mode begins with it, and reads the greeting.
func (d *desk) dial(t testing.TB, mode submission.Mode) *client {
	t.Helper()
	c := d.connect(t, mode)
	c.want("220 sealgate.test")
	return c
}

func (d *desk) connect(t testing.TB, mode submission.Mode) *client {
	t.Helper()
	conn, err := net.Dial("tcp", d.addresses[mode])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &client{t: t, Conn: conn, r: bufio.NewReader(conn)}
	c.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the dialogue would fail
	if mode == submission.Implicit {
		c.startTLS()
	}
	return c
}

func (c *client) startTLS() {
	secured := tls.Client(c.Conn, &tls.Config{
		InsecureSkipVerify:          true, //nolint:gosec // a certificate made by this test
		DynamicRecordSizingDisabled: true, // what is sent at once arrives at once
	})
	c.Conn, c.r = secured, bufio.NewReader(secured)
}

// send sends bytes as they are.
func (c *client) send(words string) {
	c.t.Helper()
	if _, err := io.WriteString(c, words); err != nil {
		c.t.Fatalf("send %.60q: %v", words, err)
	}
}

// want reads one reply line, which must begin so.
func (c *client) want(begin string) string {
	c.t.Helper()
	reply, err := c.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(reply, begin) {
		c.t.Fatalf("the reply is %.200q, %v, want %s", reply, err, begin)
	}
	return strings.TrimRight(reply, "\r\n")
}

// say sends a line and wants a reply that begins so.
func (c *client) say(line, begin string) string {
	c.t.Helper()
	c.send(line + "\r\n")
	return c.want(begin)
}

// wantEnd wants the server to have closed the connection.
func (c *client) wantEnd() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); len(rest) > 0 || (err != nil && c.isOpen(err)) {
		c.t.Fatalf("the connection is still open: %q, %v", rest, err)
	}
}

func (c *client) isOpen(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// plainLogin is the initial response of AUTH PLAIN.
func plainLogin(login, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + login + "\x00" + password))
}

// logIn says HELO and AUTH.
func (c *client) logIn() {
	c.t.Helper()
	c.say("HELO client.test", "250")
	c.say("AUTH PLAIN "+plainLogin("support", "desk-password"), "235")
}

// envelope says MAIL and RCPT.
func (c *client) envelope() {
	c.t.Helper()
	c.say("MAIL FROM:<support@desk.test>", "250")
	c.say("RCPT TO:<a@x.test>", "250")
}

// ready opens a plain connection that is logged in and past RCPT.
func (d *desk) ready(t testing.TB) *client {
	t.Helper()
	c := d.dial(t, submission.Plain)
	c.logIn()
	c.envelope()
	return c
}

const letter = "From: support@desk.test\r\n\r\nwords\r\n"
