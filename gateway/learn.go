package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"slices"
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
	m := g.mailOf(original, opened)
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
		if f.Source == keyring.Autocrypt && older || owners[keyring.Fold(f.Address)] != "" {
			continue
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

// queueSigner has the key looked up that signed a whole message and that we do not have. What comes is proposed only with
// a user ID of the sender: a key id alone says nothing about who somebody is.
func (g *Gateway) queueSigner(ctx context.Context, groupID, from string, v pgpmime.Verdict) error {
	if v.Signature != pgpmime.UnknownKey || v.SignerID == "" {
		return nil
	}
	known, err := g.Keyring.ByKeyID(ctx, []string{v.SignerID}, g.Now())
	if err != nil || len(known) > 0 { // it came with this very message
		return err
	}
	return g.queueLookup(ctx, discover.ForSigner, discover.SignerSubject(v.SignerID, keyring.Fold(from)), groupID)
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

// mailOf takes from a message what discovery needs: Autocrypt from the header as it came, attached keys from what was
// opened.
func (g *Gateway) mailOf(original []byte, opened pgpmime.Opened) discover.Mail {
	m := discover.Mail{Received: g.Now()}
	summary, err := pgpmime.Summarize(original)
	if err != nil {
		return m
	}
	m.From, m.To, m.Date = summary.From, summary.To, summary.Date
	if parsed, err := mail.ReadMessage(bytes.NewReader(original)); err == nil {
		m.Autocrypt = parsed.Header["Autocrypt"]
		m.Report = strings.HasPrefix(strings.ToLower(strings.TrimSpace(parsed.Header.Get("Content-Type"))), "multipart/report")
	}
	for _, a := range pgpmime.Look(opened.Message).Attachments {
		if strings.EqualFold(a.ContentType, "application/pgp-keys") {
			m.Attached = append(m.Attached, a.Content)
		}
	}
	return m
}

// lookForMissing tells the worker which recipients a plan has no certificate for. A mail program waits for the answer, so
// nothing is asked of the database here: the worker does that in QueueLookups.
func (g *Gateway) lookForMissing(p Plan) {
	if g.Discovery == nil || g.Discovery.Worker == nil {
		return
	}
	var missing []string
	for _, r := range p.Recipients {
		if r.Fingerprint == "" {
			missing = append(missing, r.Address)
		}
	}
	if len(missing) > 0 {
		g.Discovery.Worker.Want(p.Group.ID, missing)
	}
}

// QueueLookups has each address looked up in the background that is not ours and has no certificate, or none that will be
// of use again. groupID is whose mail it is about.
func (g *Gateway) QueueLookups(ctx context.Context, groupID string, addresses []string) error {
	if g.Discovery == nil || len(addresses) == 0 {
		return nil
	}
	now := g.Now()
	found, err := g.Keyring.ByAddress(ctx, addresses, now)
	if err != nil {
		return fmt.Errorf("queue lookups: %w", err)
	}
	owners, err := g.addressOwners(ctx)
	if err != nil {
		return fmt.Errorf("queue lookups: %w", err)
	}
	for _, address := range addresses {
		canonical, err := keyring.CanonicalAddress(address)
		if err != nil || hasOne(found[address], now) || owners[keyring.Fold(canonical)] != "" {
			continue
		}
		if err := g.queueLookup(ctx, discover.ForAddress, keyring.Fold(canonical), groupID); err != nil {
			return err
		}
	}
	return nil
}

// hasOne tells whether an address needs no lookup: a certificate is in use, or waits for a person, or a person said no. One
// that expired or was revoked may have a successor; the daily refresh asks for the certificate itself only.
func hasOne(certificates []*keyring.Certificate, at time.Time) bool {
	return slices.ContainsFunc(certificates, func(c *keyring.Certificate) bool {
		switch c.ForEncryption(at) {
		case keyring.Usable, keyring.NotApproved, keyring.BlockedByUs:
			return true
		}
		return false
	})
}

// queueLookup queues one question and wakes the worker.
func (g *Gateway) queueLookup(ctx context.Context, kind discover.Kind, subject, groupID string) error {
	if err := g.Discovery.Store.Enqueue(ctx, kind, subject, groupID, g.Now()); err != nil {
		return err
	}
	if g.Discovery.Worker != nil {
		g.Discovery.Worker.Wake()
	}
	return nil
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
