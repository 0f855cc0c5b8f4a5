package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/mail"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

// learnFrom reads the certificates that came with a message, after it was stored. It never fails a message: what goes wrong
// is in the log. Our own addresses are left out, whoever claims to write as one of them.
func (g *Gateway) learnFrom(ctx context.Context, article archive.Article, original []byte, opened pgpmime.Opened) {
	if g.Discovery == nil {
		return
	}
	if err := g.learn(ctx, article, original, opened); err != nil && ctx.Err() == nil {
		g.Log.ErrorContext(ctx, "learn certificates from message", "article", article.ID, "error", err)
	}
}

func (g *Gateway) learn(ctx context.Context, article archive.Article, original []byte, opened pgpmime.Opened) error {
	m := mailOf(original, opened, article.Received)
	owners, err := g.addressOwners(ctx)
	if err != nil {
		return err
	}
	if len(m.From) != 1 || owners[keyring.Fold(m.From[0])] != "" {
		return nil
	}
	in := discover.FromMail(m, g.Discovery.Look, g.Now())
	older, err := g.remember(ctx, m, in)
	if err != nil {
		return err
	}
	for _, f := range in.Findings {
		if owners[keyring.Fold(f.Address)] != "" || f.Source == keyring.Autocrypt && older {
			continue
		}
		if f.Source == keyring.Gossip {
			if newer, err := g.hear(ctx, m, f); err != nil {
				return err
			} else if !newer {
				continue
			}
		}
		if err := g.Propose(ctx, article.GroupID, f); err != nil {
			return err
		}
	}
	if err := g.queueSigner(ctx, article.GroupID, m.From[0], opened.Verdict); err != nil {
		return err
	}
	return g.QueueLookups(ctx, article.GroupID, m.From)
}

// remember moves the Autocrypt state of the sender forward. older tells that the message shows nothing new.
func (g *Gateway) remember(ctx context.Context, m discover.Mail, in discover.InMail) (older bool, err error) {
	p, err := g.Discovery.Store.Peer(ctx, m.From[0])
	if err != nil || m.Report {
		return false, err
	}
	fingerprint := ""
	if in.Direct != nil {
		fingerprint = in.Direct.Item.Certificate.Fingerprint
	}
	next := p.Seen(m.Effective(), fingerprint, in.Mutual)
	if next == p || next.Shown.IsZero() { // who never used Autocrypt needs no state
		return next == p, nil
	}
	return next.Shown.Equal(p.Shown), g.Discovery.Store.SavePeer(ctx, g.DB, next)
}

// hear moves the state of an address forward that somebody gossips about; false when newer gossip is known.
func (g *Gateway) hear(ctx context.Context, m discover.Mail, f discover.Finding) (newer bool, err error) {
	p, err := g.Discovery.Store.Peer(ctx, f.Address)
	if err != nil {
		return false, err
	}
	next := p.Heard(m.Effective(), f.Item.Certificate.Fingerprint)
	if next == p {
		return false, nil
	}
	return true, g.Discovery.Store.SavePeer(ctx, g.DB, next)
}

// mailOf takes from a message what discovery needs: Autocrypt from the header as it came, gossip from the header of the
// decrypted payload and nowhere else, attached keys from what was opened.
func mailOf(original []byte, opened pgpmime.Opened, received time.Time) discover.Mail {
	m := discover.Mail{Received: received}
	summary, err := pgpmime.Summarize(original)
	if err != nil {
		return m
	}
	m.From, m.To, m.Date = summary.From, summary.To, summary.Date
	if parsed, err := mail.ReadMessage(bytes.NewReader(original)); err == nil {
		m.Autocrypt = parsed.Header["Autocrypt"]
		m.Report = strings.HasPrefix(strings.ToLower(strings.TrimSpace(parsed.Header.Get("Content-Type"))), "multipart/report")
	}
	inside := io.MultiReader(bytes.NewReader(opened.PayloadHeader), strings.NewReader("\r\n"))
	if parsed, err := mail.ReadMessage(inside); err == nil {
		m.Gossip = parsed.Header["Autocrypt-Gossip"]
	}
	for _, a := range pgpmime.Look(opened.Message).Attachments {
		if strings.EqualFold(a.ContentType, "application/pgp-keys") {
			m.Attached = append(m.Attached, a.Content)
		}
	}
	return m
}

// refreshPage is how many certificates are read at once for the daily refresh.
const refreshPage = 200

// EachForeign calls each with the fingerprint of every certificate that is not our own. What is not approved is refreshed
// too: a proposal that was revoked must say so.
func (g *Gateway) EachForeign(ctx context.Context, each func(fingerprint string) error) error {
	for offset := 0; ; offset += refreshPage {
		page, _, err := g.Keyring.List(ctx, keyring.Filter{Limit: refreshPage, Offset: offset}, g.Now())
		if err != nil {
			return err
		}
		for _, c := range page {
			if c.HasSecret {
				continue
			}
			if err := each(c.Fingerprint); err != nil {
				return err
			}
		}
		if len(page) < refreshPage {
			return nil
		}
	}
}

// AddressesOf returns the addresses of a known certificate; none when it was deleted.
func (g *Gateway) AddressesOf(ctx context.Context, fingerprint string) ([]string, error) {
	c, err := g.Keyring.Get(ctx, fingerprint, g.Now())
	if errors.Is(err, keyring.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return claimedBy(c), nil
}
