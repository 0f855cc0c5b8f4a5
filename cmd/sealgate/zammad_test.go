package main

import (
	"bytes"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/groups"
)

// TestZammadHabits runs a script with Zammad's own libraries and habits through Sealgate, to real Postfix and Dovecot.
func TestZammadHabits(t *testing.T) {
	bed.Need(t, "ruby")
	s := newSite(t, func(g *groups.Group) { g.Sign, g.Encrypt = groups.On, groups.On })
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	s.dovecot.Deliver(t, "support", s.gpg.PGPMIME(t, questionHeader, []byte(questionBody), customer, support))
	s.waitForTickets(s.ticket(), 1)

	said := s.runZammad()
	for _, line := range []string{
		"messages: 1",
		"header: Message-ID: <question-1@desk.test>",
		"verified: true",
		"size-is-true: true",
		"header-is-true: true",
		"message: question-1@desk.test | question | decrypted | good",
		"text: What is the answer?",
		"sent: yes",
	} {
		if !strings.Contains(said, line+"\n") {
			t.Errorf("the script did not say %q:\n%s", line, said)
		}
	}
	for _, not := range []string{"SORT", "THREAD", "CONDSTORE", "COMPRESS"} {
		if strings.Contains(said, " "+not) {
			t.Errorf("%s is advertised:\n%s", not, said)
		}
	}

	// Everything fetched was deleted upstream, the verification mail too.
	s.wait("the expunges upstream", func() bool { return len(s.dovecot.Messages(t, "support", "INBOX")) == 0 })

	// The customer's gpg reads the reply; the verification mail kept its token and lost its text.
	entity, status := s.gpg.Read(t, s.waitForMail("customer", 1)[0])
	if !strings.Contains(status, "GOODSIG") || !bytes.Contains(entity, []byte("multipart/")) {
		t.Errorf("gpg reads %s\n%s", status, entity)
	}
	if strings.Contains(s.log.String(), "canary-verify-7731") {
		t.Error("the log holds content")
	}
}

// runZammad runs the script and returns what it said.
func (s *site) runZammad() string {
	s.t.Helper()
	_, imapPort, err := net.SplitHostPort(s.address("imap", "implicit"))
	if err != nil {
		s.t.Fatal(err)
	}
	_, smtpPort, err := net.SplitHostPort(s.address("submission", "starttls"))
	if err != nil {
		s.t.Fatal(err)
	}
	script := exec.CommandContext(s.t.Context(), "ruby", "testdata/zammad.rb",
		s.tls.CertFile, imapPort, smtpPort, "support", support, "discard@outside.test", customer)
	script.Stdin = strings.NewReader(gatewayPassword + "\n")
	out, err := script.CombinedOutput()
	if err != nil {
		s.t.Fatalf("zammad.rb: %v\n%s\n%s", err, out, s.log)
	}
	return string(out)
}
