package main

import (
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
)

// stranger has no certificate: policy refuses what is written to it.
const stranger = "nobody@elsewhere.test"

// TestEximInFront: Exim sends its people's mail out through Sealgate, and the world's mail in, by the recipe.
func TestEximInFront(t *testing.T) {
	bed.Need(t, "exim4")
	ports, listens := freePorts(t, "25", "587", "10026", "10025", "10024")
	r := readRecipe(t, "Exim", ports)
	s := newNeighbourSite(t, r, "127.0.0.1:"+ports["10026"])
	exim := bed.StartExim(t, s.tls, s.dovecot, bed.EximParts{Main: r.block("main part"), Routers: r.block("routers"), Transports: r.block("transports")}, listens[:3]...)
	s.throughNeighbour("127.0.0.1:"+ports["25"], "127.0.0.1:"+ports["587"])
	s.wait("Exim's queue to be empty", func() bool { return exim.Waiting(t) == 0 })
	if t.Failed() {
		t.Log(exim.Log(t))
	}
}

// TestOpenSMTPDInFront is the same with OpenSMTPD.
func TestOpenSMTPDInFront(t *testing.T) {
	bed.Need(t, "opensmtpd")
	ports, listens := freePorts(t, "25", "587", "10026", "10025", "10024")
	r := readRecipe(t, "OpenSMTPD", ports)
	s := newNeighbourSite(t, r, "127.0.0.1:"+ports["10026"])
	deliver := `action "DELIVER" relay host "smtp+notls://` + s.postfix.Back + `"` + "\n"
	bed.StartOpenSMTPD(t, deliver+r.block("smtpd.conf"), listens[:3]...)
	s.throughNeighbour("127.0.0.1:"+ports["25"], "127.0.0.1:"+ports["587"])
}

// throughNeighbour tells the story of every mail server that stands in front with a door for each way.
func (s *site) throughNeighbour(world, own string) {
	s.t.Helper()
	// What policy refuses comes back to its sender, with our words.
	s.handTo(own, support, strings.Replace(reply, customer, stranger, 1), stranger)
	// What the group writes leaves protected.
	s.handTo(own, support, reply, customer)
	// Whoever claims to be the group, at the world's port, is not signed for.
	s.handTo(world, support, strings.Replace(reply, customer, support, 1), support)
	s.handTo(world, customer, string(s.gpg.PGPMIME(s.t, questionHeader, []byte(questionBody), customer, support)), support)

	entity, status := s.gpg.Read(s.t, s.waitForMail("customer", 1)[0])
	if !strings.Contains(string(entity), "forty-two") || !strings.Contains(status, "GOODSIG") {
		s.t.Errorf("gpg reads:\n%s\n%s", entity, status)
	}
	arrived := ""
	for _, m := range s.waitForMail("support", 3) {
		arrived += string(m)
	}
	for _, words := range []string{"What is the answer?", "Sealgate-Encryption: decrypted", "Sealgate-Signature: good"} {
		if n := strings.Count(arrived, words); n != 1 {
			s.t.Errorf("%q stands %d times in\n%s", words, n, arrived)
		}
	}
	if !strings.Contains(strings.Join(strings.Fields(arrived), " "), "no usable certificate for "+stranger) {
		s.t.Errorf("no bounce tells why\n%s", arrived)
	}
	if strings.Contains(arrived, "BEGIN PGP SIGNATURE") {
		s.t.Errorf("a stranger's message was signed as ours:\n%s", arrived)
	}
}
