package smarthost_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	netsmtp "net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/smarthost"
	"github.com/sealgate/sealgate/gateway/smarthost/oauth"
)

// tokens is a source of one token that counts its refusals.
type tokens struct {
	token   string
	refused []string
}

func (s *tokens) Token(context.Context) (string, error) {
	if s.token == "" {
		return "", errors.New("somebody must agree to the access again")
	}
	return s.token, nil
}

func (s *tokens) Refused(token string) { s.refused = append(s.refused, token) }

// TestTheStrongestMechanism: of what the server offers the strongest is taken, passwords and tokens apart, and a named one
// only by its name.
func TestTheStrongestMechanism(t *testing.T) {
	for _, c := range []struct{ offers, named, want, withToken string }{
		{"PLAIN LOGIN CRAM-MD5", "", "CRAM-MD5", ""},
		{"LOGIN PLAIN", "", "PLAIN", ""},
		{"login", "", "LOGIN", ""},
		{"PLAIN CRAM-MD5", "PLAIN", "PLAIN", ""},
		{"PLAIN", "CRAM-MD5", "", ""},
		{"XOAUTH2 OAUTHBEARER PLAIN", "", "PLAIN", "OAUTHBEARER"},
		{"XOAUTH2 OAUTHBEARER", "XOAUTH2", "", "XOAUTH2"},
		{"XOAUTH2 PLAIN", "", "PLAIN", "XOAUTH2"},
	} {
		for _, source := range []smarthost.TokenSource{nil, &tokens{token: "t"}} {
			address, received := polite().with("EHLO", "250-hop.test\r\n250 AUTH "+c.offers).with("AUTH", "535 5.7.8 no").serve(t)
			hop := loginTo(address)
			hop.Mechanism, hop.Tokens = c.named, source
			err := smarthost.Check(t.Context(), hop)
			want := c.want
			if source != nil {
				want = c.withToken
			}
			_, said, _ := strings.Cut(received(), "AUTH ")
			mechanism, _, _ := strings.Cut(strings.TrimRight(said, "\r\n*"), " ")
			if mechanism, _, _ = strings.Cut(mechanism, "\r"); mechanism != want || err == nil {
				t.Errorf("offered %s, named %q, token %v: %q, want %q (%v)", c.offers, c.named, source != nil, mechanism, want, err)
			}
		}
	}
}

// TestCRAMMD5 answers as another implementation does, and says the password nowhere.
func TestCRAMMD5(t *testing.T) {
	const challenge = "<1896.697170952@hop.test>"
	want, err := netsmtp.CRAMMD5Auth("u", "p").Next([]byte(challenge), true)
	if err != nil {
		t.Fatal(err)
	}
	answer := base64.StdEncoding.EncodeToString(want)
	script := polite().with("EHLO", "250-hop.test\r\n250 AUTH CRAM-MD5").
		with("AUTH", "334 "+base64.StdEncoding.EncodeToString([]byte(challenge))).with(strings.ToUpper(answer), "235 ok")
	address, received := script.serve(t)
	if err := smarthost.Check(t.Context(), loginTo(address)); err != nil {
		t.Fatal(err)
	}
	if want := "EHLO sealgate.test\r\nAUTH CRAM-MD5\r\n" + answer + "\r\nQUIT\r\n"; received() != want {
		t.Errorf("said %q, want %q", received(), want)
	}
}

// TestTokens: what is said with a token, and that the source learns of a refusal, by the reply code or by the challenge
// that stands for it.
func TestTokens(t *testing.T) {
	const xoauth2, bearer = "user=a,b=c\x01auth=Bearer t\x01\x01", "n,a=a=2Cb=3Dc,\x01auth=Bearer t\x01\x01"
	no := "334 " + base64.StdEncoding.EncodeToString([]byte(`{"status":"invalid_token"}`))
	for _, c := range []struct{ mechanism, auth, then, says, refusal string }{
		{"XOAUTH2", "235 ok", "", xoauth2, ""},
		{"OAUTHBEARER", "235 ok", "", bearer, ""},
		{"XOAUTH2", "535 5.7.3 no", "", xoauth2, ""},
		{"XOAUTH2", no, "535 5.7.3 no", xoauth2, "\r\n"},
		{"OAUTHBEARER", no, "535 5.7.3 no", bearer, "AQ==\r\n"},
		{"OAUTHBEARER", "454 4.7.0 busy", "", bearer, ""},
	} {
		t.Run(fmt.Sprintf("%s %.3s", c.mechanism, c.auth), func(t *testing.T) {
			script := polite().with("EHLO", "250-hop.test\r\n250 AUTH "+c.mechanism).with("AUTH", c.auth)
			if c.then != "" { // behind the greeting, "" is the empty line
				script = script.with("AQ==", c.then).with("", "220 hop.test", c.then)
			}
			address, received := script.serve(t)
			hop, source := loginTo(address), &tokens{token: "t"}
			hop.Username, hop.Tokens = "a,b=c", source
			err := smarthost.Check(t.Context(), hop)
			want := "AUTH " + c.mechanism + " " + base64.StdEncoding.EncodeToString([]byte(c.says)) + "\r\n" + c.refusal
			if !strings.Contains(received(), want) {
				t.Errorf("said %q, want %q", received(), want)
			}
			if refused := !strings.HasPrefix(c.auth, "235") && !strings.HasPrefix(c.auth, "454"); refused != (len(source.refused) == 1) || (c.auth == "235 ok") != (err == nil) {
				t.Errorf("refused %v, %v", source.refused, err)
			}
			if err != nil && strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte("Bearer"))) {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

// TestNoToken: the source's sentence is the reason, and nothing is said.
func TestNoToken(t *testing.T) {
	address, received := polite().with("EHLO", "250-hop.test\r\n250 AUTH XOAUTH2").serve(t)
	hop := loginTo(address)
	hop.Tokens = &tokens{}
	if err := smarthost.Check(t.Context(), hop); err == nil || err.Error() != "somebody must agree to the access again" || strings.Contains(received(), "AUTH") {
		t.Errorf("got %v after %q", err, received())
	}
}

// TestNoLoginWithoutProof: opportunistic TLS proves nothing, so no password is said over it.
func TestNoLoginWithoutProof(t *testing.T) {
	w := newWorld(t)
	leaf := w.ca.leaf(time.Hour, "hop.test")
	for name, x := range map[string]*exchanger{"with TLS": w.serve("203.0.113.1", &exchanger{}, leaf), "in clear": w.serve("203.0.113.1", &exchanger{})} {
		for _, address := range w.standing {
			hop := loginTo(address)
			hop.TLS = smarthost.Opportunistic
			if err := smarthost.Check(t.Context(), hop); err == nil || !strings.Contains(err.Error(), "has not proven who it is") || len(x.received()) != 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestFixedHopMayBePinned, or prove itself by DANE.
func TestFixedHopMayBePinned(t *testing.T) {
	w := newWorld(t)
	leaf := w.ca.leaf(-time.Hour, "elsewhere.test")
	w.serve("203.0.113.1", &exchanger{}, leaf)
	for _, address := range w.standing {
		hop := hopTo(address)
		hop.TLS, hop.Pins = smarthost.StartTLS, []smarthost.Pin{smarthost.PinOf(leaf.Leaf)}
		if err := smarthost.Check(t.Context(), hop); err != nil {
			t.Errorf("the pinned key: %v", err)
		}
		hop.Pins = []smarthost.Pin{{}}
		if err := smarthost.Check(t.Context(), hop); err == nil || !strings.Contains(err.Error(), "expected AAAA") {
			t.Errorf("another key: %v", err)
		}
		_, port, _ := strings.Cut(address, ":")
		hop.Pins, hop.DANE, hop.Address = nil, w.dns.Client(), "localhost:"+port
		record := strings.Replace(tlsa(3, 1, 1, leaf.Leaf), "_25._tcp.mx.desk.test.", "_"+port+"._tcp.localhost.", 1)
		w.dns.Set(t, "localhost. A 127.0.0.1", record)
		if err := smarthost.Check(t.Context(), hop); err != nil {
			t.Errorf("by DANE: %v", err)
		}
		w.dns.Unsigned("localhost")
		if err := smarthost.Check(t.Context(), hop); err == nil || !strings.Contains(err.Error(), "DANE is required and unavailable") {
			t.Errorf("by unsigned answers: %v", err)
		}
	}
}

// TestParsePin reads both spellings.
func TestParsePin(t *testing.T) {
	pin := smarthost.Pin{1, 2, 255}
	for _, text := range []string{pin.String(), "sha256/" + pin.String(), fmt.Sprintf("%x", pin[:]), strings.ToUpper(fmt.Sprintf("% x", pin[:]))} {
		got, err := smarthost.ParsePin(strings.ReplaceAll(text, " ", ":"))
		if err != nil || got != pin {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "00", "AAAA", "sha1/" + pin.String()} {
		if _, err := smarthost.ParsePin(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// An account's tokens are a source for the login.
var _ smarthost.TokenSource = (*oauth.Source)(nil)
