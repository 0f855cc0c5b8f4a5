package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/groups"
)

// The load: what smtp-source sends to each side.
const (
	benchSessions = 16
	benchSize     = 20 << 10
	benchMessages = 1500
)

// TestRelayBenchmarksDocument writes docs/benchmarks-relay.md. It asserts nothing: how fast a machine is proves no code
// wrong.
func TestRelayBenchmarksDocument(t *testing.T) {
	if os.Getenv("SEALGATE_WRITE_DOCS") != "1" {
		t.Skip("it measures for minutes and writes docs/benchmarks-relay.md; run make bench")
	}
	bed.Need(t, "smtp-source", "strace")
	s := newPeers(t)
	s.config = s.newConfig()
	s.config.Log.Level = "error"
	s.config.Listen.Relay = []string{"127.0.0.1:0 plain out trust=127.0.0.1"}
	s.start()
	collectGarbage(s.config.Limits.MemoryBytes)
	s.fill(func(g *groups.Group) {
		g.Sign, g.Encrypt, g.AutoSign, g.AutoEncrypt = groups.On, groups.On, groups.On, groups.On
	})
	sink := freePort(t)
	s.sendsTo(sink)
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	s.postfix.Set(t, "virtual_mailbox_domains=", "default_transport=smtp:"+bracketed(sink), "relay_domains=desk.test", "relay_transport=smtp:"+bracketed(sink))

	document := relayIntroduction
	for range 3 { // in turns
		ours, oursIn := load(t, s.address("relay", "plain"), sink, benchMessages)
		theirs, theirsIn := load(t, s.postfix.Inside, sink, benchMessages)
		document += fmt.Sprintf("| %.0f | %.0f | %.2f | %.0f | %.0f |\n", ours, theirs, ours/theirs, oursIn, theirsIn)
	}
	document += timeIntroduction + s.shares(sink) + answersIntroduction + answers(t, s) + memoryIntroduction + heavyLoad(t)
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "benchmarks-relay.md"), []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Log(document)
}

const relayIntroduction = `# Benchmarks of the way through

Written by ` + "`make bench`" + `. smtp-source sends 1,500 messages of 20 KB in 16 sessions, and the clock stops when the last one has
arrived at smtp-sink. Sealgate signs and encrypts each one to a Curve25519 certificate, seals it, and keeps
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

// load sends messages of the usual size and returns how many a second arrived, and were accepted.
func load(t *testing.T, address, sink string, messages int) (through, accepted float64) {
	t.Helper()
	arrived := receive(t, sink, messages)
	start := time.Now()
	source(t, address, benchSessions, benchSize, messages)
	accepted = float64(messages) / time.Since(start).Seconds()
	arrived()
	return float64(messages) / time.Since(start).Seconds(), accepted
}

// receive starts a mail server that ends when it has so many messages. The returned function waits for that.
func receive(t *testing.T, address string, messages int) (arrived func()) {
	t.Helper()
	sink := exec.Command("smtp-sink", "-u", "nobody", "-M", fmt.Sprint(messages), address, "1000") //nolint:gosec // our own arguments
	if err := sink.Start(); err != nil {
		t.Fatal(err)
	}
	waitForListener(t, address)
	over := time.AfterFunc(5*time.Minute, func() { sink.Process.Kill() }) //nolint:errcheck // Wait tells
	return func() {
		t.Helper()
		defer over.Stop()
		if err := sink.Wait(); err != nil {
			t.Fatalf("smtp-sink: %v", err)
		}
	}
}

// waitForListener waits until somebody listens. The connection that finds out says nothing.
func waitForListener(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

func source(t *testing.T, address string, sessions, size, messages int) {
	t.Helper()
	out, err := exec.Command("smtp-source", "-s", fmt.Sprint(sessions), "-l", fmt.Sprint(size), "-m", fmt.Sprint(messages), //nolint:gosec // our own arguments
		"-f", support, "-t", customer, strings.Replace(address, "127.0.0.1", "inet:127.0.0.1", 1)).CombinedOutput()
	if err != nil {
		t.Fatalf("smtp-source: %v\n%s", err, out)
	}
}
