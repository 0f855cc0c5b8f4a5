package smarthost_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/smarthost"
)

// TestDomainsOutsideASCII: a domain alone needs no SMTPUTF8, because it can be written as A-labels; a local part does.
func TestDomainsOutsideASCII(t *testing.T) {
	const utf8 = "250-hop.test\r\n250-8BITMIME\r\n250 SMTPUTF8"
	for _, c := range []struct{ offers, from, to, want, says string }{
		{"250 hop.test", "a@bücher.test", "b@köln.test", "b@köln.test relayed 2.0.0", "MAIL FROM:<a@xn--bcher-kva.test>\r\nRCPT TO:<b@xn--kln-sna.test>\r\n"},
		{utf8, "a@x.test", "b@köln.test", "b@köln.test relayed 2.0.0", "MAIL FROM:<a@x.test> BODY=8BITMIME\r\nRCPT TO:<b@xn--kln-sna.test>\r\n"},
		{utf8, "a@x.test", "ö@köln.test", "ö@köln.test relayed 2.0.0", "MAIL FROM:<a@x.test> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<ö@köln.test>\r\n"},
		{"250 hop.test", "a@x.test", "ö@köln.test", "ö@köln.test failed 5.6.7", "MAIL FROM:<a@x.test>\r\n"},
		{"250 hop.test", "ö@x.test", "b@x.test", "b@x.test failed 5.6.7", "EHLO sealgate.test\r\n"},
	} {
		address, received := polite().with("EHLO", c.offers).serve(t)
		e := envelope(c.to)
		e.ReversePath = c.from
		if got := outcomes(smarthost.Send(t.Context(), hopTo(address), e, outgoing(t, message))); got != c.want {
			t.Errorf("%s to %s: got %s, want %s", c.from, c.to, got, c.want)
		}
		if said := received(); !strings.Contains(said, c.says) {
			t.Errorf("%s to %s: said %q", c.from, c.to, said)
		}
	}
}

// TestWhoHasToReport: the result tells whether the hop took the DSN parameters over, who it was, and how it was reached.
func TestWhoHasToReport(t *testing.T) {
	for offers, want := range map[string]bool{"250-hop.test\r\n250 DSN": true, "250 hop.test": false} {
		address, received := polite().with("EHLO", offers).serve(t)
		e := envelope("a")
		e.EnvID, e.Recipients[0].Notify = "1", "SUCCESS"
		got := smarthost.Send(t.Context(), hopTo(address), e, outgoing(t, message))[0]
		if got.DSN != want || got.Host != "127.0.0.1" || got.TLS != "in clear" || strings.Contains(received(), "NOTIFY") != want {
			t.Errorf("%q: %+v", offers, got)
		}
	}
}

// TestSignaturesGoInFront, and nothing else does.
func TestSignaturesGoInFront(t *testing.T) {
	const field = "DKIM-Signature: v=1; a=b;\r\n h=from\r\n"
	for signatures, want := range map[string]string{
		"": "a relayed 2.0.0", field: "a relayed 2.0.0", field + field: "a relayed 2.0.0",
		"Subject: else\r\n": "a failed 5.6.0", field + "Bcc: b\r\n": "a failed 5.6.0", field + "\r\nwords\r\n": "a failed 5.6.0", " \r\n": "a failed 5.6.0",
		field + " \r\n": "a failed 5.6.0", strings.TrimSuffix(field, "\r\n"): "a failed 5.6.0", "DKIM-Signature: a\nBcc: b\r\n": "a failed 5.6.0", " DKIM-Signature: a\r\n": "a failed 5.6.0",
		"DKIM-Signature: \xff\r\n": "a failed 5.6.0",
	} {
		address, received := polite().serve(t)
		e := envelope("a")
		e.Signatures = signatures
		if got := outcomes(smarthost.Send(t.Context(), hopTo(address), e, outgoing(t, message))); got != want {
			t.Errorf("%q: %s", signatures, got)
		}
		if said := received(); strings.Contains(want, "relayed") && !strings.Contains(said, "DATA\r\n"+signatures+"From: ") || strings.Contains(want, "failed") && said != "" {
			t.Errorf("%q: said %q", signatures, said)
		}
	}
}

// TestSignedMailArrives: a signature made before the queue still holds behind a real mail server.
func TestSignedMailArrives(t *testing.T) {
	bed.Need(t, "postfix", "dovecot")
	authority := bed.NewAuthority(t)
	dovecot := bed.StartDovecot(t, authority, "customer")
	postfix := bed.StartPostfix(t, authority, dovecot)
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "desk.test. MX 10 mx.desk.test.", "mx.desk.test. A 203.0.113.1",
		fmt.Sprintf(`s._domainkey.desk.test. TXT "v=DKIM1; k=ed25519; p=%s"`, base64.StdEncoding.EncodeToString(public)))
	w.standing[netip.MustParseAddr("203.0.113.1")] = postfix.Inside
	o, e := outgoing(t, message), envelope("customer@desk.test")
	if e.Signatures, err = dkim.Sign(o.Bytes(), dkim.Key{Domain: "desk.test", Selector: "s", Signer: key}); err != nil {
		t.Fatal(err)
	}
	if got := outcomes(smarthost.Deliver(t.Context(), w.route(smarthost.Auto), e, o)); got != "customer@desk.test relayed 2.0.0" {
		t.Fatal(got)
	}
	if got := fmt.Sprint(dkim.Verify(t.Context(), arrived(t, dovecot, "customer"), w.dns.Client())); got != "[dkim=pass header.d=desk.test header.s=s]" {
		t.Errorf("there it is %s", got)
	}
}
