package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/groups"
)

// The load: what smtp-source sends to each side.
const (
	benchSessions = "16"
	benchSize     = "20480"
	benchMessages = 1500
)

// TestRelayBenchmarksDocument writes docs/benchmarks-relay.md. It asserts nothing: how fast a machine is proves no code
// wrong.
func TestRelayBenchmarksDocument(t *testing.T) {
	if os.Getenv("SEALGATE_WRITE_DOCS") != "1" {
		t.Skip("it measures for minutes and writes docs/benchmarks-relay.md; run make bench")
	}
	bed.Need(t, "smtp-source")
	s := newPeers(t)
	sink := startCounter(t)
	s.config = s.newConfig()
	s.config.Log.Level = "error"
	s.config.Listen.Relay = []string{"127.0.0.1:0 plain out trust=127.0.0.1"}
	s.start()
	s.fill(func(g *groups.Group) {
		g.Sign, g.Encrypt, g.AutoSign, g.AutoEncrypt = groups.On, groups.On, groups.On, groups.On
	})
	s.sendsTo(sink.address)
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	s.postfix.Set(t, "virtual_mailbox_domains=", "default_transport=smtp:"+bracketed(sink.address), "relay_domains=desk.test", "relay_transport=smtp:"+bracketed(sink.address))

	rows := ""
	for range 3 { // in turns
		ours, oursIn := s.load(s.address("relay", "plain"), sink)
		theirs, theirsIn := s.load(s.postfix.Inside, sink)
		rows += fmt.Sprintf("| %.0f | %.0f | %.2f | %.0f | %.0f |\n", ours, theirs, ours/theirs, oursIn, theirsIn)
	}
	document := relayIntroduction + rows
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "benchmarks-relay.md"), []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Log(document)
}

const relayIntroduction = `# Benchmarks of the way through

Written by ` + "`make bench`" + `. smtp-source sends 1,500 messages of 20 KB in 16 sessions, and the clock stops when the last one has
arrived at the next server, which only counts. Sealgate signs and encrypts each one to a Curve25519 certificate, seals it, and keeps
an article and a log entry; its database is SQLite, synced at each commit. Postfix passes them on through its default queue.

| Sealgate, messages a second | Postfix | ratio | Sealgate, accepted a second | Postfix, accepted |
|---|---|---|---|---|
`

// sendsTo makes a plain local server the next hop of the group.
func (s *site) sendsTo(address string) {
	s.t.Helper()
	all, err := s.parts.gateway.ListMailboxes(s.t.Context(), cli)
	if err != nil {
		s.t.Fatal(err)
	}
	mailbox := all[0].Mailbox
	mailbox.IMAP, mailbox.SMTP = groups.Upstream{}, groups.Upstream{Address: address, TLS: groups.TLSNone}
	if _, err := s.parts.gateway.SaveMailbox(s.t.Context(), cli, gateway.MailboxRequest{Mailbox: mailbox}); err != nil {
		s.t.Fatal(err)
	}
}

// load sends the load and returns how many messages a second arrived, and were accepted.
func (s *site) load(address string, sink *counter) (through, accepted float64) {
	s.t.Helper()
	before := sink.count.Load()
	start := time.Now()
	out, err := exec.Command("smtp-source", "-s", benchSessions, "-l", benchSize, "-m", fmt.Sprint(benchMessages), //nolint:gosec // our own arguments
		"-f", support, "-t", customer, strings.Replace(address, "127.0.0.1", "inet:127.0.0.1", 1)).CombinedOutput()
	if err != nil {
		s.t.Fatalf("smtp-source: %v\n%s", err, out)
	}
	accepted = benchMessages / time.Since(start).Seconds()
	for sink.count.Load() < before+benchMessages {
		select {
		case <-sink.more:
		case <-time.After(patience):
			s.t.Fatalf("%d of %d arrived", sink.count.Load()-before, benchMessages)
		}
	}
	return benchMessages / time.Since(start).Seconds(), accepted
}

// counter is a mail server that counts.
type counter struct {
	address string
	count   atomic.Int64
	more    chan struct{}
}

func startCounter(t *testing.T) *counter {
	t.Helper()
	c := &counter{more: make(chan struct{}, 1)}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return counting{c}, nil }))
	server.Domain = "sink.test"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.address = l.Addr().String()
	go server.Serve(l) //nolint:errcheck // ends when it is closed
	t.Cleanup(func() { server.Close() })
	return c
}

type counting struct{ counter *counter }

func (counting) Mail(string, *smtp.MailOptions) error { return nil }
func (counting) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (counting) Reset()                               {}
func (counting) Logout() error                        { return nil }

// Data implements smtp.Session.
func (c counting) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	c.counter.count.Add(1)
	select {
	case c.counter.more <- struct{}{}:
	default:
	}
	return nil
}
