package dkim_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"github.com/miekg/dns"
	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const message = "From: Support <support@desk.test>\r\nTo: customer@example.test\r\nSubject: Your  order\r\nDate: Wed, 4 Mar 2026 12:00:00 +0000\r\n" +
	"Message-ID: <1@desk.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\nX-Other: one\r\n\r\nThe answer. \r\n\r\n  Two  blanks.\r\n\r\n"

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// record is the key record of a key, with more tags in front.
func record(t testing.TB, key crypto.Signer, tags string) string {
	t.Helper()
	if public, ok := key.Public().(ed25519.PublicKey); ok {
		return "v=DKIM1; " + tags + "k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return "v=DKIM1; " + tags + "k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

// zone writes a TXT record in the form of zone files, in strings of at most 255 bytes.
func zone(name, text string) string {
	line := name + ". TXT"
	for len(text) > 250 {
		line, text = line+fmt.Sprintf(" %q", text[:250]), text[250:]
	}
	return line + fmt.Sprintf(" %q", text)
}

// signed is the message with the signatures of both kinds of key, and a DNS that knows them.
func signed(t testing.TB, text string) (string, *dnstest.Server) {
	t.Helper()
	one, two := rsaKey(t, 2048), edKey(t)
	fields, err := dkim.Sign([]byte(text), dkim.Key{Domain: "desk.test", Selector: "r", Signer: one}, dkim.Key{Domain: "desk.test", Selector: "e", Signer: two})
	if err != nil {
		t.Fatal(err)
	}
	return fields + text, dnstest.Start(t, zone("r._domainkey.desk.test", record(t, one, "")), zone("e._domainkey.desk.test", record(t, two, "")))
}

func verify(t *testing.T, text string, d *dnstest.Server) string {
	t.Helper()
	return fmt.Sprint(dkim.Verify(t.Context(), []byte(text), d.Client()))
}

const bothPass = "[dkim=pass header.d=desk.test header.s=r dkim=pass header.d=desk.test header.s=e]"

// TestSignAndVerify: what we sign passes, changed blanks and other fields do not matter, and everything else does.
func TestSignAndVerify(t *testing.T) {
	text, d := signed(t, message)
	for name, c := range map[string]struct{ from, to, want string }{
		"as it was":               {"", "", bothPass},
		"blanks in a field":       {"Subject: Your  order", "Subject:   Your order ", bothPass},
		"blanks in the body":      {"The answer. \r\n", "The answer.\r\n", bothPass},
		"another field":           {"X-Other: one", "X-Other: two", bothPass},
		"a field in front":        {"X-Other: one", "X-Other: one\r\nReceived: from a", bothPass},
		"the body":                {"The answer", "An answer", "dkim=fail reason=\"body hash did not verify\""},
		"words behind the body":   {"blanks.\r\n\r\n", "blanks.\r\n\r\nMore.\r\n", "dkim=fail reason=\"body hash"},
		"the subject":             {"Your  order", "Your bill", "dkim=fail reason=\"signature did not verify"},
		"another From":            {"From: Support", "From: evil@else.test\r\nFrom: Support", "dkim=fail"},
		"another From at the end": {"X-Other: one", "from: evil@else.test\r\nX-Other: one", "dkim=fail"},
		"another Subject":         {"From: Support", "Subject: else\r\nFrom: Support", "dkim=fail"},
		"another Content-Type":    {"From: Support", "Content-Type: text/html\r\nFrom: Support", "dkim=fail"},
		"a length":                {"v=1;", "v=1; l=10;", "dkim=fail reason=\"message contains an insecure body length tag\""},
		"another domain":          {"d=desk.test", "d=else.test", "dkim=permerror reason=\"no key for signature: no key record\" header.d=else.test"},
		"no domain":               {"d=desk.test", "x-d=desk.test", "dkim=permerror reason=\"signature missing required tag\""},
		"a line in the domain":    {"d=desk.test", "d=desk.test\r\n evil=1", "dkim=permerror"},
		"expired":                 {"v=1;", "v=1; x=1000000000;", "dkim=permerror reason=\"signature has expired\""},
	} {
		t.Run(name, func(t *testing.T) {
			changed := text
			if c.from != "" {
				if changed = strings.ReplaceAll(text, c.from, c.to); changed == text {
					t.Fatal("nothing is changed")
				}
			}
			got := verify(t, changed, d)
			if !strings.Contains(got, c.want) || c.want != bothPass && strings.Contains(got, "pass") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if got := verify(t, message, d); got != "[]" {
		t.Errorf("without a signature: %s", got)
	}
}

// TestWhatIsSigned: every field that is there, those that stand alone once more, the body whole.
func TestWhatIsSigned(t *testing.T) {
	fields, err := dkim.Sign([]byte(message), dkim.Key{Domain: "Desk.Test", Selector: "e", Signer: edKey(t)})
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.NewReplacer("\r\n ", "", " ", "").Replace(fields)
	if want := "h=From:From:Subject:Subject:To:To:Date:Date:Message-ID:Message-ID:MIME-Version:MIME-Version:Content-Type:Content-Type;"; !strings.Contains(flat, want) {
		t.Errorf("it signs %s", flat)
	}
	if !strings.Contains(flat, "c=relaxed/relaxed;") || !strings.Contains(flat, "d=desk.test;") || !strings.Contains(flat, "a=ed25519-sha256;") || strings.Contains(flat, ";l=") {
		t.Errorf("it is %s", flat)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(fields, "\r\n"), "\r\n") {
		if len(line) > 998 || !strings.HasPrefix(line, "DKIM-Signature: ") && line[0] != ' ' {
			t.Errorf("line %q", line)
		}
	}
}

// TestWhatCannotBeSigned says why.
func TestWhatCannotBeSigned(t *testing.T) {
	odd, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := dkim.Key{Domain: "desk.test", Selector: "s", Signer: edKey(t)}
	for want, c := range map[string]struct {
		text string
		key  dkim.Key
	}{
		"1024 bits and needs 2048": {message, dkim.Key{Domain: "desk.test", Selector: "s", Signer: rsaKey(t, 1024)}},
		"neither RSA nor Ed25519":  {message, dkim.Key{Domain: "desk.test", Selector: "s", Signer: odd}},
		"there is no key":          {message, dkim.Key{Domain: "desk.test", Selector: "s"}},
		"is no name":               {message, dkim.Key{Domain: "desk.test; i=@else.test", Selector: "s", Signer: good.Signer}},
		"0 From fields":            {"Subject: a\r\n\r\nb", good},
		"2 From fields":            {"From: a\r\nfrom: b\r\n\r\nc", good},
		"too large":                {"From: a\r\nX: " + strings.Repeat("y", 600_000) + "\r\n\r\n", good},
		"too many lines":           {"From: a\r\n" + strings.Repeat("X: y\r\n", 2001) + "\r\n", good},
	} {
		if _, err := dkim.Sign([]byte(c.text), c.key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestALargeMessageIsSignedAsItIsRead, and one that cannot be read to its end is not signed at all.
func TestALargeMessageIsSignedAsItIsRead(t *testing.T) {
	text := message + strings.Repeat("A line of a long message.\r\n", 100_000)
	key := dkim.Key{Domain: "desk.test", Selector: "s", Signer: edKey(t)}
	fields, err := dkim.SignFrom(iotest.HalfReader(strings.NewReader(text)), key)
	if err != nil {
		t.Fatal(err)
	}
	d := dnstest.Start(t, zone("s._domainkey.desk.test", record(t, key.Signer, "")))
	if got := verify(t, fields+text, d); got != "[dkim=pass header.d=desk.test header.s=s]" {
		t.Errorf("got %s", got)
	}
	broken := errors.New("the spool is gone")
	for _, begin := range []string{"From: a@desk.test\r\n", text[:2000]} {
		if fields, err := dkim.SignFrom(io.MultiReader(strings.NewReader(begin), iotest.ErrReader(broken)), key); !errors.Is(err, broken) || fields != "" {
			t.Errorf("got %q (%v)", fields, err)
		}
	}
	if fields, err := dkim.Sign([]byte(text), key, dkim.Key{}); err == nil || fields != "" {
		t.Errorf("with one bad key: %q (%v)", fields, err)
	}
}

// TestKeyRecords: what the domain publishes decides.
func TestKeyRecords(t *testing.T) {
	key, other := edKey(t), edKey(t)
	fields, err := dkim.Sign([]byte(message), dkim.Key{Domain: "desk.test", Selector: "s", Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	const name = "s._domainkey.desk.test"
	good := record(t, key, "")
	for title, c := range map[string]struct {
		records []string
		want    string
	}{
		"good":          {[]string{zone(name, good)}, "[dkim=pass header.d=desk.test header.s=s]"},
		"another key":   {[]string{zone(name, record(t, other, ""))}, "dkim=fail"},
		"tested, other": {[]string{zone(name, record(t, other, "t=y; "))}, `dkim=neutral reason="the domain only tests: dkim: signature did not`},
		"strict":        {[]string{zone(name, record(t, key, "t=s; "))}, "[dkim=pass header.d=desk.test header.s=s]"},
		"not for mail":  {[]string{zone(name, record(t, key, "s=web; "))}, "dkim=permerror"},
		"revoked":       {[]string{zone(name, "v=DKIM1; k=ed25519; p=")}, `dkim=permerror reason="key revoked"`},
		"small RSA":     {[]string{zone(name, "v=DKIM1; p="+smallRSA(t))}, "dkim=permerror"},
		"two":           {[]string{zone(name, good), zone(name, record(t, other, ""))}, "multiple TXT records"},
		"none":          {[]string{zone("else.test", good)}, "no key record"},
		"other type":    {[]string{name + ". A 203.0.113.1"}, "no valid key found"},
		"nonsense":      {[]string{zone(name, "hello")}, "dkim=permerror"},
		"far too long":  {[]string{zone(name, good+strings.Repeat(" ", 4096))}, "no key record"},
		"broken DNS":    {nil, "dkim=temperror"},
	} {
		t.Run(title, func(t *testing.T) {
			d := dnstest.Start(t, c.records...)
			if c.records == nil {
				d.Break(name, dns.RcodeServerFailure)
			}
			if got := verify(t, fields+message, d); !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// smallRSA is a public key of 512 bits, which this Go would not even make: its modulus is any number of that size.
func smallRSA(t *testing.T) string {
	t.Helper()
	public := rsaKey(t, 1024).PublicKey
	public.N.Rsh(public.N, 512).SetBit(public.N, 0, 1)
	return base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&public))
}

// TestManySignatures: ten are looked at, whatever is behind them is said to be left out.
func TestManySignatures(t *testing.T) {
	text, d := signed(t, message)
	junk := strings.Repeat("DKIM-Signature: v=1; a=rsa-sha256; d=junk.test; s=j; h=from; bh=AA==; b=AA==\r\n", 9)
	got := dkim.Verify(t.Context(), []byte(junk+text), d.Client())
	if len(got) != 11 || got[9].Value != dkim.Pass || got[10].Value != dkim.Neutral || got[10].Reason != "1 more signatures were not looked at" {
		t.Errorf("got %v", got)
	}
}

// TestTwoFromFieldsPassForNobody, not even where a signer left room for another one and the signature itself holds.
func TestTwoFromFieldsPassForNobody(t *testing.T) {
	key := edKey(t)
	var careless bytes.Buffer
	options := &msgauth.SignOptions{Domain: "desk.test", Selector: "s", Signer: key, HeaderKeys: []string{"From"}}
	if err := msgauth.Sign(&careless, strings.NewReader(message), options); err != nil {
		t.Fatal(err)
	}
	d := dnstest.Start(t, zone("s._domainkey.desk.test", record(t, key, "")))
	for added, want := range map[string]string{
		"": "[dkim=pass header.d=desk.test header.s=s]", "From: b@else.test\r\n": `[dkim=permerror reason="the message has more than one From field" header.d=desk.test header.s=s]`,
		"MIME-Version: 1.0\r\n": "[dkim=pass header.d=desk.test header.s=s]",
		"subject: else\r\n":     `[dkim=permerror reason="the message has more than one Subject field" header.d=desk.test header.s=s]`,
	} {
		if got := verify(t, added+careless.String(), d); got != want {
			t.Errorf("with %q: got %s, want %s", added, got, want)
		}
	}
}

// FuzzVerify: no bytes make it panic, hang or pass, and what it says can stand in a field.
func FuzzVerify(f *testing.F) {
	one, two := rsaKey(f, 2048), edKey(f)
	fields, err := dkim.Sign([]byte(message), dkim.Key{Domain: "desk.test", Selector: "r", Signer: one}, dkim.Key{Domain: "desk.test", Selector: "e", Signer: two})
	if err != nil {
		f.Fatal(err)
	}
	known := records{"r._domainkey.desk.test": record(f, one, ""), "e._domainkey.desk.test": record(f, two, "")}
	f.Add([]byte(fields + message))
	f.Add([]byte("DKIM-Signature: v=1; a=rsa-sha256; d=desk.test; s=r; h=from; bh=AA==; b=AA==\r\nFrom: a\r\n\r\n"))
	f.Add([]byte("DKIM-Signature: d=\x00;s=\xff\r\n\t\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range dkim.Verify(t.Context(), b, known) {
			if s := r.String(); strings.ContainsAny(s, "\r\n\x00") || len(s) > 900 {
				t.Fatalf("%q", s)
			}
			if r.Value == dkim.Pass && r.Domain != "desk.test" {
				t.Fatalf("passes for %q", r.Domain)
			}
		}
	})
}

// records is a DNS without a network.
type records map[string]string

func (r records) TXT(_ context.Context, name string) (resolve.Reply[string], error) {
	if text, known := r[name]; known {
		return resolve.Reply[string]{Records: []string{text}}, nil
	}
	return resolve.Reply[string]{}, resolve.ErrNoName
}
