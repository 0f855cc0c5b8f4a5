package oauth_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/smarthost/oauth"
)

// nodes are sources over one store and one lock.
func nodes(web *server, grant oauth.Grant, kept oauth.Tokens) (one, two *oauth.Source) {
	web.kept = []oauth.Tokens{kept}
	account := web.account(grant)
	account.Load = func(context.Context) (oauth.Tokens, error) {
		web.mu.Lock()
		defer web.mu.Unlock()
		return web.kept[len(web.kept)-1], web.keep
	}
	var lock sync.Mutex
	account.Lock = func(context.Context) (func(), error) {
		lock.Lock()
		return lock.Unlock, nil
	}
	return oauth.New(account, kept), oauth.New(account, kept)
}

// TestTwoNodesAtTheSameInstant make one request: a refresh token that both used would end the grant.
func TestTwoNodesAtTheSameInstant(t *testing.T) {
	web := newServer(t)
	one, two := nodes(web, oauth.RefreshToken, oauth.Tokens{Refresh: "refresh-0"})
	var both sync.WaitGroup
	for _, s := range []*oauth.Source{one, two} {
		both.Go(func() { expect(t, s, "together", "access-1") })
	}
	both.Wait()
	if web.requests() != 1 {
		t.Errorf("%d requests", web.requests())
	}
}

// TestTroubleIsShared: while one node pauses the other asks no more, and each can say why.
func TestTroubleIsShared(t *testing.T) {
	web := newServer(t)
	one, two := nodes(web, oauth.ClientCredentials, oauth.Tokens{})
	web.change(func() { web.broken = http.StatusBadGateway })
	expect(t, one, "the first", "the OAuth token server answers 502")
	expect(t, two, "the second", "the OAuth token server answers 502")
	if got := two.State(); got.Status != oauth.Failing || !got.RetryAt.Equal(one.State().RetryAt) || web.requests() != 1 {
		t.Errorf("after %d requests: %+v", web.requests(), got)
	}
	web.change(func() { web.broken = 0 })
	web.later(time.Minute)
	expect(t, one, "the first, a minute later", "access-1")
	if err := two.Look(t.Context()); err != nil || two.State().Status != oauth.OK || two.State().Problem != "" {
		t.Errorf("the second sees %+v, %v", two.State(), err)
	}
}

// TestCorrectedSettings: a client that was refused is asked for again once a person corrected it, everywhere.
func TestCorrectedSettings(t *testing.T) {
	web := newServer(t)
	one, two := nodes(web, oauth.RefreshToken, oauth.Tokens{Refresh: "refresh-0"})
	web.change(func() { web.revoked = true })
	expect(t, one, "the first", "the OAuth token server no longer grants access")
	if err := two.Look(t.Context()); err != nil || two.State().Status != oauth.NeedsPerson {
		t.Errorf("the second sees %+v, %v", two.State(), err)
	}
	web.change(func() { web.revoked, web.refresh = false, "refresh-0" })
	expect(t, two, "without a person", "the OAuth token server no longer grants access")
	if err := two.Again(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, one, "the first, after the second was corrected", "access-1")
	if err := one.Again(t.Context()); err != nil || web.requests() != 2 {
		t.Errorf("again without need: %v, %d requests", err, web.requests())
	}
	expect(t, two, "the second", "access-1")
}
