package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/smarthost/oauth"
	"github.com/sealgate/sealgate/groups"
)

// outFlags are how mail leaves through a mailbox, beside the address of its server.
type outFlags struct {
	Route           string    `enum:"smarthost,mx," default:"" help:"smarthost: through --smtp. mx: to the mail servers of the recipients' domains; --smtp is emptied."`
	Policy          string    `enum:"auto,dane,mta-sts,domain,verified,pinned,opportunistic," default:"" help:"With mx, what those servers must show: auto takes DANE or MTA-STS where they are published and else any TLS or none; dane, mta-sts, domain, verified and pinned defer what cannot be proven; opportunistic asks for nothing."`
	Pin             *[]string `help:"SHA-256 of the server's public key, hexadecimal or base64; may be repeated. --pin= leaves none."`
	DANE            *bool     `name:"dane" negatable:"" help:"The server's certificate must be what its TLSA records say; needs dns.validating."`
	Mechanism       *string   `enum:"CRAM-MD5,PLAIN,LOGIN,OAUTHBEARER,XOAUTH2," help:"The only login mechanism to use; empty for the strongest that both know."`
	LoginWith       string    `enum:"password,oauth,presented," default:"" help:"password: the stored one. oauth: a token. presented: what the ticket system presents to Sealgate."`
	OAuthGrant      string    `name:"oauth-grant" enum:"client-credentials,refresh-token,device-code," default:"" help:"How access is granted. client-credentials: to this client itself. refresh-token: by a person, elsewhere; see mailbox access token. device-code: by a person, with a code; see mailbox access grant."`
	OAuthTokenURL   string    `name:"oauth-token-url" help:"Address that gives tokens, https://…"`
	OAuthDeviceURL  string    `name:"oauth-device-url" help:"Address that gives codes, https://…; with device-code."`
	OAuthClientID   string    `name:"oauth-client-id" help:"Name of this client at the token server."`
	OAuthSecretFile string    `name:"oauth-secret-file" help:"File whose first line is the client's secret."`
	OAuthScope      *[]string `name:"oauth-scope" help:"Scope to ask for; may be repeated."`
	OAuthBasic      *bool     `name:"oauth-basic" negatable:"" help:"Say the client's secret in the Authorization header."`
}

func (f *outFlags) set(m *groups.Mailbox) {
	h := &m.Out
	set(&h.Route, f.Route)
	set(&h.Policy, f.Policy)
	if f.Route == string(groups.Exchanges) {
		m.SMTP = groups.Upstream{}
	}
	if f.Pin != nil {
		h.Pins = withoutEmpty(*f.Pin)
	}
	setTo(&h.DANE, f.DANE)
	setTo(&h.Mechanism, f.Mechanism)
	set(&h.Login, f.LoginWith)
	set(&h.OAuth.Grant, f.OAuthGrant)
	set(&h.OAuth.TokenURL, f.OAuthTokenURL)
	set(&h.OAuth.DeviceURL, f.OAuthDeviceURL)
	set(&h.OAuth.ClientID, f.OAuthClientID)
	if f.OAuthScope != nil {
		h.OAuth.Scopes = withoutEmpty(*f.OAuthScope)
	}
	setTo(&h.OAuth.Basic, f.OAuthBasic)
}

func setTo[T any](to *T, given *T) {
	if given != nil {
		*to = *given
	}
}

func withoutEmpty(all []string) (kept []string) {
	for _, s := range all {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

// mailboxAccess holds the use cases of OAuth logins.
type mailboxAccess struct {
	Show  accessShow  `cmd:"" help:"Say how the OAuth login of a mailbox stands."`
	Grant accessGrant `cmd:"" help:"Show a code to type in on another device, and wait until access is granted there."`
	Token accessToken `cmd:"" help:"Store a refresh token that was granted elsewhere."`
}

type accessShow struct {
	Login string `arg:"" help:"Login of the mailbox."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Run shows.
func (c *accessShow) Run(s *session) error {
	return s.withMailbox(c.Login, func(p *parts, m groups.Mailbox) error {
		state, err := p.gateway.MailboxAccess(s.ctx, cli, m.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return s.json(state)
		}
		fmt.Fprintln(s.out, accessWords(state))
		return nil
	})
}

func accessWords(a gateway.Access) string {
	switch a.Status {
	case oauth.OK:
		return "Access is granted; the token is valid until " + a.ValidUntil.Format(time.RFC3339) + "."
	case oauth.Failing:
		return "The last request failed, and is made again after " + a.RetryAt.Format(time.RFC3339) + ": " + a.Problem + "."
	case oauth.NeedsPerson:
		return "Nothing is tried any more until somebody acts: " + a.Problem + "."
	}
	return "No token was asked for yet; the first message, or sealgate mailbox check, does that."
}

type accessGrant struct {
	Login string `arg:"" help:"Login of the mailbox."`
}

// Run waits for a person.
func (c *accessGrant) Run(s *session) error {
	return s.withMailbox(c.Login, func(p *parts, m groups.Mailbox) error {
		invitation, err := p.gateway.InviteAccess(s.ctx, cli, m.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "On any device, open %s and enter the code %s before %s. Waiting.\n",
			invitation.URL, invitation.UserCode, invitation.Expires.Format("15:04"))
		if err := p.gateway.AwaitAccess(s.ctx, cli, m.ID); err != nil {
			return err
		}
		fmt.Fprintln(s.out, "Access is granted.")
		return nil
	})
}

type accessToken struct {
	Login string `arg:"" help:"Login of the mailbox."`
	File  string `arg:"" help:"File whose first line is the refresh token; - is standard input."`
}

// Run stores.
func (c *accessToken) Run(s *session) error {
	return s.withMailbox(c.Login, func(p *parts, m groups.Mailbox) error {
		token, err := s.secretString(c.File)
		if err != nil {
			return err
		}
		if token == nil {
			return errors.New("name a file with the refresh token")
		}
		if err := p.gateway.ReplaceAccess(s.ctx, cli, m.ID, *token); err != nil {
			return err
		}
		s.said("The token is stored.")
		return nil
	})
}

// withMailbox finds a mailbox by its login.
func (s *session) withMailbox(login string, do func(*parts, groups.Mailbox) error) error {
	return s.with(func(p *parts) error {
		m, err := p.gateway.Groups.MailboxByLogin(s.ctx, login)
		if err != nil {
			return fmt.Errorf("mailbox %q: %w", login, err)
		}
		return do(p, m)
	})
}

// checkDANE says that a policy asks for less than it could.
func (d *doctor) checkDANE(p *parts, m groups.Mailbox) {
	if m.Out.Route == groups.Exchanges && m.Out.Policy == "auto" && !p.gateway.Resolver.Validating {
		d.note("mailbox", m.Login+": DANE is never looked at, because no name server is known to validate DNSSEC; see dns.validating")
	}
}
