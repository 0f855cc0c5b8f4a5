package smarthost_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/smarthost"
)

// TestProblemsAreSaid: what is wrong with the hop is a sentence with its remedy, and the mail stays in the queue.
func TestProblemsAreSaid(t *testing.T) {
	good := bed.NewAuthority(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(good.CertPEM)
	answers := func(s scripted) string { address, _ := s.serve(t); return address }
	secured := func(certPEM, keyPEM []byte) string { return polite().serveTLS(t, certPEM, keyPEM) }
	goodServer := secured(good.CertPEM, good.KeyPEM)
	expired, future := madeCertificate(t, "127.0.0.1", -48*time.Hour, -2*time.Hour), madeCertificate(t, "127.0.0.1", time.Hour, 2*time.Hour)
	right, other := madeCertificate(t, "127.0.0.1", -time.Hour, time.Hour), madeCertificate(t, "10.9.9.9", -time.Hour, time.Hour)
	const none, starttls, implicit = smarthost.None, smarthost.StartTLS, smarthost.Implicit
	for name, c := range map[string]struct {
		hop  func() smarthost.Hop // a scripted server answers once, so each use gets its own
		want string
		code string
	}{
		"nobody listens":    {func() smarthost.Hop { return smarthost.Hop{Address: "127.0.0.1:1", TLS: none} }, "cannot connect", "4.4.1"},
		"no port":           {func() smarthost.Hop { return smarthost.Hop{Address: "127.0.0.1", TLS: none} }, "host:port", "4.3.5"},
		"greeting refused":  {func() smarthost.Hop { return hopTo(answers(polite().with("", "554 5.7.1 you are blocked"))) }, "you are blocked", "4.4.2"},
		"STARTTLS stripped": {func() smarthost.Hop { return smarthost.Hop{Address: answers(polite()), TLS: starttls} }, "does not offer STARTTLS", "4.7.4"},
		"STARTTLS refused": {func() smarthost.Hop {
			return smarthost.Hop{Address: answers(polite().with("EHLO", "250-hop.test\r\n250 STARTTLS").with("STARTTLS", "454 no TLS today")), TLS: starttls}
		}, "no TLS today", "4.7.4"},
		"login refused": {func() smarthost.Hop {
			return loginTo(answers(polite().with("AUTH", "535 5.7.8 no such user")))
		}, "refused our login; check user name and password of this mailbox: 535 no such user", "4.7.0"},
		"login later": {func() smarthost.Hop { return loginTo(answers(polite().with("AUTH", "454 busy"))) }, "could not check our login", "4.7.0"},
		"login cut":   {func() smarthost.Hop { return loginTo(answers(polite().with("AUTH", ""))) }, "during the login", "4.4.2"},
		"no login offered": {func() smarthost.Hop {
			return loginTo(answers(polite().with("EHLO", "250-hop.test\r\n250 AUTH GSSAPI")))
		}, "offers no login", "4.7.0"},
		"unknown authority": {func() smarthost.Hop { return smarthost.Hop{Address: goodServer, TLS: implicit} }, "unknown authority", "4.7.5"},
		"good authority":    {func() smarthost.Hop { return smarthost.Hop{Address: goodServer, TLS: implicit, Roots: roots} }, "", ""},
		"certificate for the address only": {func() smarthost.Hop {
			return smarthost.Hop{Address: secured(right.cert, right.key), TLS: implicit, Roots: right.roots}
		}, "", ""},
		"expired": {func() smarthost.Hop {
			return smarthost.Hop{Address: secured(expired.cert, expired.key), TLS: implicit, Roots: expired.roots}
		}, "expired on " + time.Now().Add(-2*time.Hour).UTC().Format(time.DateOnly), "4.7.5"},
		"not yet valid": {func() smarthost.Hop {
			return smarthost.Hop{Address: secured(future.cert, future.key), TLS: implicit, Roots: future.roots}
		}, "not valid before", "4.7.5"},
		"another name": {func() smarthost.Hop {
			return smarthost.Hop{Address: secured(other.cert, other.key), TLS: implicit, Roots: other.roots}
		}, "is for 10.9.9.9, not for 127.0.0.1", "4.7.5"},
		"not TLS at all":     {func() smarthost.Hop { return smarthost.Hop{Address: answers(polite()), TLS: implicit} }, "does not speak TLS", "4.7.5"},
		"unknown TLS choice": {func() smarthost.Hop { return smarthost.Hop{Address: answers(polite()), TLS: "maybe"} }, "unknown TLS choice", "4.3.5"},
		"no TLS choice":      {func() smarthost.Hop { return smarthost.Hop{Address: answers(polite())} }, "unknown TLS choice", "4.3.5"},
	} {
		t.Run(name, func(t *testing.T) {
			hop := c.hop()
			hop.Timeout, hop.Hello = 2*time.Second, "sealgate.test"
			err := smarthost.Check(t.Context(), hop)
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("check: %v, want %q", err, c.want)
			}
			if c.want == "" {
				return
			}
			again := c.hop()
			again.Timeout, again.Hello = hop.Timeout, hop.Hello
			for _, r := range smarthost.Send(t.Context(), again, envelope("a"), outgoing(t, message)) {
				if r.Outcome != smarthost.Deferred || !strings.Contains(r.Reply, c.want) || r.Code != c.code {
					t.Errorf("send: %+v, want %s %q", r, c.code, c.want)
				}
			}
		})
	}
}

func loginTo(address string) smarthost.Hop {
	hop := hopTo(address)
	hop.Username, hop.Password = "u", "p"
	return hop
}

// TestClearIsForLoopback: not even EHLO is said in clear to another host, and never a password.
func TestClearIsForLoopback(t *testing.T) {
	address := ownAddress(t)
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	said := make(chan []byte)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			said <- nil
			return
		}
		defer conn.Close()
		io.WriteString(conn, "220 hop.test\r\n") //nolint:errcheck // the client has gone
		b, _ := io.ReadAll(conn)
		said <- b
	}()
	err = smarthost.Check(t.Context(), loginTo(l.Addr().String()))
	if err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("check: %v", err)
	}
	l.Close()
	if b := <-said; len(b) > 0 {
		t.Errorf("said %q", b)
	}
}

// ownAddress is an address of this machine that is not loopback.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	t.Skip("this machine has loopback addresses only")
	return ""
}

// tlsAfter serves one connection: a dialogue in clear up to STARTTLS and its reply, then the script under TLS. What was
// said in clear comes back.
func tlsAfter(t *testing.T, reply string, certPEM, keyPEM []byte, script scripted) (address string, clear <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config, heard, done := settings(t, certPEM, keyPEM), make(chan string, 1), make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		io.WriteString(conn, "220 hop.test\r\n") //nolint:errcheck // reading fails then
		hello, _ := r.ReadString('\n')
		io.WriteString(conn, "250-hop.test\r\n250-AUTH PLAIN\r\n250 starttls\r\n") //nolint:errcheck // reading fails then
		command, _ := r.ReadString('\n')
		heard <- hello + command
		io.WriteString(conn, reply) //nolint:errcheck // the handshake fails then
		secured := tls.Server(conn, config)
		if secured.Handshake() == nil {
			script.playAfterGreeting(secured)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), heard
}

// playAfterGreeting plays a script without its greeting, which came before TLS.
func (s scripted) playAfterGreeting(conn net.Conn) {
	greeted := &withoutFirstLine{Conn: conn}
	s.play(greeted, &bytes.Buffer{}, nil)
}

type withoutFirstLine struct {
	net.Conn
	begun bool
}

func (w *withoutFirstLine) Write(p []byte) (int, error) {
	if !w.begun {
		w.begun = true
		return len(p), nil
	}
	return w.Conn.Write(p)
}

// TestSTARTTLS: our own name is said before and after, and bytes that came in clear behind the reply to STARTTLS end
// the attempt (RFC 3207, section 6; CVE-2011-0411 is the server's side of it).
func TestSTARTTLS(t *testing.T) {
	authority := bed.NewAuthority(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.CertPEM)
	for name, c := range map[string]struct{ reply, want string }{
		"honest":                   {"220 go on\r\n", "a relayed 2.0.0"},
		"capabilities behind it":   {"220 go on\r\n250-hop.test\r\n250 AUTH PLAIN\r\n", "a deferred 4.7.5"},
		"a half line behind it":    {"220 go on\r\n2", "a deferred 4.7.5"},
		"capabilities inside it":   {"220\r\n250-hop.test\r\n250 AUTH PLAIN\r\n", "a deferred 4.4.2"},
		"a refusal":                {"454 not now\r\n", "a deferred 4.7.4"},
		"a reply of several lines": {"220-go\r\n220 on\r\n", "a relayed 2.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			address, clear := tlsAfter(t, c.reply, authority.CertPEM, authority.KeyPEM, polite())
			hop := loginTo(address)
			hop.TLS, hop.Roots = smarthost.StartTLS, roots
			got := smarthost.Send(t.Context(), hop, envelope("a"), outgoing(t, message))
			if outcomes(got) != c.want {
				t.Errorf("got %+v, want %s", got, c.want)
			}
			if said := <-clear; said != "EHLO sealgate.test\r\nSTARTTLS\r\n" {
				t.Errorf("in clear we said %q", said)
			}
		})
	}
}

// TestOldTLSIsRefused: TLS 1.1 is no protection.
func TestOldTLSIsRefused(t *testing.T) {
	authority := bed.NewAuthority(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.CertPEM)
	config := settings(t, authority.CertPEM, authority.KeyPEM)
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 //nolint:gosec // what is tested
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := l.Accept(); err == nil {
			conn.(*tls.Conn).Handshake() //nolint:errcheck // it must fail
			conn.Close()
		}
	}()
	hop := smarthost.Hop{Address: l.Addr().String(), TLS: smarthost.Implicit, Roots: roots, Timeout: 2 * time.Second}
	if err := smarthost.Check(t.Context(), hop); err == nil || !strings.Contains(err.Error(), "does not speak TLS 1.2") {
		t.Errorf("check: %v", err)
	}
	<-done
}

// TestLoginMechanisms: LOGIN where PLAIN is not offered, whatever words the server asks with.
func TestLoginMechanisms(t *testing.T) {
	login := polite().with("EHLO", "250-hop.test\r\n250 AUTH GSSAPI LOGIN").with("AUTH", "334 VXNlciBOYW1lAA==").
		with("DQ==", "334 UGFzc3dvcmQA").with("CA==", "235 ok")
	address, received := login.serve(t)
	if err := smarthost.Check(t.Context(), loginTo(address)); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("EHLO sealgate.test\r\nAUTH LOGIN\r\n%s\r\n%s\r\nQUIT\r\n", "dQ==", "cA=="); received() != want {
		t.Errorf("said %q", received())
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
	const want = "customer@desk.test relayed 2.0.0, nobody-there@desk.test failed 5.1.1"
	if got := outcomes(smarthost.Send(t.Context(), hop, envelope("customer@desk.test", "nobody-there@desk.test"), outgoing(t, message))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := arrived(t, dovecot, "customer"); !bytes.HasSuffix(got, []byte("\r\n\r\nThe answer.\r\n.dot\r\n")) {
		t.Errorf("arrived: %q", got)
	}
	hop.Password = "wrong"
	if err := smarthost.Check(t.Context(), hop); err == nil || !strings.Contains(err.Error(), "refused our login") {
		t.Errorf("wrong password: %v", err)
	}
	hop.Username = ""
	if got := outcomes(smarthost.Send(t.Context(), hop, envelope("customer@desk.test"), outgoing(t, message))); got != "customer@desk.test failed 5.7.1" {
		t.Errorf("without a login: %s", got)
	}
}

// arrived waits for a message in a user's mailbox.
func arrived(t *testing.T, d *bed.Dovecot, user string) []byte {
	t.Helper()
	end := time.NewTimer(20 * time.Second)
	defer end.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if got := d.Messages(t, user, "INBOX"); len(got) > 0 {
			return got[0]
		}
		select {
		case <-end.C:
			t.Fatal("nothing arrived")
		case <-again.C:
		}
	}
}
