package oauth

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Times of renewal.
const (
	early       = 10 * time.Minute // before the end, or a fifth of the life where that is less
	unsaidLife  = time.Hour
	firstPause  = 30 * time.Second
	longest     = 15 * time.Minute
	patience    = 30 * time.Second // of one request
	freshEnough = 5 * time.Minute  // a token this young that is refused will not be better as a newer one
)

// Source gives the access token of one account. It is safe for concurrent use.
type Source struct {
	account Account

	flights singleflight.Group
	mu      sync.Mutex
	tokens  Tokens
	unkept  bool // tokens came and are not stored yet
	problem string
	pause   time.Duration
	retryAt time.Time
}

// New makes a source that goes on with what was kept; the zero Tokens where nothing was.
func New(a Account, kept Tokens) *Source {
	if a.Now == nil {
		a.Now = time.Now
	}
	return &Source{account: a, tokens: kept, problem: cmp.Or(kept.Refused, kept.Trouble), retryAt: kept.RetryAt}
}

// Token returns an access token that is valid now. An error is one sentence for an administrator.
func (s *Source) Token(ctx context.Context) (string, error) {
	if token, err, done := s.ready(); done {
		return token, err
	}
	// One caller that leaves must not lose the tokens for all: the old ones may be dead by then.
	flight := s.flights.DoChan("", func() (any, error) {
		renewing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*patience)
		defer cancel()
		s.renew(renewing)
		return nil, nil
	})
	select {
	case <-flight:
		return s.current()
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// ready answers without the token server where that is possible.
func (s *Source) ready() (token string, err error, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.account.Now()
	switch {
	case s.unkept:
		return "", nil, false
	case s.tokens.Access != "" && now.Before(s.due()):
		return s.tokens.Access, nil, true
	case !now.Before(s.retryAt) && (s.tokens.Refused == "" || s.account.Load != nil):
		return "", nil, false
	}
	token, err = s.usable(now)
	return token, err, true
}

// current is what a renewal left behind.
func (s *Source) current() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usable(s.account.Now())
}

func (s *Source) usable(now time.Time) (string, error) {
	if !s.unkept && s.tokens.Access != "" && now.Before(s.end()) {
		return s.tokens.Access, nil
	}
	if s.problem == "" {
		return "", errors.New("there is no OAuth token for this mailbox; agree to the access again")
	}
	return "", errors.New(s.problem)
}

// end is when the access token ends.
func (s *Source) end() time.Time {
	if s.tokens.Expires.IsZero() {
		return s.tokens.Issued.Add(unsaidLife)
	}
	return s.tokens.Expires
}

// due is when the access token is to be renewed.
func (s *Source) due() time.Time {
	end := s.end()
	return end.Add(-min(early, end.Sub(s.tokens.Issued)/5))
}

// Refused tells that a mail server did not take a token. The next call of Token gets a new one; if a token was refused
// that had just come, a newer one would be too, and there is a pause.
func (s *Source) Refused(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.tokens.Access)) != 1 {
		return // another one has come already
	}
	now := s.account.Now()
	if now.Sub(s.tokens.Issued) < freshEnough {
		s.problem = "the mail server refuses the login with a token that is new; check that the token is for this mailbox and this server"
		s.retryAt = now.Add(longest)
	}
	s.tokens.Access = "" // what was kept is the same, and is not taken over again
}

// Look takes over what other nodes have kept, for who wants to see how the account stands.
func (s *Source) Look(ctx context.Context) error {
	if s.account.Load == nil {
		return nil
	}
	kept, err := s.account.Load(ctx)
	if err != nil {
		return fmt.Errorf("read OAuth tokens: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unkept {
		s.adopt(kept)
	}
	return nil
}

// State says how the account stands.
func (s *Source) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := State{Status: OK, Problem: s.problem}
	if s.tokens.Access != "" {
		state.ValidUntil = s.end()
	}
	switch {
	case s.tokens.Refused != "":
		state.Status = NeedsPerson
	case s.problem != "":
		state.Status, state.RetryAt = Failing, s.retryAt
	case s.tokens.Access == "":
		state.Status = Unused
	}
	return state
}

// Replace takes tokens that a person agreed to, and ends a refusal. They are kept first.
func (s *Source) Replace(ctx context.Context, t Tokens) error {
	release, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	return s.replace(ctx, t)
}

func (s *Source) replace(ctx context.Context, t Tokens) error {
	t.Refused, t.Trouble, t.RetryAt = "", "", time.Time{}
	t.Issued = s.account.Now().Truncate(time.Millisecond)
	s.took(t)
	return s.keep(ctx)
}

// Again ends a refusal or a pause without new tokens, because a person corrected the settings: the next call of Token
// asks once more.
func (s *Source) Again(ctx context.Context) error {
	release, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := s.Look(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	t, troubled := s.tokens, s.problem != ""
	s.mu.Unlock()
	if !troubled {
		return nil
	}
	t.Access = ""
	return s.replace(ctx, t)
}

// lock keeps other nodes from using the same refresh token at once.
func (s *Source) lock(ctx context.Context) (release func(), err error) {
	if s.account.Lock == nil {
		return func() {}, nil
	}
	return s.account.Lock(ctx)
}
