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
	mailbox  groups.Mailbox

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

// accessOf returns the source of a mailbox's tokens; another server, name, settings or client secret make a new one.
func (g *Gateway) accessOf(ctx context.Context, m groups.Mailbox, c groups.Credentials) (*access, error) {
	settings, err := json.Marshal([]any{m.GroupID, m.Login, m.SMTP.Address, m.Out.OAuth, c.ClientSecret})
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
	a := &access{settings: string(settings), source: oauth.New(g.account(m, c), kept), mailbox: m}
	if g.accesses.of == nil {
		g.accesses.of = map[string]*access{}
	}
	g.accesses.of[m.ID] = a
	return a, nil
}

// MailboxAccess says how the OAuth login of a mailbox stands. Admins only.
func (g *Gateway) MailboxAccess(ctx context.Context, a Actor, id string) (Access, error) {
	found, _, err := g.oauthMailbox(ctx, a, id)
	if err != nil {
		return Access{}, err
	}
	if err := found.source.Look(ctx); err != nil { // another node, or a command, may know more
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
	if err := g.agreed(ctx, found); err != nil {
		return &Problem{Sentence: "The access was not granted: " + err.Error() + ".", Cause: err}
	}
	return nil
}

// agreed waits for the person who was invited.
func (g *Gateway) agreed(ctx context.Context, a *access) error {
	a.mu.Lock()
	invitation := a.invitation
	a.mu.Unlock()
	err := a.source.Await(ctx, invitation)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.awaiting = false
	if ctx.Err() != nil {
		return err
	}
	e := activity.Entry{Actor: "sealgate", Act: "mailbox.access.granted", GroupID: a.mailbox.GroupID, Detail: map[string]string{"login": a.mailbox.Login}}
	if err != nil {
		a.problem = err.Error()
		e.Outcome, e.Detail["problem"] = activity.Failed, oneLine(err.Error())
	} else {
		g.mended(ctx, a.mailbox)
	}
	return errors.Join(err, g.change(ctx, e, nil))
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
				if err := g.agreed(ctx, found); err != nil {
					g.Log.WarnContext(ctx, "no OAuth access", "error", err)
				}
			})
		}
	}
}

// corrected has the servers asked again that had refused, because a person saved the mailbox of which they said so.
func (g *Gateway) corrected(ctx context.Context, m groups.Mailbox) error {
	defer g.mended(ctx, m)
	if m.Out.Login != groups.LoginOAuth {
		return nil
	}
	c, err := g.Groups.Credentials(ctx, m.ID)
	if err != nil {
		return err
	}
	found, err := g.accessOf(ctx, m, c)
	if err != nil {
		return err
	}
	return found.source.Again(ctx)
}

// mended has mail leave at once that waits for the server of a mailbox. Mail for the servers of domains waits for others too.
func (g *Gateway) mended(ctx context.Context, m groups.Mailbox) {
	if m.SMTP.Address == "" {
		return
	}
	if err := g.Queue.Mended(ctx, wayOf(m)); err != nil {
		g.Log.WarnContext(ctx, "mail waits for a mailbox that somebody mended", "mailbox", m.ID, "error", err)
	}
	g.Queue.Wake()
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
	g.mended(ctx, m)
	return nil
}
