package smarthost_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/smarthost"
)

// hostile is a server that says something first and then works against us with what follows.
func hostile(t *testing.T, first string, then func(conn net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, first) //nolint:errcheck // the client has gone
		then(conn)
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// drip says one byte after another, each soon enough to look alive, until the client has gone.
func drip(conn net.Conn) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for range again.C {
		if _, err := conn.Write([]byte("x")); err != nil {
			return
		}
	}
}

// endless says the same for ever.
func endless(text string) func(net.Conn) {
	return func(conn net.Conn) {
		for {
			if _, err := conn.Write(bytes.Repeat([]byte(text), 1000)); err != nil {
				return
			}
		}
	}
}

// TestHostileAnswers: an answer that never ends, in bytes or in time, ends the attempt, in clear and before TLS. The mail
// stays in the queue.
func TestHostileAnswers(t *testing.T) {
	const greeting, hello = "220 hop.test\r\n", "220 hop.test\r\n250-hop.test\r\n"
	for name, c := range map[string]struct {
		first string
		then  func(net.Conn)
	}{
		"a greeting that drips":        {"220-", drip},
		"an EHLO answer that drips":    {greeting + "250-", drip},
		"a greeting without an end":    {"220 ", endless("x")},
		"an EHLO line without an end":  {greeting + "250-", endless("x")},
		"EHLO lines without an end":    {hello, endless("250-X\r\n")},
		"lines of nothing but newline": {greeting, endless("\n")},
		"bytes that are zero":          {"", endless("\x00")},
	} {
		for _, choice := range []smarthost.TLS{smarthost.None, smarthost.StartTLS, smarthost.Implicit, smarthost.Opportunistic} {
			t.Run(name+", "+string(choice), func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // far more than the hop's own limit
				defer cancel()
				hop := smarthost.Hop{Address: hostile(t, c.first, c.then), TLS: choice, Hello: "sealgate.test", Timeout: 500 * time.Millisecond}
				got := smarthost.Send(ctx, hop, envelope("a"), outgoing(t, message))
				if got[0].Outcome != smarthost.Deferred || ctx.Err() != nil {
					t.Errorf("got %+v, %v", got, ctx.Err())
				}
			})
		}
	}
}

// TestWordsAreMadeSafe: what a server says is shown without its control characters, and not at any length.
func TestWordsAreMadeSafe(t *testing.T) {
	for said, want := range map[string]string{
		"550 5.1.1 \x1b[31mno\x07 such\tuser\x7f": "550 ?[31mno? such user?",
		"550-5.1.1 one\r\n550 5.1.1 two":          "550 one two",
		"550 " + strings.Repeat("é", 900):         "550 " + strings.Repeat("?", 393) + "...",
	} {
		address, _ := polite().with("RCPT", said).serve(t)
		if got := smarthost.Send(t.Context(), hopTo(address), envelope("a"), outgoing(t, message)); got[0].Reply != want || got[0].Outcome != smarthost.Failed {
			t.Errorf("%q became %q, want %q", said, got[0].Reply, want)
		}
	}
}

// TestInjectedBeforeTLS: bytes behind the EHLO answer, before TLS was even asked for, end the attempt too; opportunistic
// TLS does not do without TLS because of them.
func TestInjectedBeforeTLS(t *testing.T) {
	for _, choice := range []smarthost.TLS{smarthost.StartTLS, smarthost.Opportunistic} {
		for name, first := range map[string]string{
			"with STARTTLS": "220 hop.test\r\n250-hop.test\r\n250 STARTTLS\r\n220 go\r\n", "without": "220 hop.test\r\n250 hop.test\r\n250 ok\r\n",
		} {
			address := hostile(t, first, func(conn net.Conn) { io.Copy(io.Discard, conn) }) //nolint:errcheck // until the client goes
			hop := hopTo(address)
			hop.TLS = choice
			if got := outcomes(smarthost.Send(t.Context(), hop, envelope("a"), outgoing(t, message))); got != "a deferred 4.7.5" {
				t.Errorf("%s, %s: %s", choice, name, got)
			}
		}
	}
}
