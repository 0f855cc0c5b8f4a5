package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// said fails unless an error holds every word.
func said(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %v does not say %q", what, err, w)
		}
	}
}

// TestMalformedMIME: outbound it is refused with its reason; inbound it arrives byte for byte under a verdict, and stays
// upstream.
func TestMalformedMIME(t *testing.T) {
	s := newSite(t, func(g *groups.Group) { g.Sign = groups.On })
	hollow := strings.Replace(reply, "Content-Type: text/plain; charset=utf-8", "Content-Type: multipart/mixed; boundary=b", 1)
	said(t, "multipart without parts", s.submit(hollow, customer), "550", "malformed")
	said(t, "two From fields", s.submit("From: support@desk.test\r\n"+reply, customer), "550", "more than one From")
	said(t, "no From field", s.submit("Subject: x\r\n\r\nwords\r\n", customer), "550", "no From")
	said(t, "no header", s.submit("words\r\n", customer), "550")

	broken := "From: a@x.test\r\nthis is no field\r\nSubject: broken\r\nContent-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\nodd\r\n"
	s.dovecot.Deliver(t, "support", []byte(broken))
	message := s.waitForTickets(s.ticket(), 1)[0]
	if !bytes.Contains(message.body, []byte("Sealgate-Encryption: malformed")) || !bytes.HasSuffix(message.body, []byte("--b\r\nodd\r\n")) {
		t.Errorf("the ticket system reads:\n%s", message.body)
	}
	if left := s.dovecot.Messages(t, "support", "INBOX"); len(left) != 1 {
		t.Errorf("%d messages upstream, want 1", len(left))
	}
}

// TestOversize: a message over the limit is refused, and the next one passes.
func TestOversize(t *testing.T) {
	s := newSite(t, nil)
	big := reply + strings.Repeat(strings.Repeat("x", 900)+"\r\n", 60_000)
	said(t, "oversize", s.submit(big, customer), "552")
	if err := s.submit(reply, customer); err != nil {
		t.Errorf("after an oversize one: %v", err)
	}
}

// TestWrongPasswords: each is refused in the same words whatever was wrong, and stands in the log.
func TestWrongPasswords(t *testing.T) {
	s := newSite(t, nil)
	for _, login := range []string{"support", "nobody"} {
		c, err := smtp.Dial(s.address("submission", "plain"))
		if err != nil {
			t.Fatal(err)
		}
		said(t, login, c.Auth(sasl.NewPlainClient("", login, "wrong-password")), "535", "login or password is wrong")
		c.Close()
	}
	if n := s.logged("mailbox.login"); n != 2 {
		t.Errorf("%d failed logins in the log, want 2", n)
	}
	if _, err := s.parts.gateway.Login(t.Context(), "admin", "wrong-password", "127.0.0.1"); err == nil {
		t.Error("the page takes a wrong password")
	}
}

// TestWrongPassphraseAndGarbage: a sentence with the remedy for each, and a keyring that is as it was.
func TestWrongPassphraseAndGarbage(t *testing.T) {
	s := newSite(t, nil)
	key := protectedKey(t, s)
	before := s.certificates()
	for name, c := range map[string]struct {
		input      []byte
		passphrase string
		want       string
	}{
		"wrong passphrase": {key, "wrong", "does not unlock"},
		"no passphrase":    {key, "", "protected by a passphrase"},
	} {
		report := s.importKeys(c.input, c.passphrase)
		if len(report.Changes) != 1 || report.Changes[0].Outcome != keyring.Refused || !strings.Contains(report.Changes[0].Sentence, c.want) {
			t.Errorf("%s: %+v", name, report.Changes)
		}
	}
	for name, input := range map[string][]byte{
		"garbage": bytes.Repeat([]byte("noise "), 1000), "nothing": nil, "cut": key[:len(key)/2],
	} {
		report, err := s.parts.gateway.ImportCertificates(t.Context(), cli, gateway.ImportRequest{Input: input})
		sentence := fmt.Sprint(err)
		if err == nil {
			sentence = report.Changes[0].Sentence
		}
		if len(sentence) < 20 || strings.Contains(sentence, "openpgp:") {
			t.Errorf("%s: %q is no sentence for people", name, sentence)
		}
	}
	if after := s.certificates(); after != before {
		t.Errorf("%d certificates, before %d", after, before)
	}
	s.importKeys(key, canaryPassphrase)
	if after := s.certificates(); after != before+1 {
		t.Error("the right passphrase does not import")
	}
}

func (s *site) certificates() int64 {
	s.t.Helper()
	_, n, err := s.parts.gateway.Certificates(s.t.Context(), cli, keyring.Filter{})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestUnreachableUpstream: mail is accepted and waits, the administrator is told, and it arrives once the server is back.
func TestUnreachableUpstream(t *testing.T) {
	s := newSite(t, nil)
	good := s.mailbox()
	stored, err := s.parts.gateway.Groups.MailboxByLogin(t.Context(), "support")
	if err != nil {
		t.Fatal(err)
	}
	away := stored
	away.SMTP.Address, away.IMAP.Address = freePort(t), freePort(t)
	s.saveMailbox(away)
	if err := s.submit(reply, customer); err != nil {
		t.Fatalf("a message for a server that is away: %v", err)
	}
	s.wait("the failed attempt", func() bool { return s.logged("message.attempted") > 0 })
	problems, err := s.parts.gateway.CheckMailbox(t.Context(), cli, stored.ID)
	if err != nil || len(problems) != 2 || !strings.Contains(strings.Join(problems, " "), "check the address") {
		t.Errorf("problems %q, %v", problems, err)
	}
	s.wait("the sync's problem on the page", func() bool {
		infos, err := s.parts.gateway.ListMailboxes(t.Context(), cli)
		return err == nil && infos[0].Status.Problem != ""
	})

	stored.SMTP, stored.IMAP = good.SMTP, good.IMAP
	s.saveMailbox(stored)
	queued, err := s.parts.gateway.Queue.List(t.Context(), queue.Filter{Open: true})
	if err != nil || len(queued) != 1 {
		t.Fatalf("queue: %+v, %v", queued, err)
	}
	if err := s.parts.gateway.RetryQueued(t.Context(), cli, queued[0].ID); err != nil {
		t.Fatal(err)
	}
	s.waitForMail("customer", 1)
}

func (s *site) saveMailbox(m groups.Mailbox) {
	s.t.Helper()
	if _, err := s.parts.gateway.SaveMailbox(s.t.Context(), cli, gateway.MailboxRequest{Mailbox: m}); err != nil {
		s.t.Fatal(err)
	}
}

// TestFullDiskAndReadOnlyDatabase: while the disk is full, mail is answered with "later" and the reason, and afterwards
// the next one passes; on a disk that cannot be written nothing starts, and nothing is lost.
func TestFullDiskAndReadOnlyDatabase(t *testing.T) {
	s := newPeers(t)
	disk := smallDisk(t)
	s.config = s.newConfig()
	s.config.Database = "sqlite:" + filepath.Join(disk, "data", "sealgate.db")
	s.start()
	s.fill(nil)
	t.Cleanup(s.stop) // before the disk goes

	filler := filepath.Join(disk, "filler")
	fillDisk(t, filler)
	said(t, "full disk", s.submit(reply+strings.Repeat("words\r\n", 50_000), customer), "452", "disk of the mail gateway is full")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := s.submit(reply, customer); err != nil {
		t.Fatalf("with space again: %v", err)
	}
	s.waitForMail("customer", 1)

	s.stop()
	remount(t, disk, "ro")
	_, err := openParts(t.Context(), s.config, slog.New(slog.DiscardHandler))
	said(t, "read-only database", err, "read-only", "write permission")
	remount(t, disk, "rw")
	s.start()
	articles, err := s.parts.gateway.ListArticles(t.Context(), cli, archive.Filter{})
	if err != nil || len(articles) != 1 {
		t.Errorf("%d articles after the disk can be written again, %v", len(articles), err)
	}
}

func remount(t *testing.T, folder, mode string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+mode, folder).CombinedOutput(); err != nil {
		t.Fatalf("remount: %v\n%s", err, out)
	}
}

// smallDisk mounts a file system of a few megabytes.
func smallDisk(t *testing.T) string {
	t.Helper()
	bed.Need(t, "mount", "umount")
	folder := bed.Dir(t)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder).CombinedOutput(); err != nil {
		t.Fatalf("mount a small disk: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", folder).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	return folder
}

// fillDisk writes until nothing more fits.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(block)
	}
}

// TestExpiredCertificateIsSaid: the doctor names an expired certificate of our own and the remedy.
func TestExpiredCertificateIsSaid(t *testing.T) {
	folder := t.TempDir()
	certificate, key := expiredCertificate(t, folder)
	config := writeConfig(t, "domain: localhost\ntls:\n  certificate: "+certificate+"\n  key: "+key+"\n")
	output, code := sealgate(t, "", "-c", config, "doctor")
	if code != 1 || !strings.Contains(output, "the certificate expired on "+yesterday().UTC().Format(time.DateOnly)+"; renew it") {
		t.Errorf("exit %d:\n%s", code, output)
	}
}

func yesterday() time.Time { return time.Now().Add(-24 * time.Hour) }

// expiredCertificate writes a self-signed certificate that ended yesterday.
func expiredCertificate(t *testing.T, folder string) (certificate, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: yesterday().Add(-time.Hour), NotAfter: yesterday(),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}
