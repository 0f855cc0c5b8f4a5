package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
)

// dkimSigned is a message with the signature that dkimpy's own program makes, and the record of its key.
func dkimSigned(t *testing.T, message, domain string) (signed, record string) {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key.pem")
	run := func(stdin, name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		var words bytes.Buffer
		cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &words
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, words.String())
		}
		return string(out)
	}
	run("", "openssl", "genrsa", "-traditional", "-out", key, "2048")
	public := strings.Split(strings.TrimSpace(run("", "openssl", "rsa", "-in", key, "-pubout")), "\n")
	text := "v=DKIM1; k=rsa; p=" + strings.Join(public[1:len(public)-1], "")
	record = "s._domainkey." + domain + `. TXT "` + text[:200] + `" "` + text[200:] + `"`
	return run(message, "dkimsign", "s", domain, key), record
}

// judges has a site judge DKIM signatures by a DNS that holds one record, and write its own field.
func (s *site) judges(record string) {
	s.t.Helper()
	s.stop()
	s.config.AuthenticationResults = true
	s.config.DNS.Servers = []string{dnstest.Start(s.t, record).Client().Servers[0].String()}
	s.start()
}

// crlf is text with the line ends of mail.
func crlf(text []byte) string {
	return strings.ReplaceAll(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n", "\r\n")
}

// TestDomainSignaturesThroughTheRelay: mail that dkimpy signed comes through a real Postfix and the relay; the next server
// gets the result under our name, and what others wrote under it is gone. Encrypted mail is judged as it came.
func TestDomainSignaturesThroughTheRelay(t *testing.T) {
	bed.Need(t, "dkimsign", "openssl")
	s := newRelaySite(t, "in")
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	signed, record := dkimSigned(t, string(s.gpg.PGPMIME(t, questionHeader, []byte(questionBody), customer, support)), "desk.test")
	s.judges(record)
	s.postfix.Set(t, "content_filter=smtp:"+bracketed(s.address("relay", "plain")))

	s.hands(customer, "Authentication-Results: localhost; dkim=pass header.d=bank.test\r\n"+signed, support)
	s.hands(customer, strings.Replace(strings.Replace(signed, "question-1", "question-2", 1), "Subject: question", "Subject: another", 1), support)
	all := s.waitForMail("support", 2)
	for i, want := range []string{"dkim=pass header.d=desk.test header.s=s;\r\n\topenpgp=pass", "dkim=fail reason="} {
		arrived := crlf(withMessageID(t, all, "question-"+string(rune('1'+i))+"@desk.test"))
		if !strings.Contains(arrived, "Authentication-Results: localhost;\r\n\t"+want) || strings.Contains(arrived, "bank.test") || !strings.Contains(arrived, "What is the answer?") {
			t.Errorf("it arrived as\n%s", arrived)
		}
	}
	s.wait("the articles", func() bool {
		good := 0
		articles, err := s.parts.gateway.ListArticles(t.Context(), cli, archive.Filter{})
		for _, a := range articles {
			view, failed := s.parts.gateway.ReadArticle(t.Context(), cli, a.ID)
			if failed == nil && len(view.DKIM) == 1 && view.DKIM.Sentences(customer)[0] == "good from desk.test" && view.Verdict.Signature == "good" {
				good++
			}
		}
		return err == nil && len(articles) == 2 && good == 1
	})
}

// withMessageID is the one of several messages that has a Message-ID.
func withMessageID(t *testing.T, all [][]byte, id string) []byte {
	t.Helper()
	for _, message := range all {
		if bytes.Contains(message, []byte("<"+id+">")) {
			return message
		}
	}
	t.Fatalf("no message %s", id)
	return nil
}

// TestDomainSignaturesThroughAMailbox: the same for mail that is fetched; the ticket system reads the result in front.
func TestDomainSignaturesThroughAMailbox(t *testing.T) {
	bed.Need(t, "dkimsign", "openssl")
	s := newSite(t, nil)
	signed, record := dkimSigned(t, questionHeader+questionBody, "desk.test")
	s.judges(record)
	s.hands(customer, signed, support)
	c := s.ticket()
	if got := crlf(s.waitForTickets(c, 1)[0].body); !strings.HasPrefix(got, "Authentication-Results: localhost;\r\n\tdkim=pass header.d=desk.test header.s=s;\r\n\topenpgp=none\r\n") {
		t.Errorf("the ticket system reads\n%s", got)
	}
}
