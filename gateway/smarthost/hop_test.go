package smarthost_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

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

// scripted is a server that answers each command by its first word; "" closes the connection, "hang" says nothing,
// "reset" breaks the connection, "flood" never stops. After an answer that ends in "then cut" or "read no more" it does so.
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
	done, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		s.play(conn, &got, stop)
	}()
	t.Cleanup(func() { l.Close(); close(stop); <-done })
	return l.Addr().String(), func() string { l.Close(); <-done; return got.String() }
}

func (s scripted) play(conn net.Conn, got *bytes.Buffer, stop <-chan struct{}) {
	r := bufio.NewReader(conn)
	used, inData := map[string]int{}, false
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
		case "reset":
			conn.(*net.TCPConn).SetLinger(0) //nolint:errcheck // it is closed next
			return false
		case "flood":
			for {
				if _, err := conn.Write(bytes.Repeat([]byte("250-flood\r\n"), 1000)); err != nil {
					return false
				}
			}
		}
		fmt.Fprintf(conn, "%s\r\n", a)
		inData = strings.HasPrefix(a, "354")
		if strings.HasSuffix(a, "read no more") {
			<-stop
			return false
		}
		return !strings.HasSuffix(a, "then cut")
	}
	if !answer("") {
		return
	}
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return
		}
		got.WriteString(l)
		command, _, _ := strings.Cut(strings.TrimRight(l, "\r\n"), " ")
		if inData && l != ".\r\n" {
			continue
		}
		if !answer(strings.ToUpper(command)) {
			return
		}
	}
}

func hopTo(address string) smarthost.Hop {
	return smarthost.Hop{Address: address, TLS: smarthost.None, Hello: "sealgate.test", Timeout: 2 * time.Second}
}

// serveTLS plays the script to every connection, under TLS from the first byte, and returns the address.
func (s scripted) serveTLS(t *testing.T, certPEM, keyPEM []byte) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", settings(t, certPEM, keyPEM))
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
			s.play(conn, &bytes.Buffer{}, nil)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func settings(t *testing.T, certPEM, keyPEM []byte) *tls.Config {
	t.Helper()
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// outcomes writes results as "address outcome code, …".
func outcomes(results []smarthost.Result) string {
	var all []string
	for _, r := range results {
		all = append(all, fmt.Sprintf("%s %s %s", r.Address, r.Outcome, r.Code))
	}
	return strings.Join(all, ", ")
}
