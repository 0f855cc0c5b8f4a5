package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/smarthost/oauth"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// accesses are the OAuth tokens of mailboxes in this process: one source for each, so that many deliveries make one request.
// It is safe for concurrent use; the zero accesses is ready.
type accesses struct {
	mu    sync.Mutex
	of    map[string]*access // by mailbox id
	await chan *access       // made by waiting
}

// access is one mailbox's.
type access struct {
	settings string // that the source was made for
	source   *oauth.Source

	mu         sync.Mutex
	invitation oauth.Invitation
	awaiting   bool
	problem    string // why the last invitation came to nothing
}

// Access is how the OAuth login of a mailbox stands.
type Access struct {
	oauth.State
	Invitation oauth.Invitation // that waits for a person; the zero one when none does
	Problem    string           // of the last invitation, else of the last request; "" when there is none
}

// accessOf returns the source of a mailbox's tokens; another server, other settings or another client secret make a new one.
func (g *Gateway) accessOf(ctx context.Context, m groups.Mailbox, c groups.Credentials) (*access, error) {
	settings, err := json.Marshal([]any{m.SMTP.Address, m.Out.OAuth, c.ClientSecret})
	if err != nil {
		return nil, fmt.Errorf("read OAuth settings: %w", err)
	}
	g.accesses.mu.Lock()
	defer g.accesses.mu.Unlock()
	if a := g.accesses.of[m.ID]; a != nil && a.settings == string(settings) {
		return a, nil
	}
	kept, err := g.loadTokens(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	a := &access{settings: string(settings), source: oauth.New(g.account(m, c), kept)}
	if g.accesses.of == nil {
		g.accesses.of = map[string]*access{}
	}
	g.accesses.of[m.ID] = a
	return a, nil
}

func (g *Gateway) account(m groups.Mailbox, c groups.Credentials) oauth.Account {
	o := m.Out.OAuth
	return oauth.Account{
		Grant: oauth.Grant(o.Grant), TokenURL: o.TokenURL, DeviceURL: o.DeviceURL,
		ClientID: o.ClientID, ClientSecret: c.ClientSecret, Basic: o.Basic, Scopes: o.Scopes,
		Keep: func(ctx context.Context, t oauth.Tokens) error { return g.keepTokens(ctx, m.ID, t) },
		Load: func(ctx context.Context) (oauth.Tokens, error) { return g.loadTokens(ctx, m.ID) },
		HTTP: g.HTTP, Now: g.Now,
	}
}

func (g *Gateway) keepTokens(ctx context.Context, mailboxID string, t oauth.Tokens) error {
	plaintext, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("keep OAuth tokens: %w", err)
	}
	defer clear(plaintext)
	if err := g.Keeper.Ready(ctx); err != nil {
		return fmt.Errorf("keep OAuth tokens: %w", err)
	}
	return g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		return g.Groups.SaveTokens(ctx, tx, mailboxID, plaintext)
	})
}

func (g *Gateway) loadTokens(ctx context.Context, mailboxID string) (t oauth.Tokens, err error) {
	plaintext, err := g.Groups.Tokens(ctx, mailboxID)
	if err != nil || plaintext == nil {
		return t, err
	}
	defer clear(plaintext)
	if err := json.Unmarshal(plaintext, &t); err != nil {
		return t, errors.New("the stored OAuth tokens are damaged; agree to the access again")
	}
	return t, nil
}

// MailboxAccess says how the OAuth login of a mailbox stands. Admins only.
func (g *Gateway) MailboxAccess(ctx context.Context, a Actor, id string) (Access, error) {
	found, _, err := g.oauthMailbox(ctx, a, id)
	if err != nil {
		return Access{}, err
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	state := Access{State: found.source.State(), Problem: found.problem}
	if state.Problem == "" {
		state.Problem = state.State.Problem
	}
	if found.awaiting && g.Now().Before(found.invitation.Expires) {
		state.Invitation = found.invitation
	}
	return state, nil
}

// oauthMailbox finds the access of a mailbox that logs in with OAuth. Admins only.
func (g *Gateway) oauthMailbox(ctx context.Context, a Actor, id string) (*access, groups.Mailbox, error) {
	if err := a.allow(groups.Admin); err != nil {
		return nil, groups.Mailbox{}, err
	}
	m, err := g.Groups.Mailbox(ctx, id)
	if err != nil {
		return nil, m, notFound(err)
	}
	if m.Out.Login != groups.LoginOAuth {
		return nil, m, &Problem{Sentence: fmt.Sprintf("Mailbox %s does not log in with OAuth; choose the login oauth first.", m.Login)}
	}
	c, err := g.Groups.Credentials(ctx, id)
	if err != nil {
		return nil, m, err
	}
	found, err := g.accessOf(ctx, m, c)
	return found, m, err
}

// InviteAccess asks the token server for a code that a person types in on another device. Who runs RunAccess, or calls
// AwaitAccess, then waits for the person. Admins only.
func (g *Gateway) InviteAccess(ctx context.Context, a Actor, id string) (oauth.Invitation, error) {
	found, m, err := g.oauthMailbox(ctx, a, id)
	if err != nil {
		return oauth.Invitation{}, err
	}
	if m.Out.OAuth.Grant != string(oauth.DeviceCode) {
		return oauth.Invitation{}, &Problem{Sentence: "Only the grant device-code gives a code to type in; this mailbox has the grant " + m.Out.OAuth.Grant + "."}
	}
	invitation, err := found.source.Invite(ctx)
	if err != nil {
		return oauth.Invitation{}, &Problem{Sentence: "No code could be had: " + err.Error() + ".", Cause: err}
	}
	e := activity.Entry{Actor: a.Name, Act: "mailbox.access.invited", GroupID: m.GroupID, Detail: map[string]string{"login": m.Login}}
	if err := g.change(ctx, e, nil); err != nil {
		return oauth.Invitation{}, err
	}
	found.mu.Lock()
	found.invitation, found.awaiting, found.problem = invitation, true, ""
	found.mu.Unlock()
	select {
	case g.accesses.waiting() <- found:
	default: // nobody runs RunAccess, or enough are waited for
	}
	return invitation, nil
}

// mostAwaited is how many invitations one process waits for at once.
const mostAwaited = 100

func (a *accesses) waiting() chan *access {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.await == nil {
		a.await = make(chan *access, mostAwaited)
	}
	return a.await
}

// AwaitAccess waits until a person agreed to the last invitation of a mailbox, it ended, or ctx did. Admins only.
func (g *Gateway) AwaitAccess(ctx context.Context, a Actor, id string) error {
	found, _, err := g.oauthMailbox(ctx, a, id)
	if err != nil {
		return err
	}
	if err := found.agreed(ctx); err != nil {
		return &Problem{Sentence: "The access was not granted: " + err.Error() + ".", Cause: err}
	}
	return nil
}

func (a *access) agreed(ctx context.Context) error {
	a.mu.Lock()
	invitation := a.invitation
	a.mu.Unlock()
	err := a.source.Await(ctx, invitation)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.awaiting = false
	if err != nil && ctx.Err() == nil {
		a.problem = err.Error()
	}
	return err
}

// RunAccess waits for people who were invited, until ctx ends; then it returns nil.
func (g *Gateway) RunAccess(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case found := <-g.accesses.waiting():
			all.Go(func() {
				if err := found.agreed(ctx); err != nil {
					g.Log.WarnContext(ctx, "no OAuth access", "error", err)
					return
				}
				g.Queue.Wake()
			})
		}
	}
}

// ReplaceAccess takes a refresh token that a person got elsewhere. Admins only.
func (g *Gateway) ReplaceAccess(ctx context.Context, a Actor, id, refreshToken string) error {
	found, m, err := g.oauthMailbox(ctx, a, id)
	if err != nil {
		return err
	}
	if refreshToken == "" || m.Out.OAuth.Grant == string(oauth.ClientCredentials) {
		return &Problem{Sentence: "A refresh token is needed, and the grant client-credentials has none; give one, or correct the settings."}
	}
	if err := found.source.Replace(ctx, oauth.Tokens{Refresh: refreshToken}); err != nil {
		return err
	}
	e := activity.Entry{Actor: a.Name, Act: "mailbox.access.replaced", GroupID: m.GroupID, Detail: map[string]string{"login": m.Login}}
	if err := g.change(ctx, e, nil); err != nil {
		return err
	}
	g.Queue.Wake()
	return nil
}
