package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/groups"
)

// Names used by every story: one helpdesk team, one customer, one password of each kind.
const (
	support         = "support@desk.test"
	customer        = "customer@desk.test"
	gatewayPassword = "gateway-password"
	adminPassword   = "correct horse battery"
	patience        = 30 * time.Second
)

// site is a whole installation on loopback: Sealgate between a ticket system (the test) and real Dovecot and Postfix,
// and a customer with a real gpg.
type site struct {
	t       *testing.T
	config  config
	parts   *parts
	house   *house
	dovecot *bed.Dovecot
	postfix *bed.Postfix
	tls     bed.Authority
	gpg     *bed.GPG
	group   groups.Group
	log     *syncBuffer
	stop    func()
}

// newSite starts everything. The group's levels may be changed by edit before it is saved.
func newSite(t *testing.T, edit func(*groups.Group)) *site {
	t.Helper()
	s := newPeers(t)
	s.config = s.newConfig()
	s.start()
	s.fill(edit)
	return s
}

// newPeers starts the mail servers and the customer's gpg only.
func newPeers(t *testing.T) *site {
	t.Helper()
	bed.Need(t, "dovecot", "postfix", "gpg")
	s := &site{t: t, tls: bed.NewAuthority(t), gpg: bed.NewGPG(t), log: &syncBuffer{}}
	s.dovecot = bed.StartDovecot(t, s.tls, "support", "customer")
	s.postfix = bed.StartPostfix(t, s.tls, s.dovecot)
	return s
}

// newConfig is a configuration in a temporary folder with TLS listeners on free ports.
func (s *site) newConfig() config {
	folder := s.t.TempDir()
	c := defaults()
	c.Domain = "localhost"
	c.DNS = dnsConfig{} // nobody but our own servers is asked
	c.Database = "sqlite:" + filepath.Join(folder, "data", "sealgate.db")
	c.Spool = filepath.Join(folder, "spool")
	c.KMS.KeyFile = filepath.Join(folder, "kek", "kek")
	c.TLS = tlsConfig{Certificate: s.tls.CertFile, Key: s.tls.KeyFile}
	c.Listen = listen{
		Submission: []string{"127.0.0.1:0 implicit", "127.0.0.1:0 starttls", "127.0.0.1:0 plain"},
		IMAP:       []string{"127.0.0.1:0 implicit", "127.0.0.1:0 plain"},
		Web:        "127.0.0.1:0 plain",
	}
	return c
}

// start opens the house and serves until the test ends or stop is called.
func (s *site) start() {
	s.t.Helper()
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p, err := openParts(s.t.Context(), s.config, log)
	if err != nil {
		s.t.Fatalf("open parts: %v", err)
	}
	h, err := newHouse(s.t.Context(), s.config, p)
	if err != nil {
		s.t.Fatalf("new house: %v", err)
	}
	s.parts, s.house = p, h
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- h.run(ctx) }()
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				s.t.Errorf("house ended: %v", err)
			}
			if err := p.Close(); err != nil {
				s.t.Errorf("close parts: %v", err)
			}
			if s.t.Failed() {
				s.t.Logf("log:\n%s", s.log)
			}
		})
	}
	s.t.Cleanup(s.stop)
}

// fill makes the administrator, the group with its key, and the mailbox.
func (s *site) fill(edit func(*groups.Group)) {
	s.t.Helper()
	ctx, g := s.t.Context(), s.parts.gateway
	if _, err := g.CreateFirstAdmin(ctx, "admin", adminPassword); err != nil {
		s.t.Fatal(err)
	}
	group := gateway.NewGroup("Support")
	group.Addresses = []string{support}
	if edit != nil {
		edit(&group)
	}
	var err error
	if s.group, err = g.SaveGroup(ctx, cli, group); err != nil {
		s.t.Fatal(err)
	}
	if _, err := g.GenerateKey(ctx, cli, gateway.NewKey{Name: "Support", Address: support}); err != nil {
		s.t.Fatal(err)
	}
	password := gatewayPassword
	if _, err := g.SaveMailbox(ctx, cli, gateway.MailboxRequest{
		Mailbox:     s.mailbox(),
		Password:    &password,
		Credentials: &groups.Credentials{IMAPPassword: "secret", SMTPPassword: "secret"},
	}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) mailbox() groups.Mailbox {
	ca := string(s.tls.CertPEM)
	return groups.Mailbox{
		GroupID: s.group.ID, Login: "support",
		IMAP: groups.Upstream{Address: s.dovecot.IMAPS, TLS: groups.TLSImplicit, Username: "support", CA: ca},
		SMTP: groups.Upstream{Address: s.postfix.SMTP, TLS: groups.TLSStart, Username: "support", CA: ca},
	}
}

// address of a listener.
func (s *site) address(speaks, mode string) string {
	for _, l := range s.house.listeners {
		if l.speaks == speaks && l.mode == mode {
			return l.Addr().String()
		}
	}
	s.t.Fatalf("no %s listener with mode %s", speaks, mode)
	return ""
}

// submit sends a message as the ticket system does and returns the answer.
func (s *site) submit(message string, recipients ...string) error {
	s.t.Helper()
	c, err := smtp.Dial(s.address("submission", "plain"))
	if err != nil {
		s.t.Fatalf("connect: %v", err)
	}
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", "support", gatewayPassword)); err != nil {
		return err
	}
	if err := c.SendMail(support, recipients, strings.NewReader(message)); err != nil {
		return err
	}
	return c.Quit()
}

// ticket opens the ticket system's IMAP session with INBOX selected.
func (s *site) ticket() *imapclient.Client {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address("imap", "plain"))
	if err != nil {
		s.t.Fatalf("connect: %v", err)
	}
	c := imapclient.New(conn, nil)
	s.t.Cleanup(func() { c.Close() })
	if err := c.Login("support", gatewayPassword).Wait(); err != nil {
		s.t.Fatalf("log in: %v", err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		s.t.Fatalf("select: %v", err)
	}
	return c
}

// fetched is one message as the ticket system sees it.
type fetched struct {
	uid  imap.UID
	size int64
	body []byte
}

// waitForTickets polls until n messages are in the mailbox and returns them.
func (s *site) waitForTickets(c *imapclient.Client, n int) []fetched {
	s.t.Helper()
	var all []fetched
	s.wait(fmt.Sprintf("%d messages in the mailbox", n), func() bool {
		data, err := c.Search(&imap.SearchCriteria{}, nil).Wait()
		if err != nil {
			s.t.Fatalf("search: %v", err)
		}
		if len(data.AllSeqNums()) < n {
			return false
		}
		all = s.fetchAll(c)
		return true
	})
	return all
}

func (s *site) fetchAll(c *imapclient.Client) []fetched {
	s.t.Helper()
	var all []fetched
	section := &imap.FetchItemBodySection{Peek: true}
	items, err := c.Fetch(imap.SeqSet{imap.SeqRange{Start: 1}}, &imap.FetchOptions{
		UID: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{section},
	}).Collect()
	if err != nil {
		s.t.Fatalf("fetch: %v", err)
	}
	for _, i := range items {
		all = append(all, fetched{uid: i.UID, size: i.RFC822Size, body: i.FindBodySection(section)})
	}
	return all
}

// wait polls a condition until it holds or patience ends.
func (s *site) wait(what string, condition func() bool) {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			s.t.Fatalf("waited %s for %s\n%s", patience, what, s.log)
		case <-tick.C:
		}
	}
}

// waitForMail polls a user's real mailbox until it holds n messages.
func (s *site) waitForMail(user string, n int) [][]byte {
	s.t.Helper()
	var all [][]byte
	s.wait(fmt.Sprintf("%d messages for %s", n, user), func() bool {
		all = s.dovecot.Messages(s.t, user, "INBOX")
		return len(all) >= n
	})
	return all
}

// importCertificate brings keys into the keyring as an administrator does.
func (s *site) importKeys(keys []byte, passphrase string) gateway.ImportReport {
	s.t.Helper()
	report, err := s.parts.gateway.ImportCertificates(s.t.Context(), cli, gateway.ImportRequest{Input: keys, Passphrase: []byte(passphrase)})
	if err != nil {
		s.t.Fatalf("import: %v", err)
	}
	return report
}

// groupCertificate is the group's certificate, as a customer downloads it.
func (s *site) groupCertificate() []byte {
	s.t.Helper()
	found, err := s.parts.gateway.Keyring.ByAddress(s.t.Context(), []string{support}, time.Now())
	if err != nil || len(found[support]) == 0 {
		s.t.Fatalf("group certificate: %v", err)
	}
	armored, err := found[support][0].Armored()
	if err != nil {
		s.t.Fatal(err)
	}
	return armored
}

// customerWithKey gives the customer a key and the group's certificate.
func (s *site) customerWithKey() {
	s.t.Helper()
	s.gpg.Generate(s.t, "Customer <"+customer+">", "")
	s.gpg.Import(s.t, s.groupCertificate())
}

// syncBuffer is a buffer for many writers.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// filesBelow reads every file below a folder.
func filesBelow(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatalf("read %s: %v", folder, err)
	}
	return files
}
