package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// Canary words: each stands in one secret place and must be found nowhere at rest.
const (
	canarySubject    = "canary-subject-6402"
	canaryBody       = "canary-body-6402"
	canaryAttachment = "canary-attachment-6402"
	canaryPassphrase = "canary-passphrase-6402"
)

// TestNoPlaintextAtRest: subject, body, attachment, passphrase, secret key and passwords of a whole conversation are
// found nowhere in database, write-ahead log, spool, log and temporary folder; neither while running nor after the end.
func TestNoPlaintextAtRest(t *testing.T) {
	s := newPeers(t)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	s.config = s.newConfig()
	s.start()
	s.fill(nil)
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	old := protectedKey(t, s)
	s.importKeys(old, canaryPassphrase)

	header := strings.Replace(questionHeader, "Subject: question", "Subject: "+canarySubject, 1)
	body := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + canaryBody +
		"\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=a\r\n\r\n" + canaryAttachment + "\r\n--b--\r\n"
	s.dovecot.Deliver(t, "support", s.gpg.PGPMIME(t, header, []byte(body), customer, support))
	s.waitForTickets(s.ticket(), 1)
	outgoing := strings.NewReplacer("question", canarySubject, "forty-two", canaryBody).Replace(reply)
	if err := s.submit(outgoing, customer); err != nil {
		t.Fatal(err)
	}
	s.waitForMail("customer", 1)

	words := [][]byte{
		[]byte(canarySubject), []byte(canaryBody), []byte(canaryAttachment), []byte(canaryPassphrase),
		[]byte(gatewayPassword), []byte(adminPassword), secretOctets(t, s),
	}
	s.sweep("while running", temporary, words)
	s.stop()
	s.sweep("after the end", temporary, words)
}

// sweep looks for words in everything that this installation wrote.
func (s *site) sweep(when, temporary string, words [][]byte) {
	s.t.Helper()
	files := map[string][]byte{"log": []byte(s.log.String())}
	for _, folder := range []string{sqliteFolder(s.config), s.config.Spool, temporary} {
		for path, content := range filesBelow(s.t, folder) {
			files[path] = content
		}
	}
	if len(files[sqlitePath(s.config.Database)]) == 0 {
		s.t.Fatal("the sweep does not see the database")
	}
	for path, content := range files {
		for _, word := range words {
			if bytes.Contains(content, word) {
				s.t.Errorf("%s: %s holds %q", when, path, word)
			}
		}
	}
}

func sqliteFolder(c config) string {
	path := sqlitePath(c.Database)
	return path[:strings.LastIndexByte(path, os.PathSeparator)]
}

// protectedKey is a secret key under the canary passphrase, as gpg exports it.
func protectedKey(t *testing.T, s *site) []byte {
	t.Helper()
	s.gpg.Run(t, nil, "--passphrase", canaryPassphrase, "--quick-gen-key", "Old desk <old@desk.test>", "ed25519", "sign", "never")
	key, _ := s.gpg.Run(t, nil, "--passphrase", canaryPassphrase, "--armor", "--export-secret-keys", "old@desk.test")
	return key
}

// secretOctets are the secret octets of the group's signing key.
func secretOctets(t *testing.T, s *site) []byte {
	t.Helper()
	found, err := s.parts.gateway.Keyring.ByAddress(t.Context(), []string{support}, s.parts.gateway.Now())
	if err != nil {
		t.Fatal(err)
	}
	secret, err := s.parts.gateway.Keyring.Secret(t.Context(), found[support][0].Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	var with, without bytes.Buffer
	if err := secret.PrivateKey.Serialize(&with); err != nil {
		t.Fatal(err)
	}
	if err := secret.PrimaryKey.Serialize(&without); err != nil {
		t.Fatal(err)
	}
	// The secret packet is the public one, then the secret octets and a checksum of two octets (RFC 9580, 5.5.3).
	b := with.Bytes()
	return b[len(b)-2-16 : len(b)-2]
}
