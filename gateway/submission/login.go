package submission

import (
	"github.com/emersion/go-smtp"
)

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
