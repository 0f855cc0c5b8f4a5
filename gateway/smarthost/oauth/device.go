package oauth

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"
)

// Invitation is what a person needs to agree on another device (RFC 8628, section 3.3).
type Invitation struct {
	UserCode string
	URL      string
	Complete string // the URL with the code in it, for a QR code; "" where the server gives none
	Expires  time.Time

	device *oauth2.DeviceAuthResponse
}

// Invite asks the token server for an invitation.
func (s *Source) Invite(ctx context.Context) (Invitation, error) {
	if err := s.account.usable(); err != nil {
		return Invitation{}, err
	}
	device, err := s.config().DeviceAuth(s.account.client(ctx))
	if err != nil {
		sentence, _ := explain(err)
		return Invitation{}, errors.New(sentence)
	}
	device.Interval = max(device.Interval, 1)
	return Invitation{
		UserCode: plain(device.UserCode, 100), URL: plain(device.VerificationURI, 500), Complete: plain(device.VerificationURIComplete, 500),
		Expires: device.Expiry, device: device,
	}, nil
}

// Await waits until the person has agreed, and takes the tokens. It asks at the pace that the server wants, and ends with
// the invitation, with the person's no, or with ctx.
func (s *Source) Await(ctx context.Context, i Invitation) error {
	token, err := s.config().DeviceAccessToken(s.account.client(ctx), i.device)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("nobody agreed in time; ask for a new code")
	case err != nil:
		sentence, _ := explain(err)
		return errors.New(sentence)
	}
	return s.Replace(ctx, s.tokensOf(token))
}

func (s *Source) config() *oauth2.Config {
	a := s.account
	return &oauth2.Config{
		ClientID: a.ClientID, ClientSecret: a.ClientSecret, Scopes: a.Scopes,
		Endpoint: oauth2.Endpoint{TokenURL: a.TokenURL, DeviceAuthURL: a.DeviceURL, AuthStyle: a.style()},
	}
}
