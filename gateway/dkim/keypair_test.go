package dkim_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
)

// made is a new key with the record that is to be published of it.
func made(t testing.TB, algorithm dkim.Algorithm) (crypto.Signer, dkim.Record) {
	t.Helper()
	key, err := dkim.Generate(algorithm, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	kind, public, err := dkim.Public(key)
	if err != nil || kind != algorithm {
		t.Fatalf("it is %s (%v)", kind, err)
	}
	return key, dkim.Record{Domain: "desk.test", Selector: "s", Algorithm: kind, Public: public}
}

// TestGeneratedKeysSign: what we make, store and publish verifies, the record as zone files have it included.
func TestGeneratedKeysSign(t *testing.T) {
	for _, algorithm := range []dkim.Algorithm{dkim.RSA, dkim.Ed25519} {
		t.Run(string(algorithm), func(t *testing.T) {
			key, r := made(t, algorithm)
			der, err := dkim.Marshal(key)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := dkim.Parse(der)
			if err != nil {
				t.Fatal(err)
			}
			fields, err := dkim.Sign([]byte(message), dkim.Key{Domain: r.Domain, Selector: r.Selector, Signer: stored})
			if err != nil {
				t.Fatal(err)
			}
			d := dnstest.Start(t, r.Line())
			if got := verify(t, fields+message, d); got != "[dkim=pass header.d=desk.test header.s=s]" {
				t.Errorf("got %s", got)
			}
			if got := dkim.Check(t.Context(), r, d.Client()); got != dkim.Published {
				t.Errorf("the check says %s", got)
			}
		})
	}
	if _, err := dkim.Generate("dsa", rand.Reader); err == nil {
		t.Error("a key of no kind was made")
	}
}

// TestCheck: every sight of the DNS has its word.
func TestCheck(t *testing.T) {
	_, r := made(t, dkim.RSA)
	_, other := made(t, dkim.RSA)
	_, modern := made(t, dkim.Ed25519)
	tagged := func(in string) string { return zone(r.Name(), "v=DKIM1; "+in+"p="+r.Public) }
	for name, c := range map[string]struct {
		records []string
		want    dkim.Finding
	}{
		"right":           {[]string{r.Line()}, dkim.Published},
		"no k=":           {[]string{tagged("")}, dkim.Published},
		"no version":      {[]string{zone(r.Name(), "p="+r.Public)}, dkim.Published},
		"tested":          {[]string{tagged("t=s:y; ")}, dkim.Testing},
		"strict":          {[]string{tagged("t=s; ")}, dkim.Published},
		"for everything":  {[]string{tagged("s=*; ")}, dkim.Published},
		"not for mail":    {[]string{tagged("s=web; ")}, dkim.Unusable},
		"SHA-1 only":      {[]string{tagged("h=sha1; ")}, dkim.Unusable},
		"another key":     {[]string{other.Line()}, dkim.Different},
		"another kind":    {[]string{modern.Line()}, dkim.Different},
		"no base64":       {[]string{zone(r.Name(), "v=DKIM1; p=%%")}, dkim.Different},
		"withdrawn":       {[]string{zone(r.Name(), "v=DKIM1; p=")}, dkim.Withdrawn},
		"two":             {[]string{r.Line(), other.Line()}, dkim.Several},
		"nonsense":        {[]string{zone(r.Name(), "hello")}, dkim.Missing},
		"another version": {[]string{zone(r.Name(), "v=DKIM2; p="+r.Public)}, dkim.Missing},
		"another type":    {[]string{r.Name() + ". A 203.0.113.1"}, dkim.Missing},
		"no name":         {[]string{"else.test. A 203.0.113.1"}, dkim.Missing},
	} {
		t.Run(name, func(t *testing.T) {
			got := dkim.Check(t.Context(), r, dnstest.Start(t, c.records...).Client())
			if got != c.want || got.Sentence() == "" || got.Seen() != (c.want == dkim.Published || c.want == dkim.Testing) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	d := dnstest.Start(t, r.Line())
	d.Break(r.Name(), dns.RcodeServerFailure)
	if got := dkim.Check(t.Context(), r, d.Client()); got != dkim.Unreachable {
		t.Errorf("a broken DNS: %s", got)
	}
}

// TestAnUnwrappedRecordIsTheSameKey, as some tools publish it, and the library verifies with it.
func TestAnUnwrappedRecordIsTheSameKey(t *testing.T) {
	key := rsaKey(t, 2048)
	_, public, err := dkim.Public(key)
	if err != nil {
		t.Fatal(err)
	}
	r := dkim.Record{Domain: "desk.test", Selector: "s", Algorithm: dkim.RSA, Public: public}
	bare := r
	bare.Public = base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	if got := dkim.Check(t.Context(), r, dnstest.Start(t, bare.Line()).Client()); got != dkim.Published {
		t.Errorf("got %s", got)
	}
}

// TestParsePEM takes what the usual tools write and says what is wrong with the rest.
func TestParsePEM(t *testing.T) {
	block := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return block("PRIVATE KEY", der, err)
	}
	one, small := rsaKey(t, 2048), rsaKey(t, 1024)
	for name, c := range map[string]struct{ text, want string }{
		"PKCS#8 RSA":    {pkcs8(one), ""},
		"PKCS#8 Ed":     {pkcs8(edKey(t)), ""},
		"PKCS#1":        {"# of the old server\n" + block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(one), nil), ""},
		"small":         {pkcs8(small), "1024 bits and needs 2048"},
		"a curve":       {pkcs8(curve), "neither RSA nor Ed25519"},
		"public":        {block("PUBLIC KEY", []byte{1}, nil), "no secret key"},
		"damaged":       {block("PRIVATE KEY", []byte{1}, nil), "damaged"},
		"damaged RSA":   {block("RSA PRIVATE KEY", []byte{1}, nil), "damaged"},
		"two":           {pkcs8(one) + pkcs8(edKey(t)), "more than one"},
		"locked":        {block("ENCRYPTED PRIVATE KEY", []byte{1}, nil), "passphrase"},
		"nothing":       {"", "no key in PEM form"},
		"far too large": {strings.Repeat("x", 70_000), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dkim.ParsePEM([]byte(c.text))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestOpensslsKeysAreRead: both kinds as openssl makes them.
func TestOpensslsKeysAreRead(t *testing.T) {
	bed.Need(t, "openssl")
	for _, args := range [][]string{{"genpkey", "-algorithm", "ed25519"}, {"genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"}} {
		text, err := exec.CommandContext(t.Context(), program(t, "openssl"), args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dkim.ParsePEM(text); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		"Desk.Test": "desk.test", " desk.test. ": "desk.test", "bücher.example": "xn--bcher-kva.example",
		"desk": "", "": "", "a b.test": "", "support@desk.test": "", "desk.test; d=else.test": "", strings.Repeat("a", 64) + ".test": "",
	} {
		if got, err := dkim.Domain(text); got != want || (err == nil) != (want != "") {
			t.Errorf("domain %q: %q (%v)", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"Mail2026": "mail2026", "a.b": "a.b", "_x": "", "": "", "a b": "", "-a": "", "a..b": "", strings.Repeat("a", 64): "",
	} {
		if got, err := dkim.Selector(text); got != want || (err == nil) != (want != "") {
			t.Errorf("selector %q: %q (%v)", text, got, err)
		}
	}
}

// FuzzParsePEM: no bytes make it panic, and what it takes can sign.
func FuzzParsePEM(f *testing.F) {
	for _, algorithm := range []dkim.Algorithm{dkim.RSA, dkim.Ed25519} {
		key, _ := made(f, algorithm)
		der, err := dkim.Marshal(key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := dkim.ParsePEM(bytes.Clone(b))
		if err != nil {
			return
		}
		if _, err := dkim.Sign([]byte(message), dkim.Key{Domain: "desk.test", Selector: "s", Signer: key}); err != nil {
			t.Fatal(fmt.Errorf("a key that was taken does not sign: %w", err))
		}
	})
}

// said is a DNS that says one thing.
type said string

func (s said) TXT(context.Context, string) (resolve.Reply[string], error) {
	return resolve.Reply[string]{Records: []string{string(s)}}, nil
}

// FuzzCheck: no record makes it panic, and only one that holds the key is taken for it.
func FuzzCheck(f *testing.F) {
	_, r := made(f, dkim.Ed25519)
	f.Add(r.Value())
	f.Add("v=DKIM1; s=*; h=sha1:sha256; t=y:s; k=ed25519; p=" + r.Public)
	f.Add("p=;;=;v")
	f.Fuzz(func(t *testing.T, record string) {
		found := dkim.Check(t.Context(), r, said(record))
		if found.Sentence() == "" || found.Seen() && !strings.Contains(strings.Join(strings.Fields(record), ""), strings.TrimRight(r.Public, "=")) {
			t.Fatalf("%q is %s", record, found)
		}
	})
}
