package keyring

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/migrations/dbtest"
)

func TestGPGUsesOurGeneratedKey(t *testing.T) {
	g := bed.NewGPG(t)
	item, err := Generate("", "Support Team", "support@desk.test", 2*year, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := item.Certificate.Armored()
	if err != nil {
		t.Fatal(err)
	}
	g.Import(t, certificate)
	ciphertext, _ := g.Run(t, []byte("hello"), "--encrypt", "--recipient", "support@desk.test")

	entity, err := item.unlocked()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := ExportSecret(entity, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	passphrase := []string{"--passphrase", "correct horse"}
	_, status := g.Run(t, secret, append(passphrase, "--import")...)
	if !strings.Contains(status, "IMPORT_RES 1") {
		t.Errorf("importing the exported secret key: %s", status)
	}
	plaintext, status := g.Run(t, ciphertext, append(passphrase, "--decrypt")...)
	if string(plaintext) != "hello" || !strings.Contains(status, "GOODMDC") {
		t.Errorf("gpg read %q: %s", plaintext, status)
	}
	signed, _ := g.Run(t, []byte("hello"), append(passphrase, "--sign")...)
	if _, status := g.Run(t, signed, "--verify"); !strings.Contains(status, "GOODSIG") {
		t.Errorf("gpg did not verify: %s", status)
	}
}

// TestGPGKeysOfEveryKind imports what gpg makes and judges it.
func TestGPGKeysOfEveryKind(t *testing.T) {
	g := bed.NewGPG(t)
	for algo, want := range map[string]struct {
		algorithm string
		reason    Reason
	}{
		"":                                {"Ed25519", Usable},
		"rsa3072+rsa3072":                 {"RSA 3072", Usable},
		"rsa1024+rsa1024":                 {"RSA 1024", Weak},
		"dsa2048+elg2048":                 {"DSA 2048", Weak},
		"nistp256+nistp256":               {"ECDSA P256", Usable},
		"brainpoolP256r1+brainpoolP256r1": {"ECDSA BrainpoolP256", Usable},
	} {
		t.Run("algorithm "+algo, func(t *testing.T) {
			address := "ann+" + algo + "@example.org"
			fingerprint := g.Generate(t, "Ann <"+address+">", algo)
			item := parseOne(t, g.ExportSecret(t, fingerprint), time.Now())
			if err := item.Unlock(nil); err != nil {
				t.Fatal(err)
			}
			c := item.Certificate
			c.State = Approved
			if c.Fingerprint != fingerprint || c.Algorithm != want.algorithm || c.UserIDs[0].Address != address {
				t.Errorf("read as %s %s %q", c.Fingerprint, c.Algorithm, c.UserIDs[0].Address)
			}
			if e, s := c.ForEncryption(time.Now()), c.ForSigning(time.Now()); e != want.reason || s != want.reason {
				t.Errorf("for encryption %q, for signing %q, want %q", e, s, want.reason)
			}
		})
	}
}

func TestGPGDumpRevocationAndExpiry(t *testing.T) {
	g := bed.NewGPG(t)
	first := g.Generate(t, "First <first@example.org>", "")
	second := g.Generate(t, "Second <second@example.org>", "")
	before, _ := g.Run(t, nil, "--export")
	items, err := Parse(before, time.Now())
	if err != nil || len(items) != 2 || items[0].Certificate.Fingerprint != first || items[1].Certificate.Fingerprint != second {
		t.Fatalf("a keyring dump of two gave %d, %v", len(items), err)
	}
	g.Run(t, nil, "--quick-set-expire", first, "1y")
	g.Run(t, nil, "--quick-add-uid", second, "Other <other@example.org>")
	g.Run(t, nil, "--quick-revoke-uid", second, "Second <second@example.org>")
	for i, fingerprint := range []string{first, second} {
		later := parseOne(t, g.Export(t, fingerprint), time.Now().Add(time.Minute))
		merged, err := DefaultLimits().combine(items[i].Certificate, later.Certificate, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(differences(items[i].Certificate, merged), "; ")
		want := "expires on "
		if i == 1 {
			want = "new user ID Other <other@example.org>; user ID Second <second@example.org> revoked"
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestGPGOldHashes imports keys whose self-signatures use SHA-1: honest for old keys, not for new ones.
func TestGPGOldHashes(t *testing.T) {
	g := bed.NewGPG(t)
	for made, usable := range map[string]bool{"20150101T000000": true, "20240101T000000": false} {
		g.Run(t, nil, "--faked-system-time", made+"!", "--cert-digest-algo", "SHA1",
			"--quick-gen-key", "Ann <ann"+made+"@example.org>", "rsa2048", "default", "never")
		items, err := Parse(g.Export(t, "ann"+made+"@example.org"), time.Now())
		if err != nil || len(items) != 1 {
			t.Fatalf("%d items, %v", len(items), err)
		}
		if got := items[0].Err == nil; got != usable {
			t.Errorf("SHA-1 of %s: taken %v (%v)", made, got, items[0].Err)
		}
	}
}

// TestGPGOfflinePrimaryKey is what gpg --export-secret-subkeys gives, back and forth.
func TestGPGOfflinePrimaryKey(t *testing.T) {
	g := bed.NewGPG(t)
	fingerprint := g.Generate(t, "Ann <ann@example.org>", "")
	subkeys, _ := g.Run(t, nil, "--export-secret-subkeys", fingerprint)
	item := parseOne(t, subkeys, time.Now())
	if err := item.Unlock(nil); err != nil || !item.HasSecret || !item.stub {
		t.Fatalf("has secret %v, stub %v, %v", item.HasSecret, item.stub, err)
	}
	entity, err := item.unlocked()
	if err != nil {
		t.Fatal(err)
	}
	exported, err := ExportSecret(entity, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	other := bed.NewGPG(t)
	_, status := other.Run(t, exported, "--passphrase", "x", "--import")
	if !strings.Contains(status, "IMPORT_OK 17 "+fingerprint) {
		t.Errorf("gpg imported: %s", status)
	}
	ciphertext, _ := g.Run(t, []byte("hello"), "--encrypt", "--recipient", fingerprint)
	plaintext, _ := other.Run(t, ciphertext, "--passphrase", "x", "--decrypt")
	if !bytes.Equal(plaintext, []byte("hello")) {
		t.Errorf("gpg read %q", plaintext)
	}
}

// TestGPGCertificateOfSHA1IsNamed: one that only SHA-1 holds together is refused with its own sentence.
func TestGPGCertificateOfSHA1IsNamed(t *testing.T) {
	g := bed.NewGPG(t)
	g.Run(t, nil, "--faked-system-time", "20240101T000000!", "--cert-digest-algo", "SHA1",
		"--quick-gen-key", "Ann <ann@example.org>", "rsa2048", "default", "never")
	items, err := Parse(g.Export(t, "ann@example.org"), time.Now())
	if err != nil || len(items) != 1 || items[0].Err == nil || !strings.Contains(items[0].Err.Error(), "SHA-1 alone") {
		t.Errorf("%v, %v", items, err)
	}
}

// TestGPGSubkeyOfSHA1IsLeftOut: the certificate is taken, and the report says why nothing can be encrypted to it.
func TestGPGSubkeyOfSHA1IsLeftOut(t *testing.T) {
	g := bed.NewGPG(t)
	fp := g.GenerateAt(t, "Ann <ann@example.org>", "rsa2048", time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), "never")
	g.Run(t, nil, "--faked-system-time", "20240102T000000!", "--cert-digest-algo", "SHA1", "--quick-add-key", fp, "rsa2048", "encr", "never")
	r := newRing(t, dbtest.SQLite(t))
	change := r.merge(g.Export(t, fp), true, time.Now())
	want := []string{"mail cannot be encrypted to it: no key to encrypt to", "1 of its subkeys left out, as only SHA-1 binds them: ask its owner to renew it"}
	if change.Outcome != Added || !slices.Equal(change.Details, want) {
		t.Errorf("%+v", change)
	}
}
