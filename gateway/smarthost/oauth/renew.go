package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// renew makes one request to the token server, or stores what the last one brought.
func (s *Source) renew(ctx context.Context) {
	s.mu.Lock()
	unkept := s.unkept
	s.mu.Unlock()
	if unkept {
		s.keep(ctx) //nolint:errcheck // noted
		return
	}
	if _, needed := s.reload(ctx); !needed {
		return
	}
	release, err := s.lock(ctx)
	if err != nil {
		s.locked()
		return
	}
	defer release()
	refresh, needed := s.reload(ctx) // another node may have been faster
	if !needed {
		return
	}
	fresh, err := s.ask(ctx, refresh)
	if err != nil {
		s.failed(ctx, err)
		return
	}
	s.took(fresh)
	s.keep(ctx) //nolint:errcheck // noted
}

// locked notes that another node did not end.
func (s *Source) locked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem = "another node renews the OAuth token of this mailbox, or was ended while it did"
	s.rest()
}

// reload takes over what others have kept, and tells with which refresh token a request is still needed.
func (s *Source) reload(ctx context.Context) (refresh string, needed bool) {
	if s.account.Load == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.tokens.Refresh, true
	}
	kept, err := s.account.Load(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.problem = "the stored OAuth tokens cannot be read"
		s.rest()
		return "", false
	}
	s.adopt(kept)
	now := s.account.Now()
	wanted := s.tokens.Access == "" || !now.Before(s.due())
	return s.tokens.Refresh, wanted && s.tokens.Refused == "" && !now.Before(s.retryAt)
}

// adopt replaces what is known by what was kept since. Of the same tokens only more trouble is news: a refusal that could
// not be kept stays, and so does the word of a mail server that refused the access token.
func (s *Source) adopt(kept Tokens) {
	same := kept.Refresh == s.tokens.Refresh && kept.Issued.Equal(s.tokens.Issued)
	if same && kept.Refused == "" && !kept.RetryAt.After(s.retryAt) {
		return
	}
	if same {
		kept.Access = s.tokens.Access
	}
	s.tokens, s.problem, s.retryAt = kept, cmp.Or(kept.Refused, kept.Trouble), kept.RetryAt
}

// rest begins a pause, longer than the last one.
func (s *Source) rest() {
	s.pause = min(max(firstPause, 2*s.pause), longest)
	s.retryAt = s.account.Now().Add(s.pause)
}

// ask asks for tokens by client credentials or with a refresh token. The library's own refresh leaves the scope out,
// which some servers insist on.
func (s *Source) ask(ctx context.Context, refresh string) (Tokens, error) {
	a := s.account
	if err := a.usable(); err != nil {
		return Tokens{}, err
	}
	c := clientcredentials.Config{
		ClientID: a.ClientID, ClientSecret: a.ClientSecret, TokenURL: a.TokenURL, Scopes: a.Scopes, AuthStyle: a.style(), EndpointParams: url.Values{},
	}
	for name, values := range a.Parameters {
		c.EndpointParams[name] = values
	}
	if a.Grant != ClientCredentials {
		if refresh == "" {
			return Tokens{}, &refusal{"there is no refresh token for this mailbox; agree to the access again"}
		}
		c.EndpointParams["grant_type"], c.EndpointParams["refresh_token"] = []string{"refresh_token"}, []string{refresh}
	}
	token, err := c.Token(a.client(ctx))
	if err != nil {
		return Tokens{}, err
	}
	fresh := s.tokensOf(token)
	if fresh.Refresh == "" && a.Grant != ClientCredentials {
		fresh.Refresh = refresh // it did not rotate
	}
	return fresh, nil
}

// tokensOf measures the life of a token by our own clock.
func (s *Source) tokensOf(token *oauth2.Token) Tokens {
	t := Tokens{Access: token.AccessToken, Refresh: token.RefreshToken, Issued: s.account.Now().Truncate(time.Millisecond)}
	if !token.Expiry.IsZero() {
		t.Expires = t.Issued.Add(time.Until(token.Expiry).Round(time.Second))
	}
	return t
}

func (s *Source) took(t Tokens) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens, s.unkept = t, true
}

// keep stores the tokens; only then are they used.
func (s *Source) keep(ctx context.Context) error {
	s.mu.Lock()
	t := s.tokens
	s.mu.Unlock()
	err := s.account.Keep(ctx, t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.problem = "new OAuth tokens came and cannot be stored; they are kept in memory until they can"
		return fmt.Errorf("keep OAuth tokens: %w", err)
	}
	s.unkept, s.problem, s.pause, s.retryAt = false, t.Refused, 0, time.Time{}
	return nil
}

// failed notes an error: a refusal is stored and stays, anything else is followed by a pause.
func (s *Source) failed(ctx context.Context, err error) {
	var final *refusal
	sentence, forGood := explain(err)
	if errors.As(err, &final) {
		sentence, forGood = final.sentence, true
	}
	s.mu.Lock()
	s.problem = sentence
	if forGood {
		s.tokens.Refused, s.tokens.Trouble, s.tokens.RetryAt = sentence, "", time.Time{}
	} else {
		s.rest()
		s.tokens.Trouble, s.tokens.RetryAt = sentence, s.retryAt
	}
	t := s.tokens
	s.mu.Unlock()
	s.account.Keep(ctx, t) //nolint:errcheck // after a restart it is asked for once more
}

// refusal is one that only a person can mend.
type refusal struct{ sentence string }

func (r *refusal) Error() string { return r.sentence }

// explain says an error in a sentence that holds no secret: the library's own would quote whole answers.
func explain(err error) (sentence string, forGood bool) {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		var failed *url.Error
		if errors.As(err, &failed) {
			return "the OAuth token server cannot be reached; check its address and the way to it", false
		}
		return "the OAuth token server's answer makes no sense; check its address", false
	}
	code := plain(answer.ErrorCode, 60)
	switch answer.ErrorCode {
	case "invalid_grant", "access_denied", "expired_token", "interaction_required", "consent_required":
		return "the OAuth token server no longer grants access (" + code + "); somebody must agree to the access again", true
	case "invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type", "invalid_request":
		return "the OAuth token server does not accept this client (" + code + "); check the client id, its secret and the scopes", true
	case "":
		return fmt.Sprintf("the OAuth token server answers %d", answer.Response.StatusCode), false
	}
	return fmt.Sprintf("the OAuth token server answers %d %s", answer.Response.StatusCode, code), false
}

// plain makes a server's word safe to show.
func plain(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}

func (a Account) style() oauth2.AuthStyle {
	if a.Basic {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams // never by trial: a refused trial counts as one
}

// usable refuses what would show secrets on the way.
func (a Account) usable() error {
	for _, address := range []string{a.TokenURL, a.DeviceURL} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
			return &refusal{"the OAuth server's address is not https; correct it"}
		}
	}
	if a.TokenURL == "" || a.ClientID == "" {
		return &refusal{"the OAuth settings lack the token server's address or the client id; add them"}
	}
	return nil
}

// client gives the library an HTTP client that follows nobody and has an end.
func (a Account) client(ctx context.Context) context.Context {
	c := http.Client{Timeout: patience}
	if a.HTTP != nil {
		c = *a.HTTP
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return context.WithValue(ctx, oauth2.HTTPClient, &c)
}
