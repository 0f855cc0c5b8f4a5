package keyring

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// recipe makes a key with one program; its name is that of the report in testdata/peers.
type recipe struct {
	program string
	kinds   []string // "" is the program's default
	start   func(testing.TB) bed.OpenPGP
}

// TestPeersKeysAreReadRightly makes a key of every kind with every program, anew, and compares what is read of it, public
// and secret, with a report that was looked at once. Fingerprints and dates read KEY-1, KEY-2, … and as days of life.
func TestPeersKeysAreReadRightly(t *testing.T) {
	for _, r := range []recipe{
		{
			"gpg",
			[]string{"", "rsa3072+rsa3072", "rsa1024+rsa1024", "dsa2048+elg2048", "nistp256+nistp256", "brainpoolP256r1+brainpoolP256r1", "secp256k1+secp256k1", "ed25519", "rsa2048+cv25519"},
			func(t testing.TB) bed.OpenPGP { return bed.NewGPGWithKeys(t) },
		},
		{"sq", []string{"", "cv25519", "rsa3k", "rsa4k"}, func(t testing.TB) bed.OpenPGP { return bed.NewSQ(t) }},
		{"rnp", []string{"", "eddsa", "p256"}, func(t testing.TB) bed.OpenPGP { return bed.NewRNP(t) }},
		{"openpgpjs", []string{"", "rsa3072", "p256", "v4-25519", "aead", "v6-25519", "v6-448"}, func(t testing.TB) bed.OpenPGP { return bed.NewOpenPGPJS(t) }},
	} {
		t.Run(r.program, func(t *testing.T) {
			program := r.start(t)
			for _, kind := range r.kinds {
				t.Run("kind "+kind, func(t *testing.T) {
					name := r.program
					if kind != "" {
						name += "-" + strings.ReplaceAll(kind, "+", "-")
					}
					golden(t, "peers/"+name, peerReport(t, program, kind))
				})
			}
		})
	}
}

// peerReport makes a key and tells what is read of its certificate and of itself, a minute later.
func peerReport(t *testing.T, program bed.OpenPGP, kind string) string {
	t.Helper()
	secret, err := program.Generate("Ann Bell <ann@example.org>", kind)
	if err != nil {
		t.Fatal(err)
	}
	public, err := program.Certificate(secret)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(time.Minute)
	var out strings.Builder
	var before *Certificate
	for _, input := range []struct {
		name string
		data []byte
	}{{"certificate", public}, {"secret key", secret}} {
		item := parseOne(t, input.data, at)
		fmt.Fprintf(&out, "%s: %d of its keys are secret%s\n", input.name, len(item.Certificate.secretKeys), word(item.Locked, "locked"))
		if err := item.Unlock(nil); err != nil {
			fmt.Fprintf(&out, "  %v\n", err)
		}
		c := item.Certificate
		c.State = Approved
		out.WriteString(reportOfNow(c, at))
		if before != nil && !before.material.equal(c.material) {
			out.WriteString("  its public packets are not those of the certificate\n")
		}
		before = c
	}
	return nameKeys(out.String())
}

// reportOfNow is reportCertificate without dates.
func reportOfNow(c *Certificate, at time.Time) string {
	var out strings.Builder
	fmt.Fprintf(&out, "  %s v%d %s, %s\n", c.Fingerprint, c.Version, c.Algorithm, life(c.Created, c.Expires))
	for _, u := range c.UserIDs {
		fmt.Fprintf(&out, "  user ID %q, address %q%s%s\n", u.Text, u.Address, word(u.Valid, "valid"), word(u.Revoked, "revoked"))
	}
	var subkeys []string // those of one second come in the order of their random octets
	for _, s := range c.Subkeys {
		subkeys = append(subkeys, fmt.Sprintf("  subkey %s, %s%s%s%s\n", s.Algorithm, life(s.Created, s.Expires),
			word(s.CanSign, "signs"), word(s.CanEncrypt, "encrypts"), word(s.Revoked, "revoked")))
	}
	slices.Sort(subkeys)
	out.WriteString(strings.Join(subkeys, ""))
	for _, use := range []Use{ToEncrypt, ToSign, ToVerify} {
		words := "usable"
		if j := c.Judge(use, at); j.Reason != Usable {
			words = j.Sentence
		}
		fmt.Fprintf(&out, "  to %s: %s\n", use, words)
	}
	return out.String()
}

func life(from, to time.Time) string {
	if to.IsZero() {
		return "never expires"
	}
	return fmt.Sprintf("expires after %.0f days", to.Sub(from).Hours()/24)
}

// secrets is a ring of one key.
type secrets struct{ openpgp.EntityList }

func (s secrets) Secrets() openpgp.EntityList { return s.EntityList }

// TestWeakKeysStillOpenOldMail: what Judge promises of weak, expired and revoked keys of ours, with mail that gpg encrypted
// to them in their time.
func TestWeakKeysStillOpenOldMail(t *testing.T) {
	g := bed.NewGPG(t)
	for _, kind := range []string{"rsa1024+rsa1024", "dsa2048+elg2048", "rsa2048+rsa2048"} {
		t.Run(kind, func(t *testing.T) {
			fp := g.GenerateAt(t, "Ann <ann+"+kind+"@example.org>", kind, time.Now().Add(-48*time.Hour), "1d")
			message, _ := g.Run(t, []byte("hello"), append(bed.At(time.Now().Add(-47*time.Hour)), "--encrypt", "--recipient", fp)...)
			item := parseOne(t, g.ExportSecret(t, fp), time.Now())
			if err := item.Unlock(nil); err != nil {
				t.Fatal(err)
			}
			c := *item.Certificate
			c.State = Approved
			if j := c.Judge(ToEncrypt, time.Now()); j.Reason == Usable || !strings.Contains(j.Sentence, "what came encrypted to it still opens") {
				t.Errorf("judged %+v", j)
			}
			key, err := item.unlocked()
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			d, err := pgp.Decrypt(&out, bytes.NewReader(message), func([]string) (pgp.Ring, error) {
				return secrets{openpgp.EntityList{key}}, nil
			}, pgp.Options{Now: time.Now()})
			if err != nil || d.Outcome != pgp.Decrypted || out.String() != "hello" {
				t.Errorf("%v %s, read %q", err, d.Reason, out.String())
			}
		})
	}
}
