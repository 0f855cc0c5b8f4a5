package main

import (
	"net"
	"net/smtp"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/groups"
)

// newRelaySite is a site whose Postfix sends its mail through Sealgate: the real content filter of the real MTA.
func newRelaySite(t *testing.T, direction string) *site {
	t.Helper()
	s := newPeers(t)
	s.config = s.newConfig()
	s.config.Listen.Relay = []string{"127.0.0.1:0 plain " + direction + " trust=127.0.0.1 next=" + s.postfix.Back}
	s.start()
	s.fill(func(g *groups.Group) { g.Sign, g.Encrypt = groups.On, groups.On })
	all, err := s.parts.gateway.ListMailboxes(t.Context(), cli)
	if err != nil {
		t.Fatal(err)
	}
	mailbox := all[0].Mailbox
	mailbox.IMAP, mailbox.SMTP = groups.Upstream{}, groups.Upstream{Address: s.postfix.Back, TLS: groups.TLSNone}
	if _, err := s.parts.gateway.SaveMailbox(t.Context(), cli, gateway.MailboxRequest{Mailbox: mailbox}); err != nil {
		t.Fatal(err)
	}
	s.postfix.Set(t, "content_filter=smtp:"+bracketed(s.address("relay", "plain")))
	return s
}

// bracketed is an address as Postfix wants the next hop of a transport.
func bracketed(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return "[" + host + "]:" + port
}

// hands gives Postfix a message as programs of its machine do.
func (s *site) hands(from string, message string, to ...string) {
	s.t.Helper()
	if err := smtp.SendMail(s.postfix.Inside, nil, from, to, []byte(message)); err != nil {
		s.t.Fatal(err)
	}
}

// TestOutboundContentFilter: what a group writes leaves Postfix protected, what nobody here writes leaves as it came, and
// what policy refuses comes back to its sender by Postfix, with our words.
func TestOutboundContentFilter(t *testing.T) {
	s := newRelaySite(t, "out")
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	s.hands(support, reply, customer)
	entity, status := s.gpg.Read(t, s.waitForMail("customer", 1)[0])
	if !strings.Contains(string(entity), "forty-two") || !strings.Contains(status, "GOODSIG") {
		t.Errorf("gpg reads:\n%s\n%s", entity, status)
	}

	s.hands("cron@host.test", "From: cron@host.test\r\nTo: "+customer+"\r\nSubject: nightly\r\nSealgate-Policy: encrypt=on\r\n\r\nall well\r\n", customer)
	passed := string(s.waitForMail("customer", 2)[1])
	if !strings.Contains(passed, "all well") || !strings.Contains(passed, "by localhost with ESMTP") {
		t.Errorf("mail of nobody here arrived as\n%s", passed)
	}

	// Toggles are for those who log in: this one would switch encryption off.
	refused := strings.Replace(reply, "MIME-Version", "Sealgate-Policy: encrypt=off\r\nMIME-Version", 1)
	s.hands(support, strings.Replace(refused, customer, "nobody@elsewhere.test", 1), "nobody@elsewhere.test")
	bounce := strings.Join(strings.Fields(string(s.waitForMail("support", 1)[0])), " ")
	if !strings.Contains(bounce, "not sent by Sealgate: no usable certificate for nobody@elsewhere.test") {
		t.Errorf("the bounce says\n%s", bounce)
	}
	if n := s.logged("message.passed"); n < 1 {
		t.Errorf("%d entries about mail that was passed on", n)
	}
}

// TestInboundContentFilter: Postfix keeps custody of the world's mail until the next server has it, opened and stamped.
func TestInboundContentFilter(t *testing.T) {
	s := newRelaySite(t, "in")
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	sent := s.gpg.PGPMIME(t, questionHeader+"Sealgate-Signature: good\r\n", []byte(questionBody), customer, support)
	s.hands(customer, string(sent), support)
	arrived := string(s.waitForMail("support", 1)[0])
	for _, words := range []string{"What is the answer?", "Sealgate-Encryption: decrypted", "Sealgate-Signature: good"} {
		if strings.Count(arrived, words) != 1 {
			t.Errorf("%q stands %d times in\n%s", words, strings.Count(arrived, words), arrived)
		}
	}
	s.wait("the article", func() bool {
		articles, err := s.parts.gateway.ListArticles(t.Context(), cli, archive.Filter{})
		return err == nil && len(articles) == 1 && articles[0].Encryption == "decrypted" && articles[0].Signature == "good"
	})

	// Mail that pretends to come from the group is not signed for it.
	s.hands(support, reply, customer)
	if forged := string(s.waitForMail("customer", 1)[0]); strings.Contains(forged, "multipart/signed") || strings.Contains(forged, "BEGIN PGP") {
		t.Errorf("a stranger's message was protected as ours:\n%s", forged)
	}

	// One that cannot be opened now is passed on closed; the later opening appears on the page.
	other := s.gpg.Generate(t, "Old desk <old@desk.test>", "")
	s.hands(customer, string(s.gpg.PGPMIME(t, strings.Replace(questionHeader, "question-1", "question-2", 1), []byte(questionBody), customer, "old@desk.test")), support)
	if closed := string(s.waitForMail("support", 2)[1]); !strings.Contains(closed, "Sealgate-Encryption: no-key") {
		t.Errorf("it arrived as\n%s", closed)
	}
	s.importKeys(s.gpg.ExportSecret(t, other), "")
	s.wait("the later opening", func() bool { return s.logged("message.reopened") == 1 })
}

// TestAStoppedNextServerKeepsMailInFront: nothing is taken that the next server has not got.
func TestAStoppedNextServerKeepsMailInFront(t *testing.T) {
	s := newPeers(t)
	s.config = s.newConfig()
	s.config.Listen.Relay = []string{"127.0.0.1:0 plain in trust=127.0.0.1 next=" + freePort(t)}
	s.start()
	s.fill(nil)
	err := smtp.SendMail(s.address("relay", "plain"), nil, customer, []string{support}, []byte(questionHeader+"\r\nhello\r\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "451 ") && !strings.HasPrefix(err.Error(), "4") {
		t.Errorf("without a next server: %v", err)
	}
	if articles, err := s.parts.gateway.ListArticles(t.Context(), cli, archive.Filter{}); err != nil || len(articles) != 0 {
		t.Errorf("%d articles, %v", len(articles), err)
	}
	entries, err := s.parts.gateway.ListActivity(t.Context(), cli, activity.Filter{Act: "message.passed"})
	if err != nil || len(entries) != 1 || entries[0].Outcome != activity.Failed {
		t.Errorf("the log says %+v, %v", entries, err)
	}
}

// TestRelayDoors: what a door may be, and what is refused with a sentence.
func TestRelayDoors(t *testing.T) {
	c := defaults()
	c.DNS = dnsConfig{} // nobody but our own servers is asked
	for text, wrong := range map[string]string{
		"127.0.0.1:10025 plain out next=127.0.0.1:10026 trust=127.0.0.1":               "",
		"127.0.0.1:10025 plain in lmtp next=10.0.0.1:25 tls=starttls trust=10.0.0.0/8": "",
		"/run/sealgate/in.sock plain in next=127.0.0.1:10026":                          "",
		"127.0.0.1:10025 plain out trust=sha256:" + strings.Repeat("AB", 32):           "",
		"127.0.0.1:10025 plain":                                  "in or out",
		"127.0.0.1:10025 plain in trust=127.0.0.1":               "needs next=",
		"127.0.0.1:10025 plain out":                              "who may hand mail over",
		"127.0.0.1:10025 plain out trust=0.0.0.0/0":              "the whole world",
		"127.0.0.1:10025 plain out trust=example.org":            "neither an address",
		"127.0.0.1:10025 plain out trust=sha256:12":              "64 hex digits",
		"192.0.2.1:25 plain out trust=127.0.0.1":                 "loopback addresses only",
		"/run/in.sock starttls out":                              "a unix socket is plain",
		"127.0.0.1:10025 plain out trust=127.0.0.1 next=here":    "HOST:PORT",
		"127.0.0.1:10025 plain out trust=127.0.0.1 tls=maybe":    "none, starttls or implicit",
		"127.0.0.1:10025 plain out trust=127.0.0.1 colour=green": "is not known",
	} {
		_, err := c.relayDoor(text)
		if (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v, want %q", text, err, wrong)
		}
	}
}

// TestAnAbandonedSocketIsTakenOver: one that a killed process left, never one that is in use or is no socket.
func TestAnAbandonedSocketIsTakenOver(t *testing.T) {
	door := relayDoor{address: filepath.Join(t.TempDir(), "run", "in.sock")}
	first, err := door.open()
	if err != nil {
		t.Fatal(err)
	}
	if second, err := door.open(); err == nil {
		second.Close()
		t.Error("a socket in use was taken")
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	second, err := door.open()
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}
