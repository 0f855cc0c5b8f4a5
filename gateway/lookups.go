package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

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

// QueueLookups has each address looked up in the background that is not ours and has no certificate in use. groupID is whose
// mail it is about.
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

// hasOne tells whether an address needs no lookup because a certificate is in use. One that expired or was revoked may have
// a successor, and one that waits may have come from somebody else; the daily refresh asks for known certificates only.
func hasOne(certificates []*keyring.Certificate, at time.Time) bool {
	return slices.ContainsFunc(certificates, func(c *keyring.Certificate) bool { return c.ForEncryption(at) == keyring.Usable })
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
