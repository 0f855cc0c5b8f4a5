package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
	"gorm.io/gorm"
)

// Discovery is what the gateway finds certificates with. Nil in Gateway means that nothing is looked for.
type Discovery struct {
	Store  *discover.Store
	Finder *discover.Finder
	Worker *discover.Worker // woken when something is queued; its callbacks are the gateway's
	Look   discover.Look    // at received messages
}

// maxProposals is how many proposals wait for one address; more are not taken, so that nobody can fill the keyring by mail.
const maxProposals = 5

// Proposal says what became of one finding.
type Proposal struct {
	Source      keyring.Source
	From        string // the URL, or what part of a message
	Fingerprint string
	Outcome     keyring.Outcome // refused: not taken
	State       keyring.State   // afterwards; "" when not taken
	Why         string          // in words
}

// DiscoveryReport says what was asked for an address, where, and what became of what was found.
type DiscoveryReport struct {
	Address   string
	Asks      []discover.Ask
	Proposals []Proposal
}

// DiscoverAddress asks the configured servers for an address now, and proposes what they have. Admins only; it may take
// some seconds for each server.
func (g *Gateway) DiscoverAddress(ctx context.Context, a Actor, address string) (DiscoveryReport, error) {
	if err := a.allow(groups.Admin); err != nil {
		return DiscoveryReport{}, err
	}
	if g.Discovery == nil {
		return DiscoveryReport{}, &Problem{Sentence: "Looking for certificates is switched off; switch it on under discover in the configuration."}
	}
	found, err := g.Discovery.Finder.ByAddress(ctx, address)
	if err != nil {
		return DiscoveryReport{}, &Problem{Sentence: err.Error(), Cause: err}
	}
	report := DiscoveryReport{Address: address, Asks: found.Asks}
	for _, f := range found.Findings {
		p, err := g.propose(ctx, a, "", f)
		if err != nil {
			return report, err
		}
		report.Proposals = append(report.Proposals, p)
	}
	return report, nil
}

// Propose brings a finding of the background worker into the keyring.
func (g *Gateway) Propose(ctx context.Context, groupID string, f discover.Finding) error {
	_, err := g.propose(ctx, Actor{Name: "sealgate"}, groupID, f)
	return err
}

// propose merges a finding as a proposal, or approved when the group approves the source and nothing is replaced by it.
// What is known already is only brought up to date: a finding never gives a known certificate another address, because
// that would turn an approved certificate into a proposal, and whoever sends it mail would then choose for us.
func (g *Gateway) propose(ctx context.Context, a Actor, groupID string, f discover.Finding) (Proposal, error) {
	p := Proposal{Source: f.Source, From: f.From, Fingerprint: f.Item.Certificate.Fingerprint, Outcome: keyring.Refused}
	now := g.Now()
	known, err := g.Keyring.Get(ctx, p.Fingerprint, now)
	if err != nil && !errors.Is(err, keyring.ErrNotFound) {
		return p, fmt.Errorf("propose certificate: %w", err)
	}
	if known != nil {
		if f, err = f.Restricted(claimedBy(known), now); err != nil {
			return p, fmt.Errorf("propose certificate: %w", err)
		}
		return g.mergeFinding(ctx, a, f, false, p, known)
	}
	others, err := g.Keyring.ByAddress(ctx, []string{f.Address}, now)
	if err != nil {
		return p, fmt.Errorf("propose certificate: %w", err)
	}
	conflicts := others[f.Address]
	if p.Why = whyNotProposed(f, conflicts); p.Why != "" {
		return p, nil
	}
	approve, err := g.approves(ctx, groupID, f, conflicts)
	if err != nil {
		return p, err
	}
	return g.mergeFinding(ctx, a, f, approve, p, nil)
}

// claimedBy are all addresses of a certificate, those of invalid user IDs too.
func claimedBy(c *keyring.Certificate) []string {
	var all []string
	for _, u := range c.UserIDs {
		if u.Address != "" {
			all = append(all, u.Address)
		}
	}
	return all
}

// whyNotProposed says why a certificate that is new does not even become a proposal.
func whyNotProposed(f discover.Finding, others []*keyring.Certificate) string {
	proposals := 0
	for _, c := range others {
		if c.State == keyring.Proposed {
			proposals++
		}
	}
	switch {
	case f.Address == "" || len(f.Item.Certificate.UserIDs) == 0:
		return "it has no user ID, and updates no certificate that is known"
	case f.Source == keyring.Gossip && len(others) > 0:
		return "the address has a certificate already, and gossip never adds another"
	case proposals >= maxProposals:
		return fmt.Sprintf("%d certificates wait for approval for this address; approve or block them first", proposals)
	}
	return ""
}

// approves tells whether a group approves a source by itself. A second certificate for an address waits for a person,
// unless all others wait too; so does one that mail no longer shows.
func (g *Gateway) approves(ctx context.Context, groupID string, f discover.Finding, others []*keyring.Certificate) (bool, error) {
	if groupID == "" || f.Stale || slices.ContainsFunc(others, func(c *keyring.Certificate) bool { return c.State != keyring.Proposed }) {
		return false, nil
	}
	sources, err := g.Discovery.Store.Approvals(ctx, groupID)
	if err != nil {
		return false, err
	}
	return discover.CanApprove(f.Source) && slices.Contains(sources, f.Source), nil
}

// mergeFinding merges in one transaction; what changes nothing leaves no entry. Articles that waited for the certificate
// are opened again. before is the certificate as it was known, nil for a new one.
func (g *Gateway) mergeFinding(ctx context.Context, a Actor, f discover.Finding, approve bool, p Proposal, before *keyring.Certificate) (Proposal, error) {
	var change keyring.Change
	err := g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) (err error) {
		change, err = g.Keyring.Merge(ctx, tx, f.Item, f.Source, approve, g.Now())
		if err != nil || change.Outcome == keyring.Unchanged || change.Outcome == keyring.Refused {
			return err
		}
		alert, err := g.lost(ctx, tx, before)
		if err != nil {
			return err
		}
		return g.record(ctx, tx, proposedEntry(a, f, change, approve, alert))
	})
	if err != nil {
		return p, fmt.Errorf("propose certificate: %w", err)
	}
	p.Outcome, p.Why = change.Outcome, cmp.Or(change.Sentence, strings.Join(change.Details, ", "))
	if change.Outcome == keyring.Refused {
		return p, nil
	}
	if change.Outcome != keyring.Unchanged {
		g.reopenFor(ctx, a, keyIDsOf([]*keyring.Item{f.Item}))
	}
	c, err := g.Keyring.Get(ctx, p.Fingerprint, g.Now())
	if err != nil {
		return p, fmt.Errorf("propose certificate: %w", err)
	}
	p.State = c.State
	return p, nil
}

// lost says that a certificate that was in use is of no use any more, after a merge in tx; "" when it is, or was not.
func (g *Gateway) lost(ctx context.Context, tx *gorm.DB, before *keyring.Certificate) (string, error) {
	at := g.Now()
	if before == nil || before.ForEncryption(at) != keyring.Usable {
		return "", nil
	}
	now, err := keyring.NewStore(tx, g.Keeper).Get(ctx, before.Fingerprint, at)
	if err != nil {
		return "", err
	}
	reason := now.ForEncryption(at)
	if reason == keyring.Usable {
		return "", nil
	}
	return fmt.Sprintf("it was in use and is not used any more: %s", reason), nil
}

func proposedEntry(a Actor, f discover.Finding, change keyring.Change, approve bool, alert string) activity.Entry {
	e := activity.Entry{Actor: a.Name, Act: "certificate.proposed", Fingerprint: change.Fingerprint, Detail: map[string]string{
		"source": string(f.Source), "address": f.Address, "outcome": string(change.Outcome),
	}}
	switch {
	case change.Outcome == keyring.Updated:
		e.Act = "certificate.refreshed"
		e.Detail["changes"] = strings.Join(change.Details, ", ")
	case approve:
		e.Act = "certificate.approved"
	}
	if alert != "" {
		e.Detail["alert"] = alert
	}
	alertOf(e.Detail, change)
	return e
}
