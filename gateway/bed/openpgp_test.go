package bed_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
)

// programs are all that speak OpenPGP.
var programs = map[string]func(testing.TB) bed.OpenPGP{
	"gpg":            func(t testing.TB) bed.OpenPGP { return bed.NewGPGWithKeys(t) },
	"sq":             func(t testing.TB) bed.OpenPGP { return bed.NewSQ(t) },
	"sqop":           func(t testing.TB) bed.OpenPGP { return bed.NewSOP(t, "sqop") },
	"gosop":          func(t testing.TB) bed.OpenPGP { return bed.NewSOP(t, "gosop") },
	"pgpainless-cli": func(t testing.TB) bed.OpenPGP { return bed.NewSOP(t, "pgpainless-cli") },
	"rnp":            func(t testing.TB) bed.OpenPGP { return bed.NewRNP(t) },
	"openpgpjs":      func(t testing.TB) bed.OpenPGP { return bed.NewOpenPGPJS(t) },
}

// user is somebody with a key.
type user struct{ key, certificate []byte }

func newUser(t *testing.T, p bed.OpenPGP, userID, kind string) user {
	t.Helper()
	key, err := p.Generate(userID, kind)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := p.Certificate(key)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(key, []byte("PRIVATE KEY")) || !bytes.Contains(certificate, []byte("PUBLIC KEY")) {
		t.Fatalf("key:\n%s\ncertificate:\n%s", key, certificate)
	}
	return user{key, certificate}
}

// TestEveryProgramOpensWhatItWrote in each form, and refuses what it must.
func TestEveryProgramOpensWhatItWrote(t *testing.T) {
	for name, start := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			if version, err := p.Version(); err != nil || !strings.Contains(version, ".") || strings.Contains(version, " ") {
				t.Errorf("version %q, %v", version, err)
			}
			alice, bob := newUser(t, p, "Alice <alice@desk.test>", ""), newUser(t, p, "Bob <bob@desk.test>", "")
			for form, c := range map[string]struct{ signer, verifier, key []byte }{
				"signed":    {alice.key, alice.certificate, nil},
				"encrypted": {nil, nil, bob.key},
				"both":      {alice.key, alice.certificate, bob.key},
			} {
				t.Run(form, func(t *testing.T) { opens(t, p, c.signer, c.verifier, c.key, bob) })
			}
			if name != "gosop" {
				t.Run("clearsigned", func(t *testing.T) { clears(t, p, alice, bob) })
			}
			t.Run("refuses", func(t *testing.T) { refuses(t, p, start(t), alice, bob) })
		})
	}
}

func opens(t *testing.T, p bed.OpenPGP, signer, verifier, key []byte, reader user) {
	var to [][]byte
	if key != nil {
		to = append(to, reader.certificate)
	}
	message, err := bed.Wrap(p, "From: support@desk.test\nSubject: one", []byte(entity), signer, to...)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(message, []byte("From: support@desk.test\r\nSubject: one\r\nMIME-Version: 1.0\r\nContent-Type: multipart/")) {
		t.Errorf("header of %.200q", message)
	}
	if key == nil && !bytes.Contains(message, []byte("micalg=pgp-sha")) {
		t.Errorf("no micalg in %.300q", message)
	}
	got, err := bed.Unwrap(p, message, key, verifier)
	if err != nil || string(got) != entity {
		t.Errorf("entity %q, %v", got, err)
	}
}

func refuses(t *testing.T, p, elsewhere bed.OpenPGP, alice, bob user) {
	must := func(made []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	signature := must(p.Sign([]byte(entity), alice.key))
	if err := p.Verify([]byte(entity+"!"), signature, alice.certificate); err == nil {
		t.Error("verified another text")
	}
	if err := p.Verify([]byte(entity), signature, bob.certificate); err == nil {
		t.Error("verified with another key")
	}
	unsigned := must(p.Encrypt([]byte(entity), nil, bob.certificate))
	if _, err := p.Decrypt(unsigned, bob.key, alice.certificate); err == nil {
		t.Error("took an unsigned message for a signed one")
	}
	if plain, err := p.Decrypt(unsigned, bob.key, nil); err != nil || !strings.Contains(string(plain), "Two") {
		t.Errorf("decrypted %q, %v", plain, err)
	}
	if _, err := elsewhere.Decrypt(unsigned, alice.key, nil); err == nil {
		t.Error("decrypted with another key")
	}
}

func TestUnwrapRefusesOtherForms(t *testing.T) {
	for name, message := range map[string]string{
		"not a multipart": "Content-Type: text/plain\r\n\r\nhello\r\n",
		"cut off":         "Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\none\r\n",
		"signed only":     "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n",
	} {
		if entity, err := bed.Unwrap(nil, []byte(message), []byte("key"), nil); err == nil {
			t.Errorf("%s: opened as %q", name, entity)
		}
	}
}

// clears signs a text for people and refuses another one. Only Debian's gosop cannot.
func clears(t *testing.T, p bed.OpenPGP, alice, bob user) {
	message, err := p.Clearsign([]byte("hello\n- Grüße\n"), alice.key)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(message, []byte("-----BEGIN PGP SIGNED MESSAGE-----")) || !bytes.Contains(message, []byte("\n- - Grüße")) {
		t.Errorf("signed:\n%s", message)
	}
	text, err := p.ReadClearsigned(message, alice.certificate)
	if got := strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")); err != nil || got != "hello\n- Grüße" {
		t.Errorf("read %q, %v", text, err)
	}
	if _, err := p.ReadClearsigned(bytes.Replace(message, []byte("hello"), []byte("HELLO"), 1), alice.certificate); err == nil {
		t.Error("verified another text")
	}
	if _, err := p.ReadClearsigned(message, bob.certificate); err == nil {
		t.Error("verified with another key")
	}
}

// TestInlineSOP: the two programs that sign inline read each other, whatever the form.
func TestInlineSOP(t *testing.T) {
	sqop, pgpainless := bed.NewSOP(t, "sqop"), bed.NewSOP(t, "pgpainless-cli")
	alice := newUser(t, sqop, "Alice <alice@desk.test>", "")
	for _, as := range []string{"binary", "text"} {
		message, err := sqop.InlineSign([]byte("hello\n"), alice.key, as)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := pgpainless.InlineVerify(message, alice.certificate); err != nil || strings.TrimSpace(string(plain)) != "hello" {
			t.Errorf("%s: read %q, %v", as, plain, err)
		}
	}
}

// TestProgramsMakeKeysOfTheirKinds: each kind encrypts and signs.
func TestProgramsMakeKeysOfTheirKinds(t *testing.T) {
	for name, kinds := range map[string][]string{
		"gpg":       {"nistp256+nistp256"},
		"sq":        {"rsa3k"},
		"rnp":       {"eddsa", "p256"},
		"openpgpjs": {"p256", "v4-25519", "aead", "v6-25519", "v6-448"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := programs[name](t)
			for _, kind := range kinds {
				t.Run(kind, func(t *testing.T) {
					alice := newUser(t, p, "Alice <alice@desk.test>", kind)
					opens(t, p, alice.key, alice.certificate, alice.key, alice)
				})
			}
			if name == "rnp" || name == "sq" {
				if _, err := p.Generate("Alice <alice@desk.test>", "no such kind"); err == nil {
					t.Error("made a key of a kind that there is not")
				}
			}
		})
	}
}

// TestRNPWritesGnuPGsPacket: the encrypted packet number 20, which gpg 2.3 and later write and Debian's only reads.
func TestRNPWritesGnuPGsPacket(t *testing.T) {
	r, g := bed.NewRNP(t), bed.NewGPGWithKeys(t)
	alice := newUser(t, g, "Alice <alice@desk.test>", "")
	for _, mode := range []string{"OCB", "EAX"} {
		message, err := r.EncryptAEAD(mode, []byte(entity), nil, alice.certificate)
		if err != nil {
			t.Fatal(err)
		}
		packets, _ := g.Run(t, message, "--list-packets")
		if !bytes.Contains(packets, []byte("tag=20")) {
			t.Errorf("%s: gpg lists\n%s", mode, packets)
		}
		if plain, err := g.Decrypt(message, alice.key, nil); err != nil || string(plain) != entity {
			t.Errorf("%s: gpg read %q, %v", mode, plain, err)
		}
	}
}

func TestNeedTellsHowToGetTheLibrary(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SEALGATE_PEERS", "")
	v := record(t, func(tb testing.TB) { bed.NewOpenPGPJS(tb) })
	if !strings.Contains(v.skip, "make peers") || v.logs != "PEER-MISSING: openpgpjs\n" {
		t.Errorf("skip %q, logs %q", v.skip, v.logs)
	}
}
