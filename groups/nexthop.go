package groups

import (
	"net/url"
	"slices"
	"strings"
)

// Route says who takes the mail of a mailbox.
type Route string

// The routes.
const (
	Smarthost Route = "smarthost" // the mailbox's SMTP server
	Exchanges Route = "mx"        // the mail servers that the DNS names for each recipient's domain
)

// Login says with what a mailbox logs in to its SMTP server.
type Login string

// The logins.
const (
	LoginPassword  Login = "password"  // the stored one
	LoginOAuth     Login = "oauth"     // a token that is renewed
	LoginPresented Login = "presented" // what the ticket system presents to Sealgate
)

// NextHop is how mail leaves through a mailbox, beside the address of its server.
type NextHop struct {
	Route     Route    // "" means Smarthost
	Policy    string   // with Exchanges: what their servers must show, as smarthost.Policy; "" means auto
	Pins      []string // with any: the server's key is one of these, SHA-256 in base64
	DANE      bool     // with Smarthost: the server's certificate is what its TLSA records say
	Mechanism string   // the only SASL mechanism; "" means the strongest that both know
	Login     Login    // "" means LoginPassword
	OAuth     OAuth    // with LoginOAuth
}

// OAuth is where tokens come from. The client's secret is among the Credentials.
type OAuth struct {
	Grant     string // client-credentials, refresh-token or device-code
	TokenURL  string
	DeviceURL string // with device-code
	ClientID  string
	Scopes    []string
	Basic     bool // the secret goes in the Authorization header
}

// Sends tells whether mail can leave through a mailbox.
func (m Mailbox) Sends() bool { return m.SMTP.Address != "" || m.Out.Route == Exchanges }

// Uses returns those of some credentials that the mailbox logs in with, as it is set now.
func (m Mailbox) Uses(c Credentials) Credentials {
	if strings.TrimSpace(m.IMAP.Address) == "" {
		c.IMAPPassword = ""
	}
	smarthost := strings.TrimSpace(m.SMTP.Address) != "" && m.Out.Route != Exchanges
	if !smarthost || m.SMTP.Username == "" || m.Out.Login != "" && m.Out.Login != LoginPassword {
		c.SMTPPassword = ""
	}
	if !smarthost || m.Out.Login != LoginOAuth {
		c.ClientSecret = ""
	}
	if !smarthost || m.Out.Login != LoginPresented {
		c.Presented = Presented{}
	}
	return c
}

// choices of NextHop, the default first.
func routes() []string { return []string{string(Smarthost), string(Exchanges)} }

func logins() []string {
	return []string{string(LoginPassword), string(LoginOAuth), string(LoginPresented)}
}

func policies() []string {
	return []string{"auto", "dane", "mta-sts", "domain", "verified", "pinned", "opportunistic"}
}

func mechanisms() []string {
	return []string{"", "CRAM-MD5", "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"}
}

func grants() []string { return []string{"client-credentials", "refresh-token", "device-code"} }

// chosen returns a choice, or the default for "".
func chosen(field, name, value string, choices []string) (string, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return choices[0], nil
	}
	if !slices.Contains(choices, value) {
		return "", invalid(field, "%s cannot be %q; choose one of %s", name, plain(value), strings.Join(slices.DeleteFunc(slices.Clone(choices), func(c string) bool { return c == "" }), ", "))
	}
	return value, nil
}

// nextHop checks the values of a mailbox's next hop, which belong together.
func (m Mailbox) nextHop() (NextHop, error) {
	h := m.Out
	for _, c := range []struct {
		field, name string
		value       *string
		choices     []string
	}{
		{"route", "the route", (*string)(&h.Route), routes()},
		{"policy", "the policy", &h.Policy, policies()},
		{"mechanism", "the login mechanism", &h.Mechanism, mechanisms()},
		{"login_with", "the login", (*string)(&h.Login), logins()},
	} {
		var err error
		if *c.value, err = chosen(c.field, c.name, *c.value, c.choices); err != nil {
			return h, err
		}
	}
	if h.Route == Exchanges {
		return m.exchanges(h)
	}
	return m.smarthost(h)
}

// exchanges are strangers' servers: nobody logs in to them.
func (m Mailbox) exchanges(h NextHop) (NextHop, error) {
	switch {
	case m.SMTP.Address != "":
		return h, invalid("route", "mail leaves either through the SMTP server or to the servers of the recipients' domains; empty the address of the SMTP server, or choose smarthost")
	case h.Policy == "pinned" && len(h.Pins) == 0:
		return h, invalid("pins", "the policy pinned needs at least one pin; add the SHA-256 of the server's public key")
	case h.Policy != "pinned" && len(h.Pins) > 0:
		return h, invalid("pins", "pins have no effect with the policy %s; choose pinned, or remove them", h.Policy)
	}
	h.DANE, h.Mechanism, h.Login, h.OAuth = false, "", LoginPassword, OAuth{}
	return h, nil
}

func (m Mailbox) smarthost(h NextHop) (NextHop, error) {
	h.Policy = ""
	if m.SMTP.Address == "" {
		return NextHop{Route: Smarthost, Login: LoginPassword}, nil
	}
	proves := m.SMTP.TLS == TLSImplicit || m.SMTP.TLS == TLSStart
	switch {
	case (len(h.Pins) > 0 || h.DANE) && !proves:
		return h, invalid("smtp_tls", "a pin or DANE can only be checked where TLS is required; choose implicit or starttls")
	case len(h.Pins) > 0 && h.DANE:
		return h, invalid("dane", "choose pins or DANE, not both: each says alone which server is the right one")
	case m.SMTP.TLS == TLSOpportunistic && (m.SMTP.Username != "" || h.Login != LoginPassword):
		return h, invalid("smtp_tls", "no login is said to a server that need not prove who it is; choose implicit or starttls, or leave the user name empty")
	}
	bearer := h.Mechanism == "OAUTHBEARER" || h.Mechanism == "XOAUTH2"
	switch {
	case h.Login == LoginPassword && bearer:
		return h, invalid("mechanism", "%s takes a token, not a password; choose the login oauth", h.Mechanism)
	case h.Login == LoginOAuth && h.Mechanism != "" && !bearer:
		return h, invalid("mechanism", "a token cannot be said by %s; choose OAUTHBEARER or XOAUTH2, or leave the choice to Sealgate", h.Mechanism)
	case h.Login != LoginOAuth:
		h.OAuth = OAuth{}
		return h, nil
	case m.SMTP.Username == "":
		return h, invalid("smtp_username", "a login with OAuth needs the user name too, often the mail address; fill it in")
	}
	var err error
	h.OAuth, err = h.OAuth.canonical()
	return h, err
}

func (o OAuth) canonical() (OAuth, error) {
	var err error
	if o.Grant, err = chosen("oauth_grant", "the OAuth grant", o.Grant, grants()); err != nil {
		return o, err
	}
	if o.TokenURL, err = canonicalURL("oauth_token_url", o.TokenURL); err != nil {
		return o, err
	}
	if o.Grant != "device-code" {
		o.DeviceURL = ""
	} else if o.DeviceURL, err = canonicalURL("oauth_device_url", o.DeviceURL); err != nil {
		return o, err
	}
	if err := checkText("oauth_client_id", o.ClientID, 1, maxUsername); err != nil {
		return o, err
	}
	for _, scope := range o.Scopes {
		if err := checkText("oauth_scopes", scope, 1, maxUsername); err != nil {
			return o, err
		}
	}
	return o, nil
}

// canonicalURL takes https only: secrets go there.
func canonicalURL(field, text string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return "", invalid(field, "%q is not the address of a token server; write it as https://login.example.org/token", plain(text))
	}
	return u.String(), nil
}
