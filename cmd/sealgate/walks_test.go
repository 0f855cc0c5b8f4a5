package main

import (
	"bytes"
	"net/http"
	"net/http/cookiejar"
	"net/mail"
	"net/url"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// reply is what a ticket system submits.
const reply = "From: Support <support@desk.test>\r\nTo: customer@desk.test\r\nSubject: Re: [Ticket#42] question\r\n" +
	"Message-ID: <reply-42@desk.test>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nThe answer is forty-two, für Sie.\r\n"

// question is the customer's mail: outer header lines, and the entity that gpg protects.
const (
	questionHeader = "From: Customer <customer@desk.test>\r\nTo: support@desk.test\r\nSubject: question\r\n" +
		"Message-ID: <question-1@desk.test>\r\nDate: Mon, 02 Nov 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\n"
	questionBody = "Content-Type: text/plain; charset=utf-8\r\n\r\nWhat is the answer?\r\n"
)

// TestOutboundWalk: submission, plan, protect, seal, queue, smarthost.
func TestOutboundWalk(t *testing.T) {
	s := newSite(t, func(g *groups.Group) { g.Sign, g.Encrypt = groups.On, groups.On })

	// Without the customer's certificate the answer at DATA names the recipient, and nothing reaches the next hop.
	err := s.submit(reply, customer)
	if err == nil || !strings.Contains(err.Error(), customer) || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("refusal must name %s and its certificate, got: %v", customer, err)
	}
	if arrived := s.dovecot.Messages(t, "customer", "INBOX"); len(arrived) != 0 {
		t.Fatalf("a refused message reached the next hop:\n%s", arrived[0])
	}

	// After the import the same message passes.
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	if err := s.submit(reply, customer); err != nil {
		t.Fatalf("after the import: %v", err)
	}

	// The customer's gpg alone opens and verifies it.
	message := s.waitForMail("customer", 1)[0]
	if bytes.Contains(message, []byte("forty-two")) {
		t.Fatal("the message left in clear")
	}
	entity, status := s.gpg.Read(t, message)
	if !strings.Contains(string(entity), "forty-two") {
		t.Errorf("gpg reads:\n%s", entity)
	}
	for _, word := range []string{"GOODSIG", "GOODMDC"} {
		if !strings.Contains(status, word) {
			t.Errorf("gpg does not say %s:\n%s", word, status)
		}
	}

	// The article and the log say what happened.
	articles, err := s.parts.gateway.ListArticles(t.Context(), cli, archive.Filter{})
	if err != nil || len(articles) != 1 || articles[0].Subject != "Re: [Ticket#42] question" || articles[0].Encryption != "signed+encrypted" {
		t.Errorf("articles: %+v, %v", articles, err)
	}
	s.wait("the relay in the log", func() bool { return s.logged("message.relayed") == 1 })
	if n := s.logged("message.submitted"); n != 2 {
		t.Errorf("%d submissions in the log, want one refused and one done", n)
	}
}

// logged counts the entries of one act.
func (s *site) logged(act string) int {
	s.t.Helper()
	entries, err := s.parts.gateway.ListActivity(s.t.Context(), cli, activity.Filter{Act: act})
	if err != nil {
		s.t.Fatal(err)
	}
	return len(entries)
}

// TestInboundWalk: upstream announces, sync, Receive, mirror, the ticket system fetches frozen bytes.
func TestInboundWalk(t *testing.T) {
	s := newSite(t, nil)
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")

	original := s.gpg.PGPMIME(t, questionHeader+"Sealgate-Signature: good\r\n", []byte(questionBody), customer, support)
	s.dovecot.Deliver(t, "support", original)

	c := s.ticket()
	message := s.waitForTickets(c, 1)[0]
	if int64(len(message.body)) != message.size {
		t.Errorf("RFC822.SIZE is %d, the message has %d bytes", message.size, len(message.body))
	}
	m, err := mail.ReadMessage(bytes.NewReader(message.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Sealgate-Encryption": "decrypted", "Sealgate-Signature": "good",
		"Message-Id": "<question-1@desk.test>", "From": "Customer <customer@desk.test>",
	} {
		if got := m.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want one %q", name, got, want)
		}
	}
	if !bytes.Contains(message.body, []byte("What is the answer?")) {
		t.Errorf("the ticket system reads:\n%s", message.body)
	}

	// Flags and expunge reach upstream.
	if err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	s.wait("the flag upstream", func() bool {
		return strings.Contains(s.dovecot.Doveadm(t, "fetch", "-u", "support", "flags", "mailbox", "INBOX", "all"), `\Seen`)
	})
	if err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	s.wait("the expunge upstream", func() bool { return len(s.dovecot.Messages(t, "support", "INBOX")) == 0 })
}

// TestTamperedMailDoesNotVerify: one changed byte in a signed body is never good, and changed ciphertext is never shown.
func TestTamperedMailDoesNotVerify(t *testing.T) {
	s := newSite(t, nil)
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	signed := s.gpg.PGPMIME(t, questionHeader, []byte(questionBody), customer)
	s.dovecot.Deliver(t, "support", bytes.Replace(signed, []byte("the answer?"), []byte("the Answer?"), 1))

	message := s.waitForTickets(s.ticket(), 1)[0]
	if !bytes.Contains(message.body, []byte("Sealgate-Signature: bad")) {
		t.Errorf("verdict on a tampered body:\n%s", message.body)
	}
}

// TestKeyImportWalk: a message that a later import opens appears again as a new one; the first stays as it was.
func TestKeyImportWalk(t *testing.T) {
	s := newSite(t, nil)
	s.customerWithKey()
	s.gpg.Generate(t, "Old desk <old@desk.test>", "")
	s.dovecot.Deliver(t, "support", s.gpg.PGPMIME(t, questionHeader, []byte(questionBody), "", "old@desk.test"))

	c := s.ticket()
	first := s.waitForTickets(c, 1)[0]
	if !bytes.Contains(first.body, []byte("Sealgate-Encryption: no-key")) || !bytes.Contains(first.body, []byte("BEGIN PGP MESSAGE")) {
		t.Fatalf("what can't be opened must arrive with its verdict and its ciphertext:\n%s", first.body)
	}

	report := s.importKeys(s.gpg.ExportSecret(t, "old@desk.test"), "")
	if report.Changes[0].Outcome != keyring.Added || report.Reopened != 1 {
		t.Fatalf("import: %+v", report)
	}
	both := s.waitForTickets(c, 2)
	if both[0].uid != first.uid || !bytes.Equal(both[0].body, first.body) {
		t.Error("the first message changed")
	}
	second := both[1]
	if second.uid <= first.uid || !bytes.Contains(second.body, []byte("What is the answer?")) {
		t.Errorf("UID %d after %d:\n%s", second.uid, first.uid, second.body)
	}
	m, err := mail.ReadMessage(bytes.NewReader(second.body))
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get("In-Reply-To") != "<question-1@desk.test>" || m.Header.Get("Message-Id") == "<question-1@desk.test>" {
		t.Errorf("threading: In-Reply-To %q, Message-ID %q", m.Header.Get("In-Reply-To"), m.Header.Get("Message-Id"))
	}
}

// TestArticleViewWalk: the page opens an article for a member of its group, shows the verdict, and records the view.
func TestArticleViewWalk(t *testing.T) {
	s := newSite(t, nil)
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	s.dovecot.Deliver(t, "support", s.gpg.PGPMIME(t, questionHeader, []byte(questionBody), customer, support))
	s.waitForTickets(s.ticket(), 1)
	articles, err := s.parts.gateway.ListArticles(t.Context(), cli, archive.Filter{})
	if err != nil || len(articles) != 1 {
		t.Fatalf("articles: %+v, %v", articles, err)
	}

	browser := s.browser()
	page := s.get(browser, "/articles/"+articles[0].ID)
	for _, words := range []string{"What is the answer?", "Decrypted", "Good signature", "question"} {
		if !strings.Contains(page, words) {
			t.Errorf("the page does not say %q:\n%s", words, page)
		}
	}
	if n := s.logged("article.viewed"); n != 1 {
		t.Errorf("%d views in the log, want 1", n)
	}
}

// browser is an HTTP client that is logged in as the administrator.
func (s *site) browser() *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: patience}
	r, err := browser.PostForm(s.house.webURL()+"/login", url.Values{"name": {"admin"}, "password": {adminPassword}})
	if err != nil {
		s.t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		s.t.Fatalf("log in: %s", r.Status)
	}
	return browser
}

func (s *site) get(browser *http.Client, path string) string {
	s.t.Helper()
	r, err := browser.Get(s.house.webURL() + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil || r.StatusCode != http.StatusOK {
		s.t.Fatalf("get %s: %s %v\n%s", path, r.Status, err, body.String())
	}
	return body.String()
}
