package pgpmime_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// configAt makes keys at an instant, which list AES-256 as the keys of all current programs do.
func configAt(at time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return at }, Algorithm: packet.PubKeyAlgoEdDSA, DefaultCipher: packet.CipherAES256}
}

func configExpiring(at time.Time, seconds uint32) *packet.Config {
	c := configAt(at)
	c.KeyLifetimeSecs = seconds
	return c
}

// person is somebody in the frozen cases, as testdata/keys/people.txt tells.
type person struct {
	name, holding, maker, userID string
	events                       []string

	secret, certificate []byte          // armored
	entity              *openpgp.Entity // the secret key
	held                *openpgp.Entity // the certificate as we hold it; for ours the secret key
}

// caseKeys are all people by name.
type caseKeys map[string]person

// How we hold a key.
const (
	holdingOurs       = "ours"
	holdingApproved   = "approved"
	holdingUnapproved = "unapproved"
	holdingUnknown    = "unknown"
)

func readPeople(t testing.TB) []person {
	t.Helper()
	text, err := os.ReadFile("testdata/keys/people.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []person
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		columns := append(strings.Split(line, "|"), "")
		for i := range columns {
			columns[i] = strings.TrimSpace(columns[i])
		}
		if len(columns) < 5 {
			t.Fatalf("people.txt: %q", line)
		}
		p := person{name: columns[0], holding: columns[1], maker: columns[2], userID: unescape(columns[3])}
		if columns[4] != "" {
			p.events = strings.Split(columns[4], ", ")
		}
		all = append(all, p)
	}
	return all
}

func (p person) secretFile() string {
	return filepath.Join("testdata", "keys", p.name+"-secret.asc")
}

func (p person) certificateFile() string {
	return filepath.Join("testdata", "keys", p.name+".asc")
}

// with gives a person the keys.
func (p person) with(t testing.TB, secret, certificate []byte) person {
	t.Helper()
	p.secret, p.certificate, p.entity = secret, certificate, readCertificate(t, secret)
	switch {
	case p.holding == holdingOurs:
		p.held = p.entity
	case certificate != nil:
		p.held = readCertificate(t, certificate)
	}
	return p
}

// readCaseKeys reads the frozen keys. Nobody else holds what it returns: the library notes in a certificate which of its
// signatures it has checked.
func readCaseKeys(t testing.TB) caseKeys {
	t.Helper()
	keys := caseKeys{}
	for _, p := range readPeople(t) {
		secret, err := os.ReadFile(p.secretFile())
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := os.ReadFile(p.certificateFile())
		if err != nil {
			t.Fatal(err)
		}
		keys[p.name] = p.with(t, secret, certificate)
	}
	return keys
}

// keyring is what we hold. others tells of people who are held in another way than usual.
func (k caseKeys) keyring(others map[string]string) heldKeys {
	var names []string
	for name := range k {
		names = append(names, name)
	}
	slices.Sort(names)
	var held heldKeys
	for _, name := range names {
		p, holding := k[name], k[name].holding
		if other := others[name]; other != "" {
			holding = other
		}
		switch holding {
		case holdingOurs:
			held.secrets = append(held.secrets, p.entity)
		case holdingApproved, holdingUnapproved:
			held.signers = append(held.signers, pgpmime.Signer{Entity: p.held, Approved: holding == holdingApproved})
		}
	}
	return held
}
