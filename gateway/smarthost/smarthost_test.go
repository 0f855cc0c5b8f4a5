package smarthost_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/smarthost"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const message = "From: support@desk.test\r\nTo: customer@desk.test\r\nSubject: words\r\n\r\nThe answer.\r\n.dot\r\n"

func outgoing(t *testing.T, text string) pgpmime.Outgoing {
	t.Helper()
	o, err := pgpmime.Protect([]byte(text), pgpmime.ProtectRequest{Protection: pgpmime.Clear, Now: time.Now(), Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func envelope(to ...string) smarthost.Envelope {
	e := smarthost.Envelope{ReversePath: "support@desk.test"}
	for _, address := range to {
		e.Recipients = append(e.Recipients, smarthost.Recipient{Address: address})
	}
	return e
}

// scripted is a server that answers each command by its first word; "" closes the connection, "hang" says nothing.
type scripted map[string][]string

// polite is a server that takes everything.
func polite() scripted {
	return scripted{
		"": {"220 hop.test"}, "EHLO": {"250-hop.test\r\n250-8BITMIME\r\n250-SIZE 1000000\r\n250 AUTH PLAIN"}, "AUTH": {"235 ok"},
		"MAIL": {"250 ok"}, "RCPT": {"250 ok"}, "DATA": {"354 go on"}, ".": {"250 2.0.0 taken as 77"}, "QUIT": {"221 bye"},
	}
}

// with returns a copy that answers one command differently: the given answers one after another, the last for ever.
func (s scripted) with(command string, answers ...string) scripted {
	c := scripted{}
	for k, v := range s {
		c[k] = v
	}
	c[command] = answers
	return c
}

// serve plays the script to one connection and returns the address, and what was received once it ended.
func (s scripted) serve(t *testing.T) (address string, received func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		s.play(conn, &got)
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), func() string { l.Close(); <-done; return got.String() }
}

func (s scripted) play(conn net.Conn, got *bytes.Buffer) {
	r := bufio.NewReader(conn)
	used := map[string]int{}
	answer := func(command string) bool {
		answers := s[command]
		if len(answers) == 0 {
			answers = []string{"502 what"}
		}
		a := answers[min(used[command], len(answers)-1)]
		used[command]++
		switch a {
		case "":
			return false
		case "hang":
			r.ReadByte() //nolint:errcheck // until the client gives up
			return false
		}
		fmt.Fprintf(conn, "%s\r\n", a)
		return true
	}
	if !answer("") {
		return
	}
	for inData := false; ; {
		l, err := r.ReadString('\n')
		if err != nil {
			return
		}
		got.WriteString(l)
		command, _, _ := strings.Cut(strings.TrimRight(l, "\r\n"), " ")
		if inData && l != ".\r\n" {
			continue
		}
		if inData = strings.EqualFold(command, "DATA"); !answer(strings.ToUpper(command)) {
			return
		}
	}
}

func hopTo(address string) smarthost.Hop {
	return smarthost.Hop{Address: address, TLS: smarthost.None, Hello: "sealgate.test", Timeout: 2 * time.Second}
}

// TestAnswersBecomeResults: what the hop says at each step becomes the right outcome for each recipient.
func TestAnswersBecomeResults(t *testing.T) {
	for name, c := range map[string]struct {
		script scripted
		want   string
	}{
		"taken":               {polite(), "a relayed 2.0.0, b relayed 2.0.0"},
		"one refused":         {polite().with("RCPT", "550 5.1.1 no such user", "250 ok"), "a failed 5.1.1, b relayed 2.0.0"},
		"one deferred":        {polite().with("RCPT", "250 ok", "450 4.2.1 later"), "a relayed 2.0.0, b deferred 4.2.1"},
		"all refused":         {polite().with("RCPT", "550 no"), "a failed 5.0.0, b failed 5.0.0"},
		"sender refused":      {polite().with("MAIL", "553 5.7.1 not you"), "a failed 5.7.1, b failed 5.7.1"},
		"busy":                {polite().with("MAIL", "451 4.3.2 busy"), "a deferred 4.3.2, b deferred 4.3.2"},
		"content refused":     {polite().with(".", "554 5.6.0 spam"), "a failed 5.6.0, b failed 5.6.0"},
		"disk full there":     {polite().with(".", "452 4.3.1 full"), "a deferred 4.3.1, b deferred 4.3.1"},
		"DATA refused":        {polite().with("DATA", "503 5.5.1 no"), "a failed 5.5.1, b failed 5.5.1"},
		"wrong class":         {polite().with(".", "550 2.0.0 odd"), "a failed 5.0.0, b failed 5.0.0"},
		"no greeting":         {polite().with("", ""), "a deferred 4.4.1, b deferred 4.4.1"},
		"greeting 554":        {polite().with("", "554 go away"), "a deferred 4.4.1, b deferred 4.4.1"},
		"garbage":             {polite().with("", "\x00\xff garbage"), "a deferred 4.4.1, b deferred 4.4.1"},
		"cut at MAIL":         {polite().with("MAIL", ""), "a deferred 4.4.2, b deferred 4.4.2"},
		"cut at second RCPT":  {polite().with("RCPT", "250 ok", ""), "a deferred 4.4.2, b deferred 4.4.2"},
		"cut at DATA":         {polite().with("DATA", ""), "a deferred 4.4.2, b deferred 4.4.2"},
		"reply lost":          {polite().with(".", ""), "a uncertain 4.4.2, b uncertain 4.4.2"},
		"cut after the reply": {polite().with("QUIT", ""), "a relayed 2.0.0, b relayed 2.0.0"},
		"too small":           {polite().with("EHLO", "250-hop.test\r\n250 SIZE 20"), "a failed 5.3.4, b failed 5.3.4"},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := c.script.serve(t)
			var got []string
			for _, r := range smarthost.Send(t.Context(), hopTo(address), envelope("a", "b"), outgoing(t, message)) {
				got = append(got, fmt.Sprintf("%s %s %s", r.Address, r.Outcome, r.Code))
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), c.want)
			}
		})
	}
}

// TestWhatIsSent: the envelope and the message arrive as they are, dots stuffed.
func TestWhatIsSent(t *testing.T) {
	address, received := polite().serve(t)
	hop := hopTo(address)
	hop.Username, hop.Password = "u", "p"
	smarthost.Send(t.Context(), hop, envelope(`"a b"@x.test`), outgoing(t, message))
	got := received()
	for _, want := range []string{
		"EHLO sealgate.test\r\n", "MAIL FROM:<support@desk.test> BODY=8BITMIME SIZE=", "RCPT TO:<\"a b\"@x.test>\r\n",
		strings.Replace(message, "\r\n.dot", "\r\n..dot", 1) + ".\r\n", "QUIT\r\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q was not sent:\n%s", want, got)
		}
	}
}

// TestNothingUnprotectedLeaves: the zero Outgoing and bare line ends fail before any connection.
func TestNothingUnprotectedLeaves(t *testing.T) {
	for name, o := range map[string]pgpmime.Outgoing{"zero": {}, "bare CR": outgoing(t, "From: a\r\n\r\nx\rMAIL\r\n")} {
		for _, r := range smarthost.Send(t.Context(), hopTo("127.0.0.1:1"), envelope("a"), o) {
			if r.Outcome != smarthost.Failed || r.Code != "5.6.0" {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

// TestProblemsAreSaid: what is wrong with the hop is a sentence with its remedy, and the mail stays in the queue.
func TestProblemsAreSaid(t *testing.T) {
	good := bed.NewAuthority(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(good.CertPEM)
	secured := func(certPEM, keyPEM []byte) string {
		pair, err := tls.X509KeyPair(certPEM, keyPEM)
		if err != nil {
			t.Fatal(err)
		}
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				polite().play(conn, &bytes.Buffer{})
				conn.Close()
			}
		}()
		t.Cleanup(func() { l.Close(); <-done })
		return l.Addr().String()
	}
	silent, _ := polite().with("", "hang").serve(t)
	stripped, _ := polite().serve(t)
	refused, _ := polite().with("AUTH", "535 5.7.8 no").serve(t)
	expired, other := madeCertificate(t, "127.0.0.1", -2*time.Hour), madeCertificate(t, "10.9.9.9", time.Hour)
	for name, c := range map[string]struct {
		hop  smarthost.Hop
		want string
	}{
		"nobody listens":     {smarthost.Hop{Address: "127.0.0.1:1", TLS: smarthost.None}, "cannot connect"},
		"no port":            {smarthost.Hop{Address: "127.0.0.1", TLS: smarthost.None}, "host:port"},
		"silent":             {hopTo(silent), "did not greet"},
		"STARTTLS stripped":  {smarthost.Hop{Address: stripped, TLS: smarthost.StartTLS}, "does not offer STARTTLS"},
		"login refused":      {smarthost.Hop{Address: refused, TLS: smarthost.None, Username: "u", Password: "p"}, "refused our login"},
		"unknown authority":  {smarthost.Hop{Address: secured(good.CertPEM, good.KeyPEM), TLS: smarthost.Implicit}, "unknown authority"},
		"good authority":     {smarthost.Hop{Address: secured(good.CertPEM, good.KeyPEM), TLS: smarthost.Implicit, Roots: roots}, ""},
		"expired":            {smarthost.Hop{Address: secured(expired.cert, expired.key), TLS: smarthost.Implicit, Roots: expired.roots}, "expired"},
		"another name":       {smarthost.Hop{Address: secured(other.cert, other.key), TLS: smarthost.Implicit, Roots: other.roots}, "another name"},
		"not TLS at all":     {smarthost.Hop{Address: plainServer(t), TLS: smarthost.Implicit}, "does not speak TLS"},
		"unknown TLS choice": {smarthost.Hop{Address: plainServer(t), TLS: "maybe"}, "unknown TLS choice"},
	} {
		t.Run(name, func(t *testing.T) {
			c.hop.Timeout, c.hop.Hello = 2*time.Second, "sealgate.test"
			err := smarthost.Check(t.Context(), c.hop)
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("check: %v, want %q", err, c.want)
			}
			if c.want == "" || strings.HasPrefix(name, "silent") || strings.HasPrefix(name, "STARTTLS") || strings.HasPrefix(name, "login") {
				return
			}
			for _, r := range smarthost.Send(t.Context(), c.hop, envelope("a"), outgoing(t, message)) {
				if r.Outcome != smarthost.Deferred || !strings.Contains(r.Reply, c.want) {
					t.Errorf("send: %+v", r)
				}
			}
		})
	}
}

// plainServer greets in clear.
func plainServer(t *testing.T) string {
	t.Helper()
	address, _ := polite().serve(t)
	return address
}

// TestCancelEndsAnAttempt: a hop that hangs does not hold us.
func TestCancelEndsAnAttempt(t *testing.T) {
	address, _ := polite().with(".", "hang").serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	hop := hopTo(address)
	hop.Timeout = time.Minute
	for _, r := range smarthost.Send(ctx, hop, envelope("a"), outgoing(t, message)) {
		if r.Outcome != smarthost.Uncertain {
			t.Errorf("%+v", r)
		}
	}
}

// TestPostfix relays through a real server with STARTTLS and login.
func TestPostfix(t *testing.T) {
	bed.Need(t, "postfix", "dovecot")
	authority := bed.NewAuthority(t)
	dovecot := bed.StartDovecot(t, authority, "support", "customer")
	postfix := bed.StartPostfix(t, authority, dovecot)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.CertPEM)
	hop := smarthost.Hop{Address: postfix.SMTP, TLS: smarthost.StartTLS, Roots: roots, Username: "support", Password: "secret", Hello: "sealgate.test"}
	if err := smarthost.Check(t.Context(), hop); err != nil {
		t.Fatal(err)
	}
	for _, r := range smarthost.Send(t.Context(), hop, envelope("customer@desk.test"), outgoing(t, message)) {
		if r.Outcome != smarthost.Relayed {
			t.Errorf("%+v", r)
		}
	}
	hop.Password = "wrong"
	if err := smarthost.Check(t.Context(), hop); err == nil || !strings.Contains(err.Error(), "refused our login") {
		t.Errorf("wrong password: %v", err)
	}
}
