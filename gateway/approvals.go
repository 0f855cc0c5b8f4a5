package gateway

import (
	"context"
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
	"gorm.io/gorm"
)

// SetApprovals says which sources a group approves by itself. Admins only.
func (g *Gateway) SetApprovals(ctx context.Context, a Actor, groupID string, sources []keyring.Source) error {
	if err := a.allow(groups.Admin); err != nil {
		return err
	}
	if _, err := g.Groups.Group(ctx, groupID); err != nil {
		return notFound(err)
	}
	var names []string
	for _, s := range sources {
		if !discover.CanApprove(s) {
			return &Problem{Sentence: fmt.Sprintf("%s cannot be approved by itself; choose among wkd, keyserver, autocrypt and attachment.", s)}
		}
		names = append(names, string(s))
	}
	e := activity.Entry{Actor: a.Name, Act: "discovery.approvals-set", GroupID: groupID, Detail: map[string]string{"sources": strings.Join(names, " ")}}
	return g.change(ctx, e, func(tx *gorm.DB) error {
		return discover.NewStore(g.DB).SetApprovals(ctx, tx, groupID, sources)
	})
}

// Approvals returns the sources that a group approves by itself. Admins only.
func (g *Gateway) Approvals(ctx context.Context, a Actor, groupID string) ([]keyring.Source, error) {
	if err := a.allow(groups.Admin); err != nil {
		return nil, err
	}
	if _, err := g.Groups.Group(ctx, groupID); err != nil {
		return nil, notFound(err)
	}
	return discover.NewStore(g.DB).Approvals(ctx, groupID)
}

// GroupApprovals is a group with the sources that it approves by itself.
type GroupApprovals struct {
	groups.Group
	Sources []keyring.Source
}

// AllApprovals lists every group with the sources that it approves by itself. Admins only. Two queries.
func (g *Gateway) AllApprovals(ctx context.Context, a Actor) ([]GroupApprovals, error) {
	if err := a.allow(groups.Admin); err != nil {
		return nil, err
	}
	named, err := g.ListGroups(ctx, a)
	if err != nil {
		return nil, err
	}
	sources, err := discover.NewStore(g.DB).AllApprovals(ctx)
	if err != nil {
		return nil, err
	}
	var all []GroupApprovals
	for _, group := range named {
		all = append(all, GroupApprovals{group, sources[group.ID]})
	}
	return all, nil
}

// DiscoveryStatus says who is asked, and what was asked last.
type DiscoveryStatus struct {
	WKD       bool   // the domains of addresses are asked
	Keyserver string // "" when none is
	Lookups   []discover.Lookup
}

// DiscoveryStatus returns the newest lookups of addresses and signers, at most 100: what waits first, then what was asked
// last. Admins only.
func (g *Gateway) DiscoveryStatus(ctx context.Context, a Actor) (DiscoveryStatus, error) {
	if err := a.allow(groups.Admin); err != nil {
		return DiscoveryStatus{}, err
	}
	var s DiscoveryStatus
	if g.Discovery != nil && g.Discovery.Finder != nil {
		s.WKD, s.Keyserver = g.Discovery.Finder.WKD, g.Discovery.Finder.Keyserver
	}
	var err error
	s.Lookups, err = discover.NewStore(g.DB).Lookups(ctx, 100)
	return s, err
}
