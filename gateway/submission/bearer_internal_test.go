package submission

import (
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

func TestReadBearer(t *testing.T) {
	for name, c := range map[string]struct{ mechanism, said, login, token string }{
		"standard":              {oauthBearer, "n,a=support@desk.test,\x01host=x\x01port=587\x01auth=Bearer abc.def==\x01\x01", "support@desk.test", "abc.def=="},
		"standard, odd login":   {oauthBearer, "y,a=a=2Cb=3Dc,\x01auth=bearer x\x01\x01", "a,b=c", "x"},
		"google's":              {xoauth2, "user=support@desk.test\x01auth=Bearer abc\x01\x01", "support@desk.test", "abc"},
		"nobody":                {oauthBearer, "n,,\x01auth=Bearer abc\x01\x01", "", ""},
		"channel binding":       {oauthBearer, "p=tls-unique,a=x,\x01auth=Bearer abc\x01\x01", "", ""},
		"stray equals sign":     {oauthBearer, "n,a=x=y,\x01auth=Bearer abc\x01\x01", "", ""},
		"no token":              {xoauth2, "user=support\x01\x01", "", ""},
		"a password":            {xoauth2, "user=support\x01auth=Basic abc\x01\x01", "", ""},
		"blank in the token":    {xoauth2, "user=support\x01auth=Bearer a b\x01\x01", "", ""},
		"line end in it":        {xoauth2, "user=support\x01auth=Bearer a\r\n\x01\x01", "", ""},
		"cut off":               {xoauth2, "user=support\x01auth=Bearer abc\x01", "", ""},
		"no field":              {xoauth2, "user=support\x01nonsense\x01\x01", "", ""},
		"too long":              {xoauth2, "user=support\x01auth=Bearer " + strings.Repeat("x", maxToken) + "\x01\x01", "", ""},
		"empty":                 {xoauth2, "", "", ""},
		"the other mechanism's": {oauthBearer, "user=support\x01auth=Bearer abc\x01\x01", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			login, token, err := readBearer(c.mechanism, c.said)
			if login != c.login || token != c.token || (err == nil) != (c.token != "") {
				t.Errorf("login %q, token %q, %v", login, token, err)
			}
		})
	}
}

// TestARefusedTokenIsSaidTwice: first as a challenge, then, whatever the client answers, as the reply.
func TestARefusedTokenIsSaidTwice(t *testing.T) {
	refused := &smtp.SMTPError{Code: 535}
	b := &bearerServer{mechanism: xoauth2, logIn: func(string, string) error { return refused }}
	if challenge, done, err := b.Next(nil); len(challenge) != 0 || done || err != nil {
		t.Errorf("first: %q, %t, %v", challenge, done, err)
	}
	challenge, done, err := b.Next([]byte("user=x\x01auth=Bearer y\x01\x01"))
	if !strings.Contains(string(challenge), `"invalid_token"`) || done || err != nil {
		t.Errorf("refusal: %q, %t, %v", challenge, done, err)
	}
	if _, done, err := b.Next([]byte("anything")); done || !errors.Is(err, refused) {
		t.Errorf("after it: %t, %v", done, err)
	}
}

func FuzzReadBearer(f *testing.F) {
	f.Add(true, "n,a=support@desk.test,\x01auth=Bearer abc\x01\x01")
	f.Add(false, "user=support\x01auth=Bearer abc\x01\x01")
	f.Add(true, "n,a==2C=3D,\x01\x01\x01")
	f.Fuzz(func(t *testing.T, standard bool, said string) {
		mechanism := xoauth2
		if standard {
			mechanism = oauthBearer
		}
		login, token, err := readBearer(mechanism, said)
		if err == nil && (login == "" || token == "" || strings.ContainsAny(token, "\x01\r\n \x00")) {
			t.Errorf("%q: login %q, token %q", said, login, token)
		}
	})
}
