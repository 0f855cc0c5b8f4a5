package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
)

// TestBothWaysOnPostgreSQL: mail in and mail out with the shared database instead of the embedded one.
func TestBothWaysOnPostgreSQL(t *testing.T) {
	url := dbtest.Postgres(t)
	s := newPeers(t)
	s.config = s.newConfig()
	s.config.Database = url
	s.start()
	s.fill(nil)
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")

	s.dovecot.Deliver(t, "support", s.gpg.PGPMIME(t, questionHeader, []byte(questionBody), customer, support))
	message := s.waitForTickets(s.ticket(), 1)[0]
	if !bytes.Contains(message.body, []byte("What is the answer?")) || !bytes.Contains(message.body, []byte("Sealgate-Signature: good")) {
		t.Errorf("the ticket system reads:\n%s", message.body)
	}

	if err := s.submit(reply, customer); err != nil {
		t.Fatal(err)
	}
	entity, status := s.gpg.Read(t, s.waitForMail("customer", 1)[0])
	if !bytes.Contains(entity, []byte("forty-two")) || !strings.Contains(status, "GOODSIG") {
		t.Errorf("gpg reads %s\n%s", status, entity)
	}
	s.wait("the relay in the log", func() bool { return s.logged("message.relayed") == 1 })
}
