package submission_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/keyring/seal"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a server whose backend knows one login and notes what is submitted.
type desk struct {
	addresses map[submission.Mode]string
	authority bed.Authority
	log       *bytes.Buffer

	mu        sync.Mutex
	submitted []submission.Submission
	answer    func(submission.Submission) error
}

func newDesk(t *testing.T, edit func(*submission.Server)) *desk {
	t.Helper()
	d := &desk{addresses: map[submission.Mode]string{}, authority: bed.NewAuthority(t), log: &bytes.Buffer{}}
	spool, err := seal.NewSpool(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(d.authority.CertPEM, d.authority.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	s := &submission.Server{
		Backend: submission.Backend{Authenticate: d.authenticate, MaySend: d.maySend, Submit: d.submit},
		Domain:  "sealgate.test", TLS: &tls.Config{Certificates: []tls.Certificate{pair}}, MaxMessageBytes: 1 << 20,
		Spool: spool, Log: slog.New(slog.NewTextHandler(d.log, nil)),
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
	t.Cleanup(func() { cancel(); serving.Wait() })
	return d
}

func (d *desk) authenticate(_ context.Context, login, password, _ string) (submission.Identity, error) {
	if login != "support" || password != "desk-password" {
		return submission.Identity{}, errors.New("no such login")
	}
	return submission.Identity{MailboxID: "m", GroupID: "g", Login: login}, nil
}

func (d *desk) maySend(_ context.Context, _ submission.Identity, reversePath string) error {
	if reversePath != "" && reversePath != "support@desk.test" {
		return &submission.Refusal{Code: 550, Enhanced: [3]int{5, 7, 1}, Sentence: "group Support may not send as " + reversePath}
	}
	return nil
}

func (d *desk) submit(_ context.Context, s submission.Submission) (submission.Receipt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.answer != nil {
		if err := d.answer(s); err != nil {
			return submission.Receipt{}, err
		}
	}
	d.submitted = append(d.submitted, s)
	return submission.Receipt{ArticleID: fmt.Sprintf("article-%d", len(d.submitted))}, nil
}

func (d *desk) messages() []submission.Submission {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]submission.Submission(nil), d.submitted...)
}

// TestTranscripts plays dialogues: "C: " lines are sent with CRLF, "S: " lines must be what comes back, "TLS" starts it.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			mode := submission.Plain
			if strings.Contains(name, "starttls") {
				mode = submission.StartTLS
			}
			d.play(t, file, mode)
		})
	}
}

func (d *desk) play(t *testing.T, file string, mode submission.Mode) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", d.addresses[mode])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { conn.Close() }()
	conn.SetDeadline(time.Now().Add(20 * time.Second)) //nolint:errcheck // the dialogue would fail
	r := bufio.NewReader(conn)
	for n, l := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		kind, rest, _ := strings.Cut(l, ": ")
		switch kind {
		case "#":
		case "C":
			if _, err := io.WriteString(conn, strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00").Replace(rest)+"\r\n"); err != nil {
				t.Fatalf("line %d: %v", n+1, err)
			}
		case "S":
			got, err := r.ReadString('\n')
			if got = strings.TrimRight(got, "\r\n"); got != rest {
				t.Fatalf("line %d: got %q (%v), want %q", n+1, got, err, rest)
			}
		case "TLS":
			secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a certificate made by this test
			conn, r = secured, bufio.NewReader(secured)
		case "END":
			if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
				t.Fatalf("line %d: the connection is still open (%v)", n+1, err)
			}
		default:
			if !strings.HasPrefix(l, "#") {
				t.Fatalf("line %d: %q is no transcript line", n+1, l)
			}
		}
	}
}

// dialogue opens a plain connection that is logged in and past RCPT, ready for DATA.
func (d *desk) dialogue(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", d.addresses[submission.Plain])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second)) //nolint:errcheck // the dialogue would fail
	r := bufio.NewReader(conn)
	login := base64.StdEncoding.EncodeToString([]byte("\x00support\x00desk-password"))
	for _, c := range []string{"", "HELO client.test", "AUTH PLAIN " + login, "MAIL FROM:<support@desk.test>", "RCPT TO:<a@x.test>"} {
		say(t, conn, r, c, "2")
	}
	say(t, conn, r, "DATA", "354")
	return conn, r
}

// say sends a line, unless it is empty, and wants a reply that begins so.
func say(t *testing.T, conn net.Conn, r *bufio.Reader, line, want string) string {
	t.Helper()
	if line != "" {
		if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	reply, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(reply, want) {
		t.Fatalf("after %q: %q, %v, want %s", line, reply, err, want)
	}
	return reply
}

// TestSmuggledTerminators: whatever some server takes for the end of a message gives one message or none, and never a
// bare CR or LF that goes on.
func TestSmuggledTerminators(t *testing.T) {
	for _, terminator := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n\x00.\r\n"} {
		t.Run(fmt.Sprintf("%q", terminator), func(t *testing.T) {
			d := newDesk(t, nil)
			conn, r := d.dialogue(t)
			smuggled := "From: support@desk.test\r\n\r\nfirst" + terminator +
				"MAIL FROM:<support@desk.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nFrom: evil@x.test\r\n\r\nsecond\r\n.\r\n"
			if _, err := io.WriteString(conn, smuggled); err != nil {
				t.Fatal(err)
			}
			if terminator == "\r\n.\r" {
				// QUIRK: the library drops the dot and the CR, so that one whole message without a bare CR is left.
				say(t, conn, r, "", "250")
			} else {
				say(t, conn, r, "", "550 5.6.0")
			}
			say(t, conn, r, "NOOP", "250")
			for i, m := range d.messages() {
				if i > 0 || !bytes.HasSuffix(m.Message, []byte("second\r\n")) || bytes.ContainsAny(bytes.ReplaceAll(m.Message, []byte("\r\n"), nil), "\r\n") {
					t.Errorf("message %d: %q", i, m.Message)
				}
			}
		})
	}
}

func TestOversizeByLength(t *testing.T) {
	d := newDesk(t, nil)
	conn, r := d.dialogue(t)
	go func() {
		line := strings.Repeat("x", 998) + "\r\n"
		for range 1100 {
			io.WriteString(conn, line) //nolint:errcheck // the reply is what counts
		}
		io.WriteString(conn, ".\r\n") //nolint:errcheck // the reply is what counts
	}()
	say(t, conn, r, "", "552 5.3.4")
	say(t, conn, r, "NOOP", "250")
	if len(d.messages()) != 0 {
		t.Error("an oversize message was taken")
	}
}

// TestAnswersAtData: refusals are said as they are, on one line of ASCII; unknown errors give nothing away.
func TestAnswersAtData(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"accepted":  {nil, "250 2.0.0 accepted as article-1"},
		"refused":   {&submission.Refusal{Code: 550, Enhanced: [3]int{5, 7, 1}, Sentence: "not sent: no usable certificate for a@x.test"}, "550 5.7.1 not sent: no usable certificate for a@x.test"},
		"odd words": {&submission.Refusal{Code: 550, Enhanced: [3]int{5, 7, 1}, Sentence: "für\r\n250 ok"}, "550 5.7.1 f?r??250 ok"},
		"unknown":   {errors.New("disk at sector 7 with secret-word"), "451 4.3.0 the mail gateway has a problem; nothing was lost, try again later"},
		"long":      {&submission.Refusal{Code: 550, Enhanced: [3]int{5, 7, 1}, Sentence: strings.Repeat("x", 5000)}, "550 5.7.1 " + strings.Repeat("x", 397) + "..."},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			d.answer = func(submission.Submission) error { return c.err }
			conn, r := d.dialogue(t)
			if got := say(t, conn, r, "From: support@desk.test\r\n\r\nwords\r\n.", ""); strings.TrimSpace(got) != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestMessageIsWhatWasSent: dots are unstuffed, long lines pass, nothing is added, and the spool is empty afterwards.
func TestMessageIsWhatWasSent(t *testing.T) {
	d := newDesk(t, nil)
	conn, r := d.dialogue(t)
	long := strings.Repeat("y", 100_000)
	say(t, conn, r, "From: support@desk.test\r\n\r\n..dot\r\n"+long+"\r\nfür\r\n.", "250")
	got := d.messages()
	if len(got) != 1 || string(got[0].Message) != "From: support@desk.test\r\n\r\n.dot\r\n"+long+"\r\nfür\r\n" {
		t.Fatalf("%d messages", len(got))
	}
	if got[0].Identity.Login != "support" || got[0].Envelope.ReversePath != "support@desk.test" || got[0].Hello != "client.test" {
		t.Errorf("%+v", got[0].Envelope)
	}
}

// TestListenersGuardPasswords: in clear on loopback only, and never without a certificate where one is needed.
func TestListenersGuardPasswords(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &submission.Server{Log: slog.New(slog.DiscardHandler)}
	if err := s.Serve(t.Context(), l, submission.Plain); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("plain on all addresses: %v", err)
	}
	if err := s.Serve(t.Context(), l, submission.StartTLS); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("starttls without a certificate: %v", err)
	}
}

func TestTooManyConnections(t *testing.T) {
	d := newDesk(t, func(s *submission.Server) { s.MaxConnections = 1 })
	first, err := net.Dial("tcp", d.addresses[submission.Plain])
	if err != nil {
		t.Fatal(err)
	}
	say(t, first, bufio.NewReader(first), "", "220")
	second, err := net.Dial("tcp", d.addresses[submission.Plain])
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	say(t, second, bufio.NewReader(second), "", "421")
	first.Close()
}

// TestSwaks sends with a client that people use, over each protected listener.
func TestSwaks(t *testing.T) {
	bed.Need(t, "swaks")
	d := newDesk(t, nil)
	for mode, flag := range map[submission.Mode]string{submission.Implicit: "--tls-on-connect", submission.StartTLS: "--tls"} {
		host, port, _ := net.SplitHostPort(d.addresses[mode])
		out, err := exec.CommandContext(t.Context(), "swaks", "--server", host, "--port", port, flag, "--auth", "LOGIN",
			"--auth-user", "support", "--auth-password", "desk-password", "--from", "support@desk.test", "--to", "a@x.test").CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", mode, err, out)
		}
	}
	if got := d.messages(); len(got) != 2 || !got[0].TLS {
		t.Errorf("%d messages", len(got))
	}
}

// FuzzConversation sends any bytes: no panic, and nothing is submitted with a bare CR, a bare LF or a NUL.
func FuzzConversation(f *testing.F) {
	login := base64.StdEncoding.EncodeToString([]byte("\x00support\x00desk-password"))
	begin := "EHLO x\r\nAUTH PLAIN " + login + "\r\nMAIL FROM:<support@desk.test>\r\nRCPT TO:<a@x.test>\r\n"
	f.Add(begin + "DATA\r\nFrom: a\r\n\r\nx\r\n.\r\nQUIT\r\n")
	f.Add(begin + "BDAT 5 LAST\r\na\r\nb\r\nQUIT\r\n")
	f.Add(begin + "DATA\r\na\r.\r\n.\r\n")
	f.Fuzz(func(t *testing.T, dialogue string) {
		d := newDesk(t, nil)
		conn, err := net.Dial("tcp", d.addresses[submission.Plain])
		if err != nil {
			t.Skip(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(2 * time.Second)) //nolint:errcheck // reading would end late
		io.WriteString(conn, dialogue)                    //nolint:errcheck // any outcome is fine
		conn.(*net.TCPConn).CloseWrite()                  //nolint:errcheck // any outcome is fine
		io.Copy(io.Discard, conn)                         //nolint:errcheck // any outcome is fine
		for _, s := range d.messages() {
			cleaned := bytes.ReplaceAll(s.Message, []byte("\r\n"), nil)
			if bytes.ContainsAny(cleaned, "\r\n\x00") {
				t.Fatalf("submitted %q", s.Message)
			}
		}
	})
}
