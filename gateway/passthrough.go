package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/smarthost"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// A mailbox may be opened by what its mail server takes: the ticket system presents its own password or token, Sealgate
// logs in to the server with it to see whether it is right, and keeps it sealed for the mail that waits in the queue.

// provenFor is how long what a server took is believed without asking it again.
const provenFor = 10 * time.Minute

// presenteds remembers in this process what servers took and refused, as keyed hashes. It is safe for concurrent use; the
// zero presenteds is ready.
type presenteds struct {
	mu      sync.Mutex
	key     []byte
	proven  map[string]presented // by mailbox id
	refused map[string]string    // hash, by mailbox id
}

type presented struct {
	hash string
	at   time.Time
}

// hash names a secret without holding it.
func (p *presenteds) hash(g *Gateway, m groups.Mailbox, c submission.Presented) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.key == nil {
		key := make([]byte, sha256.Size)
		if _, err := g.Random.Read(key); err != nil {
			return "", fmt.Errorf("make a key for logins: %w", err)
		}
		p.key = key
	}
	mac := hmac.New(sha256.New, p.key)
	fmt.Fprintf(mac, "%q %q %q %q %t", m.ID, m.SMTP.Address, c.Login, c.Secret, c.Bearer)
	return string(mac.Sum(nil)), nil
}

func (p *presenteds) isProven(id, hash string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.proven[id]
	return hmac.Equal([]byte(known.hash), []byte(hash)) && known.hash != "" && now.Before(known.at.Add(provenFor))
}

func (p *presenteds) prove(id, hash string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proven == nil {
		p.proven = map[string]presented{}
	}
	p.proven[id] = presented{hash, now}
	delete(p.refused, id)
}

// authenticatePresented lets in who presents what the mailbox's mail server takes.
func (g *Gateway) authenticatePresented(ctx context.Context, m groups.Mailbox, c submission.Presented) error {
	hash, err := g.presenteds.hash(g, m, c)
	if err != nil {
		return err
	}
	if g.presenteds.isProven(m.ID, hash, g.Now()) {
		return nil
	}
	hop, err := g.plainHop(m)
	if err != nil {
		return err
	}
	asPresented(&hop, m, groups.Presented{Username: c.Login, Secret: c.Secret, Bearer: c.Bearer})
	switch err := smarthost.Check(ctx, hop); {
	case smarthost.LoginRefused(err):
		return groups.ErrLogin
	case err != nil:
		return fmt.Errorf("ask the mail server of mailbox %s: %w", m.Login, err)
	}
	if err := g.keepPresented(ctx, m, c); err != nil {
		return err
	}
	g.presenteds.prove(m.ID, hash, g.Now())
	return nil
}

// asPresented makes a hop log in with what was presented.
func asPresented(hop *smarthost.Hop, m groups.Mailbox, p groups.Presented) {
	hop.Username, hop.Password = p.Username, p.Secret
	if m.SMTP.Username != "" {
		hop.Username = m.SMTP.Username
	}
	if p.Bearer {
		hop.Tokens, hop.Password = &onlyToken{token: p.Secret}, ""
	}
}

// keepPresented seals what was presented, when it is not what is kept already.
func (g *Gateway) keepPresented(ctx context.Context, m groups.Mailbox, c submission.Presented) error {
	kept, err := g.Groups.Credentials(ctx, m.ID)
	if err != nil {
		return err
	}
	fresh := groups.Presented{Server: m.SMTP.Address, Username: c.Login, Secret: c.Secret, Bearer: c.Bearer}
	if kept.Presented == fresh {
		return nil
	}
	kept.Presented = fresh
	if err := g.Keeper.Ready(ctx); err != nil {
		return fmt.Errorf("keep what was presented: %w", err)
	}
	e := activity.Entry{Actor: "mailbox:" + m.Login, Act: "mailbox.presented", GroupID: m.GroupID, Detail: map[string]string{"smtp": m.SMTP.Address}}
	err = g.change(ctx, e, func(tx *gorm.DB) error {
		_, err := g.Groups.SaveMailbox(ctx, tx, m, nil, &kept, g.Now())
		return err
	})
	if err == nil {
		g.Queue.Wake()
	}
	return err
}

// presentedHop logs in for the queue with what was presented last.
func (g *Gateway) presentedHop(hop *smarthost.Hop, m groups.Mailbox, c groups.Credentials) error {
	p := c.Presented
	if p.Secret == "" || p.Server != m.SMTP.Address {
		return errors.New("the ticket system has not logged in since this mail server was set; the mail leaves when it does")
	}
	asPresented(hop, m, p)
	if !p.Bearer {
		return nil
	}
	hash, err := g.presenteds.hash(g, m, submission.Presented{Login: p.Username, Secret: p.Secret, Bearer: true})
	if err != nil {
		return err
	}
	hop.Tokens = &onlyToken{token: p.Secret, ended: func() bool { return g.presenteds.isRefused(m.ID, hash) }, refused: func() { g.presenteds.refuse(m.ID, hash) }}
	return nil
}

func (p *presenteds) refuse(id, hash string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused == nil {
		p.refused = map[string]string{}
	}
	p.refused[id] = hash
	delete(p.proven, id)
}

func (p *presenteds) isRefused(id, hash string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused[id] == hash
}

// onlyToken is a token that we cannot renew: a smarthost.TokenSource.
type onlyToken struct {
	token   string
	ended   func() bool // nil: not known
	refused func()
}

// Token implements smarthost.TokenSource. A token that was refused is not said again: that locks accounts.
func (o *onlyToken) Token(context.Context) (string, error) {
	if o.ended != nil && o.ended() {
		return "", errors.New("the mail server no longer takes the token of the ticket system; the mail leaves when it logs in with a new one")
	}
	return o.token, nil
}

// Refused implements smarthost.TokenSource.
func (o *onlyToken) Refused(string) {
	if o.refused != nil {
		o.refused()
	}
}
