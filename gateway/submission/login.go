package submission

import (
	"errors"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/groups"
)

// Longer logins and passwords are wrong without asking.
const (
	maxLogin    = 256
	maxPassword = 1024
)

// AuthMechanisms implements smtp.AuthSession. The library offers them under TLS only, or in mode plain.
func (s *session) AuthMechanisms() []string {
	if s.relaying != nil {
		return nil
	}
	return []string{sasl.Plain, sasl.Login, oauthBearer, xoauth2}
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch {
	case s.relaying != nil:
	case mechanism == sasl.Plain:
		return sasl.NewPlainServer(func(_, login, password string) error { return s.logIn(Presented{Login: login, Secret: password}) }), nil
	case mechanism == sasl.Login:
		return &loginServer{logIn: func(login, password string) error { return s.logIn(Presented{Login: login, Secret: password}) }}, nil
	case mechanism == oauthBearer, mechanism == xoauth2:
		return &bearerServer{mechanism: mechanism, logIn: func(login, token string) error {
			return s.logIn(Presented{Login: login, Secret: token, Bearer: true})
		}}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// logIn checks a login, unless too many failed lately. Nobody learns whether login or password was wrong; a problem of
// ours is a temporary failure, so that a ticket system does not give its mail up (RFC 4954, section 6).
func (s *session) logIn(p Presented) (err error) {
	defer s.guard("log in", &err)
	login := p.Login
	if s.server.tries.blocked(time.Now(), s.remote, login) {
		s.log.Warn("login blocked: too many failed", "login", printable(login))
		return &smtp.SMTPError{Code: 454, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "too many failed logins; correct the password and try again in a minute"}
	}
	id, err := Identity{}, groups.ErrLogin
	if len(login) <= maxLogin && len(p.Secret) <= p.most() {
		id, err = s.server.Backend.Authenticate(s.ctx, p, s.remote)
	}
	if errors.Is(err, groups.ErrLogin) {
		s.server.tries.failed(time.Now(), s.remote, login)
		s.log.Info("login failed", "login", printable(login), "cause", err)
		return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: p.refusal()}
	}
	if err != nil {
		return s.answer("log in", err, s.trouble(454, 4, 7, 0))
	}
	s.identity = id
	s.log = s.log.With("login", id.Login)
	s.socket.welcome()
	return nil
}

func (p Presented) refusal() string {
	if p.Bearer {
		return "the token was refused; a mailbox takes tokens when its login is set to what the ticket system presents"
	}
	return "login or password is wrong"
}

func (p Presented) most() int {
	if p.Bearer {
		return maxToken
	}
	return maxPassword
}

// loginServer is the server side of AUTH LOGIN, which the library does not have: two prompts, two answers. It is an
// old mechanism without an RFC, and the only one of some ticket systems.
type loginServer struct {
	logIn func(login, password string) error
	step  int
	login string
}

// Next implements sasl.Server.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if l.step == 0 && response == nil {
		l.step = 1
		return []byte("Username:"), false, nil
	}
	switch l.step {
	case 0, 1: // the login came with the command, or as the first answer
		l.login, l.step = string(response), 2
		return []byte("Password:"), false, nil
	case 2:
		l.step = 3
		return nil, true, l.logIn(l.login, string(response))
	}
	return nil, false, &smtp.SMTPError{Code: 503, EnhancedCode: smtp.EnhancedCode{5, 5, 1}, Message: "the login is over"}
}
