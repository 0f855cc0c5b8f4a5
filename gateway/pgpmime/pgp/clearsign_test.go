package pgp_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

func clearsigned(t testing.TB, text string, signers ...*openpgp.Entity) string {
	t.Helper()
	var out bytes.Buffer
	if err := pgp.Clearsign(&out, []byte(text), inlineWriting(signers...)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestClearsign: any text comes back as it was, but for blanks at the ends of lines and the kind of line ends.
func TestClearsign(t *testing.T) {
	for _, version := range []int{4, 6} {
		alice := inlineKey(t, version)
		for text, want := range map[string]string{
			"":                                "",
			"hello":                           "hello",
			"hello\n":                         "hello\n",
			"\n\nhello\n\n":                   "\n\nhello\n\n",
			"one\r\ntwo\r\n":                  "one\ntwo\n",
			"blanks \t \nat ends ":            "blanks\nat ends",
			"- dash\n-\n--\n":                 "- dash\n-\n--\n",
			"From here\nFrom":                 "From here\nFrom",
			"-----BEGIN PGP SIGNATURE-----\n": "-----BEGIN PGP SIGNATURE-----\n",
			"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx": "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx",
			"Grüße\f\x00":            "Grüße\f\x00",
			"a\rb":                   "a\rb",
			strings.Repeat("x", 1e5): strings.Repeat("x", 1e5),
		} {
			message := clearsigned(t, text, alice)
			c, err := pgp.ReadClearsigned([]byte(message))
			if err != nil || string(c.Text) != want {
				t.Errorf("version %d, %.40q: read %.40q, %v", version, text, c.Text, err)
				continue
			}
			found, err := pgp.Verify(bytes.NewReader(c.Signed), c.Signature, openpgp.EntityList{alice}, pgp.Options{Now: inlineNow})
			if err != nil || len(found) != 1 || found[0].State != pgp.Verified || !found[0].Text {
				t.Errorf("version %d, %.40q: %+v, %v", version, text, found, err)
			}
		}
	}
}

// TestClearsignedHash: the header names the hashes of version 4 signatures, once, and of no others.
func TestClearsignedHash(t *testing.T) {
	four, six := inlineKey(t, 4), inlineKey(t, 6)
	for want, signers := range map[string][]*openpgp.Entity{
		"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n": {four, four, six},
		"-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n":               {six},
	} {
		if got := clearsigned(t, "x", signers...); !strings.HasPrefix(got, want) {
			t.Errorf("%.100q", got)
		}
	}
}

// TestClearsignedRefused: only one whole text is read, so that nothing beside it is taken for signed.
func TestClearsignedRefused(t *testing.T) {
	good := clearsigned(t, "hello", inlineKey(t, 4))
	for name, message := range map[string]string{
		"text before":    "first\n" + good,
		"text after":     good + "last",
		"two texts":      good + good,
		"another header": strings.Replace(good, "Hash:", "Comment: see below\nHash:", 1),
		"no dash escape": strings.Replace(good, "Hash: SHA256", "NotDashEscaped: yes", 1),
		"form feed":      strings.Replace(good, "Hash: SHA256", "Hash: SHA256\f", 1),
		"no signature":   good[:strings.Index(good, "-----BEGIN PGP SIGNATURE")],
		"cut off":        good[:len(good)-40],
		"damaged armor":  strings.Replace(good, "\r\n\r\n", "\r\n\r\n$$$$", 1),
		"armor alone":    good[strings.Index(good, "-----BEGIN PGP SIGNATURE"):],
		"nothing":        "",
	} {
		if c, err := pgp.ReadClearsigned([]byte(message)); !errors.Is(err, pgp.ErrNotClearsigned) {
			t.Errorf("%s: read %q, %v", name, c.Text, err)
		}
	}
	if _, err := pgp.ReadClearsigned([]byte("\r\n " + good + "\r\n")); err != nil {
		t.Errorf("blanks around it: %v", err)
	}
}

// TestClearsignGPG: gpg reads ours, and we read gpg's.
func TestClearsignGPG(t *testing.T) {
	g := bed.NewGPG(t)
	alice := inlineKey(t, 4)
	var cert bytes.Buffer
	a := armor.NewWriter(&cert, armor.PublicKey)
	if err := errors.Join(alice.Serialize(a), a.Close()); err != nil {
		t.Fatal(err)
	}
	g.Import(t, cert.Bytes())
	const text = "Hello\n- dash \nFrom me\n\nbye"
	out, status := g.Run(t, []byte(clearsigned(t, text, alice)), append(bed.At(inlineNow), "--decrypt")...)
	if !strings.Contains(status, "GOODSIG") || string(out) != "Hello\n- dash\nFrom me\n\nbye\n" {
		t.Errorf("gpg read %q\n%s", out, status)
	}
	id := g.GenerateAt(t, "Bob <bob@example.org>", "rsa2048", inlineNow.AddDate(-1, 0, 0), "never")
	message, _ := g.Run(t, []byte(text), append(bed.At(inlineNow), "--local-user", id, "--clear-sign")...)
	c, err := pgp.ReadClearsigned(message)
	if err != nil || string(c.Text) != "Hello\n- dash\nFrom me\n\nbye" {
		t.Fatalf("read %q, %v", c.Text, err)
	}
	bob, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(g.Export(t, id)))
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgp.Verify(bytes.NewReader(c.Signed), c.Signature, bob, pgp.Options{Now: inlineNow})
	if err != nil || len(found) != 1 || found[0].State != pgp.Verified {
		t.Errorf("%+v, %v", found, err)
	}
}

// FuzzReadClearsigned: what is read says the same when it is signed and read again.
func FuzzReadClearsigned(f *testing.F) {
	alice := inlineKey(f, 4)
	for _, text := range []string{"hello", "- dash\n\nFrom\n", ""} {
		f.Add([]byte(clearsigned(f, text, alice)))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		c, err := pgp.ReadClearsigned(message)
		if err != nil {
			return
		}
		again, err := pgp.ReadClearsigned([]byte(clearsigned(t, string(c.Text), alice)))
		if err != nil || !bytes.Equal(again.Signed, c.Signed) {
			t.Errorf("%q signed and read again: %q, %v", c.Text, again.Text, err)
		}
	})
}
