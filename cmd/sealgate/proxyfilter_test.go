package main

import (
	"strings"
	"testing"
)

// proxySite is a site whose Postfix asks Sealgate before it answers for mail from the world.
type proxySite struct {
	*site
	world string // where the world hands its mail in
}

// newProxySite starts one by the recipe. back are more options of the service where mail comes back; with down nothing
// listens there.
func newProxySite(t *testing.T, back string, down bool) proxySite {
	t.Helper()
	ports, _ := freePorts(t, "25", "10026", "10025")
	r := readRecipe(t, "Postfix before-queue filter", ports)
	s := newPeers(t)
	s.config = s.newConfig()
	s.config.Listen.Relay = r.doors()
	s.start()
	s.fill(nil)
	s.openFront()
	services := r.block("master.cf") + back
	if down {
		services, _, _ = strings.Cut(services, "127.0.0.1:"+ports["10026"]+" inet")
	}
	s.postfix.Serve(t, services, "127.0.0.1:"+ports["25"])
	return proxySite{s, "127.0.0.1:" + ports["25"]}
}

// openFront lets Postfix take the mail of this machine, as a server does for whom it serves.
func (s *site) openFront() {
	s.postfix.Set(s.t, "mynetworks=127.0.0.1/32", "smtpd_relay_restrictions=permit_mynetworks,reject")
}

// TestBeforeQueueFilter: Postfix hands the world's mail through before it answers for it, so that whoever sends it hears what
// the server behind Sealgate says.
func TestBeforeQueueFilter(t *testing.T) {
	s := newProxySite(t, "  -o { smtpd_sender_restrictions = inline:{ refused@world.test=reject } }\n", false)
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	s.handTo(s.world, customer, string(s.gpg.PGPMIME(t, questionHeader, []byte(questionBody), customer, support)), support)
	arrived := string(s.waitForMail("support", 1)[0])
	for _, words := range []string{"What is the answer?", "Sealgate-Encryption: decrypted", "Sealgate-Signature: good"} {
		if strings.Count(arrived, words) != 1 {
			t.Errorf("%q stands %d times in\n%s", words, strings.Count(arrived, words), arrived)
		}
	}
	err := offer(t, s.world, "refused@world.test", questionHeader+"\r\nhello\r\n", support)
	if err == nil || !strings.Contains(err.Error(), "550") && !strings.Contains(err.Error(), "554") || !strings.Contains(err.Error(), "Sender address rejected") {
		t.Errorf("the next server's refusal came as %v", err)
	}
	s.nothingWaits()
}

// TestBeforeQueueFilterWithoutANextServer: who sends the mail keeps it, and tries again later.
func TestBeforeQueueFilterWithoutANextServer(t *testing.T) {
	s := newProxySite(t, "", true)
	err := offer(t, s.world, customer, questionHeader+"\r\nhello\r\n", support)
	if err == nil || !strings.Contains(err.Error(), "451") || !strings.Contains(err.Error(), "the next server says") {
		t.Errorf("the answer: %v", err)
	}
	s.nothingWaits()
}

// nothingWaits is about Postfix's queue: what it has in there it has promised to deliver.
func (s *site) nothingWaits() {
	s.t.Helper()
	s.wait("Postfix's queue to be empty", func() bool { return strings.Contains(s.postfix.Queue(s.t), "empty") })
}
