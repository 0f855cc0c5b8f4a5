package smarthost

import (
	"context"
	"errors"
	"slices"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// TokenSource gives access tokens for OAuth logins. It is safe for concurrent use.
type TokenSource interface {
	// Token returns a token that should be valid now. Its error is a sentence for the administrator.
	Token(ctx context.Context) (string, error)
	// Refused tells that a server did not take a token, so that it is not offered again and again.
	Refused(token string)
}

// mechanism is one way to log in.
type mechanism struct {
	name   string
	client func(username, secret string) sasl.Client
}

// passwords are the mechanisms for passwords, the strongest first: CRAM-MD5 does not show the password.
func passwords() []mechanism {
	return []mechanism{
		{"CRAM-MD5", newCRAMMD5},
		{sasl.Plain, func(username, secret string) sasl.Client { return sasl.NewPlainClient("", username, secret) }},
		{sasl.Login, func(username, secret string) sasl.Client { return &loginClient{answers: []string{username, secret}} }},
	}
}

// bearers are the mechanisms for tokens; the standard one first.
func bearers() []mechanism {
	return []mechanism{{"OAUTHBEARER", newOAuthBearer}, {"XOAUTH2", newXOAUTH2}}
}

// logIn authenticates with the strongest mechanism that both know. It does so only once the server has proven who it is,
// or on loopback where None was chosen.
func (c *connection) logIn(ctx context.Context, hop Hop) error {
	if hop.Username == "" {
		return nil
	}
	if !c.guard.proven && (hop.TLS != None || !c.loopback()) {
		return &problem{misconfigured, "no login is said to a mail server that has not proven who it is; choose starttls or implicit", nil}
	}
	chosen, err := c.choose(hop)
	if err != nil {
		return err
	}
	secret := hop.Password
	if hop.Tokens != nil {
		if secret, err = hop.Tokens.Token(ctx); err != nil {
			return &problem{loginTrouble, words(err.Error()), err}
		}
	}
	err = c.client.Auth(chosen.client(hop.Username, secret))
	if answer, ok := answerOf(err); ok && answer.Code/100 == 5 && hop.Tokens != nil {
		hop.Tokens.Refused(secret)
	}
	return loginProblem(err)
}

func (c *connection) choose(hop Hop) (mechanism, error) {
	known, names := passwords(), "CRAM-MD5, PLAIN or LOGIN"
	if hop.Tokens != nil {
		known, names = bearers(), "OAUTHBEARER or XOAUTH2"
	}
	if hop.Mechanism != "" {
		known = slices.DeleteFunc(known, func(m mechanism) bool { return m.name != hop.Mechanism })
		names = words(hop.Mechanism)
	}
	for _, m := range known {
		if c.client.SupportsAuth(m.name) {
			return m, nil
		}
	}
	return mechanism{}, &problem{loginTrouble, "the mail server offers no login that we know (" + names + "); check the port, or leave the user name empty", nil}
}

// LoginRefused tells whether an error of Check is a mail server's no to a login, and not that it could not be asked.
func LoginRefused(err error) bool {
	var p *problem
	var answer *smtp.SMTPError
	return errors.As(err, &p) && p.code == loginTrouble && errors.As(p.cause, &answer) && answer.Code/100 == 5
}

// loginProblem says why a login failed.
func loginProblem(err error) error {
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
