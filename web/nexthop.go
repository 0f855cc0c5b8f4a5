package web

import (
	"strings"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// nextHop reads how mail leaves from the form.
func (v *visit) nextHop() groups.NextHop {
	return groups.NextHop{
		Route: groups.Route(v.field("route")), Policy: v.field("policy"), Pins: strings.Fields(v.field("pins")),
		DANE: v.field("dane") != "", Mechanism: v.field("mechanism"), Login: groups.Login(v.field("login_with")),
		OAuth: groups.OAuth{
			Grant: v.field("oauth_grant"), TokenURL: v.field("oauth_token_url"), DeviceURL: v.field("oauth_device_url"),
			ClientID: v.field("oauth_client_id"), Scopes: strings.Fields(v.field("oauth_scopes")), Basic: v.field("oauth_basic") != "",
		},
	}
}

// accessTo says how the OAuth login of a mailbox stands; nil when it has none.
func (v *visit) accessTo(m groups.Mailbox) (*gateway.Access, error) {
	if m.Out.Login != groups.LoginOAuth {
		return nil, nil
	}
	access, err := v.Gateway.MailboxAccess(v.r.Context(), v.actor(), m.ID)
	return &access, err
}

// inviteAccess asks for a code, which the mailbox's page then shows.
func inviteAccess(v *visit) error {
	m, err := v.mailbox()
	if err != nil {
		return err
	}
	if _, err := v.Gateway.InviteAccess(v.r.Context(), v.actor(), m.ID); err != nil {
		return v.mailboxRefused(m.Mailbox, err)
	}
	return v.to(mailboxPath(m.Mailbox), "Open the address below on any device and enter the code.")
}

// replaceAccess stores a refresh token that was typed in.
func replaceAccess(v *visit) error {
	m, err := v.mailbox()
	if err != nil {
		return err
	}
	if err := v.Gateway.ReplaceAccess(v.r.Context(), v.actor(), m.ID, v.secret("refresh_token")); err != nil {
		return v.mailboxRefused(m.Mailbox, err)
	}
	return v.to(mailboxPath(m.Mailbox), "The token is stored. Check the servers to see whether it works.")
}
