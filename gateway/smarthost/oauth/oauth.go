// Package oauth keeps one access token for one login: it fetches the token, renews it in time, and stops when the token
// server says that a person is needed.
//
// An account's settings and the tokens that were kept enter; a token that is valid now leaves. Many callers at once share
// one request. A token is renewed before it ends (at four fifths of its life, at most 10 minutes early), and while it
// still holds, trouble with the renewal troubles nobody. Trouble that may pass is followed by a pause that doubles from 30
// seconds to 15 minutes. A refusal that will not pass by itself (invalid_grant and its like) is asked for once, kept, and
// then answered from memory until a person acts: a loop of refused logins locks accounts.
//
// New tokens go to Keep before anybody uses them, because a token server may have ended the old ones already. No token and
// no secret is ever part of an error or of a State.
package oauth

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Grant is how access is granted.
type Grant string

// The grants.
const (
	ClientCredentials Grant = "client-credentials" // RFC 6749, section 4.4: the application itself
	RefreshToken      Grant = "refresh-token"      // section 6: a person agreed elsewhere
	DeviceCode        Grant = "device-code"        // RFC 8628: a person agrees on another device, then as RefreshToken
)

// Account is how to ask for tokens.
type Account struct {
	Grant        Grant
	TokenURL     string // https
	DeviceURL    string // https; for DeviceCode
	ClientID     string
	ClientSecret string // "" for public clients
	Basic        bool   // the secret goes in the Authorization header; else among the parameters
	Scopes       []string
	Parameters   url.Values // more of them, such as an audience

	// Keep stores tokens, sealed. They are not used before it returned nil; when it fails it is called again with the
	// same tokens before anything else happens.
	Keep func(ctx context.Context, t Tokens) error

	// Load returns what was kept last. Several nodes that share one store need it: it is called before each request, so
	// that nobody uses a refresh token that another node has used already, and each node sees that somebody agreed again.
	// Nil means that this process is alone.
	Load func(ctx context.Context) (Tokens, error)

	// Lock waits until no other node renews, and holds that until release is called: a refresh token that two nodes use
	// at once looks stolen, and some servers then end the grant. Nil means that this process is alone.
	Lock func(ctx context.Context) (release func(), err error)

	HTTP *http.Client     // nil means one with a limit of 30 s; redirections are never followed
	Now  func() time.Time // nil means time.Now
}

// Tokens is what must be kept. It holds secrets.
type Tokens struct {
	Access  string
	Refresh string
	Issued  time.Time // to the millisecond
	Expires time.Time // zero: the server did not say, so an hour is assumed
	Refused string    // the refusal that only a person can mend, in words; "" when there is none

	Trouble string    `json:",omitempty"` // of the last request, which may pass; "" when there was none
	RetryAt time.Time // with Trouble: no node asks again before
}

// Status is how an account stands.
type Status string

// The statuses.
const (
	Unused      Status = "unused" // nothing was asked for yet
	OK          Status = "ok"
	Failing     Status = "failing"      // the last request failed; it is tried again by itself
	NeedsPerson Status = "needs-person" // nothing is tried until somebody agrees again or corrects the settings
)

// State is what people may see of an account.
type State struct {
	Status     Status
	ValidUntil time.Time // of the access token; zero when there is none
	Problem    string    // the last error in one sentence, "" when there is none
	RetryAt    time.Time // with Failing: not before then
}
