package smarthost

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // RFC 2195 wants it, and HMAC-MD5 is not broken
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
)

// loginClient is AUTH LOGIN: the first prompt is for the user name, the second for the password. The library's wants
// the prompts in certain words, which some servers do not use.
type loginClient struct{ answers []string }

// Start implements sasl.Client.
func (l *loginClient) Start() (mechanism string, first []byte, err error) {
	return sasl.Login, nil, nil
}

// Next implements sasl.Client.
func (l *loginClient) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return []byte(answer), nil
}

// cramMD5 is RFC 2195: one challenge, answered by its HMAC under the password.
type cramMD5 struct {
	username, password string
	answered           bool
}

func newCRAMMD5(username, password string) sasl.Client {
	return &cramMD5{username: username, password: password}
}

// Start implements sasl.Client.
func (c *cramMD5) Start() (mechanism string, first []byte, err error) { return "CRAM-MD5", nil, nil }

// Next implements sasl.Client.
func (c *cramMD5) Next(challenge []byte) ([]byte, error) {
	if c.answered || len(challenge) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	c.answered = true
	mac := hmac.New(md5.New, []byte(c.password))
	mac.Write(challenge)
	return []byte(c.username + " " + hex.EncodeToString(mac.Sum(nil))), nil
}

// bearer says everything at once. A challenge to it is the server's refusal, which wants an answer of its own before the
// server says so with a reply code.
type bearer struct {
	name           string
	first, refusal []byte
	refused        bool
}

// newOAuthBearer is RFC 7628.
func newOAuthBearer(username, token string) sasl.Client {
	return &bearer{name: "OAUTHBEARER", refusal: []byte{1}, first: fmt.Appendf(nil, "n,a=%s,\x01auth=Bearer %s\x01\x01", saslName(username), token)}
}

// saslName writes a user name so that a comma and an equals sign in it say nothing else (RFC 5801, section 4).
func saslName(username string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(username)
}

// newXOAUTH2 is what Google and Microsoft had before there was a standard.
func newXOAUTH2(username, token string) sasl.Client {
	return &bearer{name: "XOAUTH2", refusal: []byte{}, first: fmt.Appendf(nil, "user=%s\x01auth=Bearer %s\x01\x01", username, token)}
}

// Start implements sasl.Client.
func (b *bearer) Start() (mechanism string, first []byte, err error) { return b.name, b.first, nil }

// Next implements sasl.Client.
func (b *bearer) Next([]byte) ([]byte, error) {
	if b.refused {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	b.refused = true
	return b.refusal, nil
}
