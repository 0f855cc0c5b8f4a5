package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// outJSON is how mail leaves through a mailbox.
type outJSON struct {
	Route     string     `json:"route,omitempty" enum:"smarthost,mx" default:"smarthost" doc:"Through the SMTP server, or to the mail servers of the recipients' domains."`
	Policy    string     `json:"policy,omitempty" doc:"With mx: auto, dane, mta-sts, domain, verified, pinned or opportunistic."`
	Pins      []string   `json:"pins,omitempty" doc:"SHA-256 of the server's public key."`
	DANE      bool       `json:"dane,omitempty" doc:"The server's certificate must be what its TLSA records say."`
	Mechanism string     `json:"mechanism,omitempty" doc:"The only login mechanism to use."`
	Login     string     `json:"login,omitempty" enum:"password,oauth,presented" default:"password"`
	OAuth     *oauthJSON `json:"oauth,omitempty"`
}

type oauthJSON struct {
	Grant     string   `json:"grant" enum:"client-credentials,refresh-token,device-code"`
	TokenURL  string   `json:"token_url"`
	DeviceURL string   `json:"device_url,omitempty"`
	ClientID  string   `json:"client_id"`
	Scopes    []string `json:"scopes,omitempty"`
	Basic     bool     `json:"basic,omitempty" doc:"The client's secret goes in the Authorization header."`
}

func outJSONOf(h groups.NextHop) outJSON {
	j := outJSON{Route: string(h.Route), Policy: h.Policy, Pins: h.Pins, DANE: h.DANE, Mechanism: h.Mechanism, Login: string(h.Login)}
	if h.OAuth.Grant != "" {
		o := oauthJSON(h.OAuth)
		j.OAuth = &o
	}
	return j
}

func (j outJSON) nextHop() groups.NextHop {
	h := groups.NextHop{
		Route: groups.Route(j.Route), Policy: j.Policy, Pins: j.Pins, DANE: j.DANE, Mechanism: j.Mechanism, Login: groups.Login(j.Login),
	}
	if j.OAuth != nil {
		h.OAuth = groups.OAuth(*j.OAuth)
	}
	return h
}

// outOf is what a program says, or what is stored where it says nothing.
func (s *site) outOf(ctx context.Context, a gateway.Actor, m groups.Mailbox, said *outJSON) (groups.NextHop, error) {
	if said != nil {
		return said.nextHop(), nil
	}
	if m.ID == "" {
		return groups.NextHop{}, nil
	}
	stored, err := s.mailboxOf(ctx, a, m.GroupID, m.ID)
	if errors.Is(err, gateway.ErrNotFound) {
		return groups.NextHop{}, nil // SaveMailbox says it
	}
	return stored.Out, err
}

type accessJSON struct {
	Status     string     `json:"status" enum:"unused,ok,failing,needs-person"`
	ValidUntil *time.Time `json:"valid_until,omitempty"`
	RetryAt    *time.Time `json:"retry_at,omitempty"`
	Problem    string     `json:"problem,omitempty"`
	Code       string     `json:"code,omitempty" doc:"To type in on another device."`
	URL        string     `json:"url,omitempty" doc:"Where."`
	Expires    *time.Time `json:"expires,omitempty" doc:"Until when."`
}

func accessJSONOf(a gateway.Access) accessJSON {
	return accessJSON{
		Status: string(a.Status), ValidUntil: timeOrNil(a.ValidUntil), RetryAt: timeOrNil(a.RetryAt), Problem: a.Problem,
		Code: a.Invitation.UserCode, URL: a.Invitation.URL, Expires: timeOrNil(a.Invitation.Expires),
	}
}

type refreshQuestion struct {
	ID   string `path:"id"`
	Body struct {
		RefreshToken string `json:"refresh_token"`
	}
}

func (s *site) accessAPI(api huma.API) {
	operation(s, api, "MailboxAccess", http.MethodGet, "/mailboxes/{id}/access", "How the OAuth login of a mailbox stands", 0,
		func(ctx context.Context, a gateway.Actor, in *byID) (*body[accessJSON], error) {
			access, err := s.Gateway.MailboxAccess(ctx, a, in.ID)
			return &body[accessJSON]{accessJSONOf(access)}, err
		})
	operation(s, api, "InviteAccess", http.MethodPost, "/mailboxes/{id}/access/invite", "Ask for a code that a person types in on another device", 0,
		func(ctx context.Context, a gateway.Actor, in *byID) (*body[accessJSON], error) {
			if _, err := s.Gateway.InviteAccess(ctx, a, in.ID); err != nil {
				return nil, err
			}
			access, err := s.Gateway.MailboxAccess(ctx, a, in.ID)
			return &body[accessJSON]{accessJSONOf(access)}, err
		})
	operation(s, api, "ReplaceAccess", http.MethodPut, "/mailboxes/{id}/access/token", "Store a refresh token that was granted elsewhere", 0,
		func(ctx context.Context, a gateway.Actor, in *refreshQuestion) (*nothing, error) {
			return &nothing{}, s.Gateway.ReplaceAccess(ctx, a, in.ID, in.Body.RefreshToken)
		})
}
