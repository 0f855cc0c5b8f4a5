package gateway

import (
	"context"

	"github.com/sealgate/sealgate/gateway/smarthost/oauth"
	"github.com/sealgate/sealgate/groups"
)

// cannotSend says why no mail can leave through a mailbox and what somebody must do, "" when nothing is known of that. It
// asks no mail server and no token server: it knows of policies that cannot be met here, and of access that is not granted.
func (g *Gateway) cannotSend(ctx context.Context, m groups.Mailbox) string {
	var err error
	switch {
	case !m.Sends():
		return ""
	case m.Out.Route == groups.Exchanges:
		_, err = g.exchangesOf(m)
	default:
		_, err = g.plainHop(m)
	}
	if err != nil {
		return err.Error()
	}
	if m.Out.Login == groups.LoginOAuth {
		return g.accessTrouble(ctx, m)
	}
	return ""
}

// accessTrouble is what is wrong with an OAuth login.
func (g *Gateway) accessTrouble(ctx context.Context, m groups.Mailbox) string {
	c, err := g.Groups.Credentials(ctx, m.ID)
	if err != nil {
		return "the OAuth settings cannot be opened; see sealgate doctor"
	}
	found, err := g.accessOf(ctx, m, c)
	if err == nil {
		err = found.source.Look(ctx)
	}
	if err != nil {
		return "the OAuth tokens cannot be opened; see sealgate doctor"
	}
	switch state := found.source.State(); state.Status {
	case oauth.NeedsPerson, oauth.Failing:
		return state.Problem
	}
	return ""
}
