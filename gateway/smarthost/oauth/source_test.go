package oauth_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/smarthost/oauth"
)

// expect asks for a token and compares it, or its error.
func expect(t *testing.T, s *oauth.Source, when, want string) {
	t.Helper()
	got, err := s.Token(t.Context())
	if err != nil {
		got = err.Error()
		for _, secret := range []string{"client-secret", "secret-in-the-answer", "access-", "refresh-", "stolen"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s: the error shows a secret: %s", when, got)
			}
		}
	}
	if !strings.HasPrefix(got, want) {
		t.Errorf("%s: got %q, want %q", when, got, want)
	}
}

// TestClientCredentials: one token for its life, then another, early.
func TestClientCredentials(t *testing.T) {
	web := newServer(t)
	s := oauth.New(web.account(oauth.ClientCredentials), oauth.Tokens{})
	if got := s.State(); got.Status != oauth.Unused {
		t.Errorf("before: %+v", got)
	}
	expect(t, s, "at first", "access-1")
	web.later(49 * time.Minute)
	expect(t, s, "while it is good", "access-1")
	web.later(2 * time.Minute)
	expect(t, s, "before it ends", "access-2")
	if got := s.State(); got.Status != oauth.OK || !got.ValidUntil.Equal(web.now.Add(time.Hour)) || web.requests() != 2 {
		t.Errorf("after %d requests: %+v", web.requests(), got)
	}
}

// TestRotation: every renewal brings a new refresh token, which is kept before the access token is used, and a restart
// goes on with it.
func TestRotation(t *testing.T) {
	web := newServer(t)
	s := oauth.New(web.account(oauth.RefreshToken), oauth.Tokens{Refresh: "refresh-0"})
	expect(t, s, "at first", "access-1")
	web.later(time.Hour)
	expect(t, s, "an hour later", "access-2")
	last := web.kept[len(web.kept)-1]
	if last.Refresh != "refresh-2" || last.Access != "access-2" {
		t.Errorf("kept %+v", last)
	}
	s = oauth.New(web.account(oauth.RefreshToken), last)
	expect(t, s, "after a restart", "access-2")
	web.later(time.Hour)
	expect(t, s, "and an hour later", "access-3")
}

// TestTokensThatCannotBeKept are not used, and not lost.
func TestTokensThatCannotBeKept(t *testing.T) {
	web := newServer(t)
	s := oauth.New(web.account(oauth.RefreshToken), oauth.Tokens{Refresh: "refresh-0"})
	web.change(func() { web.keep = errDisk })
	expect(t, s, "with a full disk", "new OAuth tokens came and cannot be stored")
	expect(t, s, "again", "new OAuth tokens came and cannot be stored")
	web.change(func() { web.keep = nil })
	expect(t, s, "with room", "access-1")
	if web.requests() != 1 || len(web.kept) != 1 || s.State().Status != oauth.OK {
		t.Errorf("%d requests, kept %d times, %+v", web.requests(), len(web.kept), s.State())
	}
}

// TestInvalidGrant: one request, then a person is needed, after a restart too.
func TestInvalidGrant(t *testing.T) {
	web := newServer(t)
	s := oauth.New(web.account(oauth.RefreshToken), oauth.Tokens{Refresh: "stolen"})
	for range 5 {
		expect(t, s, "with a dead token", "the OAuth token server no longer grants access (invalid_grant); somebody must agree")
		web.later(24 * time.Hour)
	}
	restarted := oauth.New(web.account(oauth.RefreshToken), web.kept[len(web.kept)-1])
	expect(t, restarted, "after a restart", "the OAuth token server no longer grants access")
	if got := restarted.State(); got.Status != oauth.NeedsPerson || got.Problem == "" || web.requests() != 1 {
		t.Errorf("after %d requests: %+v", web.requests(), got)
	}
	web.change(func() { web.revoked = false })
	if err := restarted.Replace(t.Context(), oauth.Tokens{Refresh: "refresh-0"}); err != nil {
		t.Fatal(err)
	}
	expect(t, restarted, "after somebody agreed", "access-1")
}

// TestSettingsThatAreWrong need a person too, and a server that is asked no more than once.
func TestSettingsThatAreWrong(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*oauth.Account)
		want   string
		asked  int
	}{
		"wrong secret":  {func(a *oauth.Account) { a.ClientSecret = "else" }, "the OAuth token server does not accept this client (invalid_client)", 1},
		"wrong scope":   {func(a *oauth.Account) { a.Scopes = nil }, "the OAuth token server does not accept this client (invalid_scope)", 1},
		"not https":     {func(a *oauth.Account) { a.TokenURL = "http://127.0.0.1/token" }, "the OAuth server's address is not https", 0},
		"no address":    {func(a *oauth.Account) { a.TokenURL = "" }, "the OAuth settings lack", 0},
		"nothing to do": {func(a *oauth.Account) { a.Grant = oauth.RefreshToken }, "there is no refresh token", 0},
	} {
		t.Run(name, func(t *testing.T) {
			web := newServer(t)
			a := web.account(oauth.ClientCredentials)
			c.change(&a)
			s := oauth.New(a, oauth.Tokens{})
			expect(t, s, "at first", c.want)
			expect(t, s, "again", c.want)
			if web.requests() != c.asked || s.State().Status != oauth.NeedsPerson {
				t.Errorf("%d requests, %+v", web.requests(), s.State())
			}
		})
	}
}

// TestTroubleThatMayPass: the token is used to its end, and the server is asked at longer and longer intervals.
func TestTroubleThatMayPass(t *testing.T) {
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusFound} {
		web := newServer(t)
		s := oauth.New(web.account(oauth.ClientCredentials), oauth.Tokens{})
		expect(t, s, "at first", "access-1")
		web.change(func() { web.broken = status })
		web.later(55 * time.Minute)
		expect(t, s, "while it is still good", "access-1")
		expect(t, s, "again", "access-1")
		if got := s.State(); got.Status != oauth.Failing || !got.RetryAt.Equal(web.now.Add(30*time.Second)) || web.requests() != 2 {
			t.Errorf("after %d requests: %+v", web.requests(), got)
		}
		web.later(6 * time.Minute)
		expect(t, s, "after its end", "the OAuth token server answers ")
		if got := s.State(); !got.RetryAt.Equal(web.now.Add(time.Minute)) || web.requests() != 3 {
			t.Errorf("after %d requests: %+v", web.requests(), got)
		}
		web.change(func() { web.broken = 0 })
		expect(t, s, "in the pause", "the OAuth token server answers ")
		web.later(time.Minute)
		expect(t, s, "after it", "access-2")
	}
}

// TestARefusedLogin gets one new token, and no third.
func TestARefusedLogin(t *testing.T) {
	web := newServer(t)
	s := oauth.New(web.account(oauth.ClientCredentials), oauth.Tokens{})
	expect(t, s, "at first", "access-1")
	web.later(30 * time.Minute)
	s.Refused("access-1")
	expect(t, s, "after a refusal", "access-2")
	s.Refused("access-1")
	expect(t, s, "after a late one", "access-2")
	s.Refused("access-2")
	expect(t, s, "after a refusal of the new one", "the mail server refuses the login with a token that is new")
	web.later(16 * time.Minute)
	expect(t, s, "later", "access-3")
}

// TestManyAskOnce: one request for all, and one that leaves does not end it for the others.
func TestManyAskOnce(t *testing.T) {
	web := newServer(t)
	s := oauth.New(web.account(oauth.RefreshToken), oauth.Tokens{Refresh: "refresh-0"})
	gone, leave := context.WithCancel(t.Context())
	leave()
	s.Token(gone) //nolint:errcheck // it has left, or got the token all the same
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { expect(t, s, "together", "access-1") })
	}
	all.Wait()
	if web.requests() != 1 {
		t.Errorf("%d requests", web.requests())
	}
}

// TestDeviceCode: a person agrees elsewhere, while we ask at the server's pace.
func TestDeviceCode(t *testing.T) {
	for name, agrees := range map[string]bool{"yes": true, "no": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			web := newServer(t)
			web.agreed = agrees
			s := oauth.New(web.account(oauth.DeviceCode), oauth.Tokens{})
			i, err := s.Invite(t.Context())
			if err != nil || i.UserCode != "ABCD-EFGH" || i.URL != "https://login.test/device" {
				t.Fatalf("%+v, %v", i, err)
			}
			err = s.Await(t.Context(), i)
			if !agrees {
				if err == nil || !strings.Contains(err.Error(), "access_denied") {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			expect(t, s, "then", "access-1")
			web.later(time.Hour)
			expect(t, s, "an hour later", "access-2")
		})
	}
}

// TestTwoNodes share one store: the second goes on with what the first has kept, and sees that somebody agreed again.
func TestTwoNodes(t *testing.T) {
	web := newServer(t)
	account := web.account(oauth.RefreshToken)
	web.kept = []oauth.Tokens{{Refresh: "refresh-0"}}
	account.Load = func(context.Context) (oauth.Tokens, error) {
		web.mu.Lock()
		defer web.mu.Unlock()
		return web.kept[len(web.kept)-1], web.keep
	}
	one, two := oauth.New(account, web.kept[0]), oauth.New(account, web.kept[0])
	expect(t, one, "the first", "access-1")
	expect(t, two, "the second", "access-1")
	web.later(time.Hour)
	expect(t, two, "the second, an hour later", "access-2")
	expect(t, one, "the first then", "access-2")
	web.later(10 * time.Minute)
	one.Refused("access-2")
	expect(t, one, "the first after a refusal", "access-3")
	web.change(func() { web.revoked = true })
	web.later(time.Hour)
	expect(t, one, "the first when it is over", "the OAuth token server no longer grants access")
	before := web.requests()
	expect(t, two, "the second then", "the OAuth token server no longer grants access")
	expect(t, one, "the first again", "the OAuth token server no longer grants access")
	if web.requests() != before {
		t.Errorf("%d requests more", web.requests()-before)
	}
	web.change(func() { web.revoked, web.keep = false, errDisk })
	expect(t, two, "without the store", "the stored OAuth tokens cannot be read")
	web.change(func() { web.keep = nil })
	if err := one.Replace(t.Context(), oauth.Tokens{Refresh: web.refresh}); err != nil {
		t.Fatal(err)
	}
	web.later(time.Minute)
	expect(t, two, "the second after somebody agreed at the first", "access-4")
	expect(t, one, "and the first", "access-4")
}
