package submission

import (
	"errors"
	"strings"

	"github.com/emersion/go-smtp"
)

// The mechanisms for tokens: RFC 7628, and what Google and Microsoft had before there was a standard.
const (
	oauthBearer = "OAUTHBEARER"
	xoauth2     = "XOAUTH2"
)

// maxToken bounds a token in bytes; Microsoft's have some thousands.
const maxToken = 16 << 10

// bearerServer is the server side of both mechanisms: the client says everything at once. A refusal is a challenge, which the
// client answers before it hears the reply (RFC 7628, section 3.2.3).
type bearerServer struct {
	mechanism string
	logIn     func(login, token string) error
	asked     bool
	refusal   error
}

// Next implements sasl.Server.
func (b *bearerServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case b.refusal != nil:
		return nil, false, b.refusal
	case response == nil && !b.asked:
		b.asked = true
		return nil, false, nil
	}
	login, token, err := readBearer(b.mechanism, string(response))
	if err != nil {
		return nil, false, &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 2}, Message: err.Error()}
	}
	err = b.logIn(login, token)
	var answer *smtp.SMTPError
	if errors.As(err, &answer) && answer.Code == 535 {
		b.refusal = err
		return []byte(`{"status":"invalid_token","schemes":"bearer"}`), false, nil
	}
	return nil, err == nil, err
}

var errBearer = errors.New("the token is not written as the mechanism wants it; see RFC 7628")

// readBearer reads what a client says: fields that end in 0x01, behind the header of GS2 in the standard one.
func readBearer(mechanism, said string) (login, token string, err error) {
	fields := strings.Split(said, "\x01")
	if len(said) > maxToken || len(fields) < 3 || fields[len(fields)-1] != "" || fields[len(fields)-2] != "" {
		return "", "", errBearer
	}
	if mechanism == oauthBearer {
		if login, err = gs2Login(fields[0]); err != nil {
			return "", "", err
		}
		fields = fields[1:]
	}
	for _, field := range fields[:len(fields)-2] {
		key, value, found := strings.Cut(field, "=")
		switch {
		case !found:
			return "", "", errBearer
		case key == "user" && mechanism == xoauth2:
			login = value
		case key == "auth":
			if token, err = afterBearer(value); err != nil {
				return "", "", err
			}
		}
	}
	if login == "" || token == "" {
		return "", "", errBearer
	}
	return login, token, nil
}

// afterBearer is the token of an authorization value (RFC 6750, section 2.1).
func afterBearer(value string) (string, error) {
	scheme, token, found := strings.Cut(value, " ")
	bad := strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
	if !found || !strings.EqualFold(scheme, "Bearer") || bad {
		return "", errBearer
	}
	return token, nil
}

// gs2Login reads "n,a=LOGIN," (RFC 5801, section 4). We know no channel binding.
func gs2Login(header string) (string, error) {
	parts := strings.Split(header, ",")
	if len(parts) != 3 || parts[0] != "n" && parts[0] != "y" || parts[2] != "" || !strings.HasPrefix(parts[1], "a=") {
		return "", errBearer
	}
	name := strings.TrimPrefix(parts[1], "a=")
	rest := strings.NewReplacer("=2C", "", "=3D", "").Replace(name)
	if strings.Contains(rest, "=") {
		return "", errBearer
	}
	return strings.NewReplacer("=2C", ",", "=3D", "=").Replace(name), nil
}
