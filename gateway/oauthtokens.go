package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/sealgate/sealgate/gateway/smarthost/oauth"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// account is how the tokens of a mailbox are asked for, and where they are kept: sealed, in the database that all nodes share.
func (g *Gateway) account(m groups.Mailbox, c groups.Credentials) oauth.Account {
	o := m.Out.OAuth
	return oauth.Account{
		Grant: oauth.Grant(o.Grant), TokenURL: o.TokenURL, DeviceURL: o.DeviceURL,
		ClientID: o.ClientID, ClientSecret: c.ClientSecret, Basic: o.Basic, Scopes: o.Scopes,
		Keep: func(ctx context.Context, t oauth.Tokens) error { return g.keepTokens(ctx, m, t) },
		Load: func(ctx context.Context) (oauth.Tokens, error) { return g.loadTokens(ctx, m.ID) },
		Lock: func(ctx context.Context) (func(), error) { return g.lockTokens(ctx, m.ID) },
		HTTP: g.HTTP, Now: g.Now,
	}
}

// Times of a renewal: a node that dies in one is waited for that long, and who waits looks that often.
const (
	longestRenewal = 2 * time.Minute
	renewalLook    = 200 * time.Millisecond
	renewalWait    = 30 * time.Second
)

// lockTokens waits until no other node renews a mailbox's tokens.
func (g *Gateway) lockTokens(ctx context.Context, mailboxID string) (release func(), err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("renew OAuth tokens: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, renewalWait)
	defer cancel()
	tick := time.NewTicker(renewalLook)
	defer tick.Stop()
	for {
		begun, err := g.Groups.BeginRenewal(ctx, mailboxID, id.String(), g.Now(), longestRenewal)
		if err != nil {
			return nil, err
		}
		if begun {
			return func() { g.unlockTokens(context.WithoutCancel(ctx), mailboxID, id.String()) }, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("another node renews OAuth tokens: %w", ctx.Err())
		}
	}
}

func (g *Gateway) unlockTokens(ctx context.Context, mailboxID, holder string) {
	if err := g.Groups.EndRenewal(ctx, mailboxID, holder); err != nil {
		g.Log.WarnContext(ctx, "the renewal of OAuth tokens is not ended; the next one waits for the end of its time", "mailbox", mailboxID, "error", err)
	}
}

func (g *Gateway) keepTokens(ctx context.Context, m groups.Mailbox, t oauth.Tokens) error {
	plaintext, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("keep OAuth tokens: %w", err)
	}
	defer clear(plaintext)
	if err := g.Keeper.Ready(ctx); err != nil {
		return fmt.Errorf("keep OAuth tokens: %w", err)
	}
	return g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		return g.Groups.SaveTokens(ctx, tx, m, plaintext)
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
