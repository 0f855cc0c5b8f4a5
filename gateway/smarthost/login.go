package smarthost

import (
	"errors"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// logIn authenticates with what the server offers. Without TLS it does so only where None was allowed: on loopback.
func (c *connection) logIn(hop Hop) error {
	if hop.Username == "" {
		return nil
	}
	var mechanism sasl.Client
	switch {
	case c.client.SupportsAuth(sasl.Plain):
		mechanism = sasl.NewPlainClient("", hop.Username, hop.Password)
	case c.client.SupportsAuth(sasl.Login):
		mechanism = &loginClient{answers: []string{hop.Username, hop.Password}}
	default:
		return &problem{loginTrouble, "the mail server offers no login that we know (PLAIN or LOGIN); check the port, or leave the user name empty", nil}
	}
	err := c.client.Auth(mechanism)
	var answer *smtp.SMTPError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answer):
		return &problem{lost, "the connection to the mail server was lost during the login", err}
	case answer.Code/100 == 4:
		return &problem{loginTrouble, "the mail server could not check our login: " + said(answer), err}
	}
	return &problem{loginTrouble, "the mail server refused our login; check user name and password of this mailbox: " + said(answer), err}
}

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
