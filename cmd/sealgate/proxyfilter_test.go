package main

import (
	"net/smtp"
	"strings"
	"testing"
)

// newProxySite is a site whose Postfix asks Sealgate before it answers for mail from the world.
func newProxySite(t *testing.T, next func(*site) string) *site {
	t.Helper()
	s := newPeers(t)
	s.config = s.newConfig()
	s.config.Listen.Relay = []string{"127.0.0.1:0 plain in trust=127.0.0.1 next=" + next(s)}
	s.start()
	s.fill(nil)
	s.postfix.Proxy(t, s.address("relay", "plain"))
	return s
}

// TestBeforeQueueFilter: Postfix hands the world's mail through before it answers for it, so that whoever sends it hears what
// the server behind Sealgate says.
func TestBeforeQueueFilter(t *testing.T) {
	s := newProxySite(t, func(s *site) string { return s.postfix.Back })
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	sent := s.gpg.PGPMIME(t, questionHeader, []byte(questionBody), customer, support)
	s.hands(customer, string(sent), support)
	arrived := string(s.waitForMail("support", 1)[0])
	for _, words := range []string{"What is the answer?", "Sealgate-Encryption: decrypted", "Sealgate-Signature: good"} {
		if strings.Count(arrived, words) != 1 {
			t.Errorf("%q stands %d times in\n%s", words, strings.Count(arrived, words), arrived)
		}
	}
	if queue := s.postfix.Queue(t); !strings.Contains(queue, "empty") {
		t.Errorf("in front something waits:\n%s", queue)
	}
}

// TestBeforeQueueFilterWithoutANextServer: who sends the mail keeps it, and tries again later.
func TestBeforeQueueFilterWithoutANextServer(t *testing.T) {
	s := newProxySite(t, func(s *site) string { return freePort(s.t) })
	err := smtp.SendMail(s.postfix.Inside, nil, customer, []string{support}, []byte(questionHeader+"\r\nhello\r\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "4") || !strings.Contains(err.Error(), "the next server says") {
		t.Errorf("the answer: %v", err)
	}
	if queue := s.postfix.Queue(t); !strings.Contains(queue, "empty") {
		t.Errorf("Postfix took what nobody has:\n%s", queue)
	}
}
