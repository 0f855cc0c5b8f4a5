package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

const (
	aDay = 24 * time.Hour
	// foresight is how far a forecast looks ahead.
	foresight = 60 * aDay
	// hindsight is how far it looks back: at what has ended, and at whom was written to.
	hindsight = 30 * aDay
	// maxCorrespondents is how many addresses a forecast judges: those that were written to last.
	maxCorrespondents = 1000
)

// Forecast tells what of the certificates will need a hand, or does already.
type Forecast struct {
	Ending  []EndingCertificate // the first to end first; what ended in the last 30 days too
	Keyless []KeylessAddress
	Missing []MissingCertificate
	Waiting []WaitingKey
}

// EndingCertificate is an approved certificate that stops being usable within 60 days, or did so in the last 30.
type EndingCertificate struct {
	*keyring.Certificate
	Ends      time.Time
	Days      int            // whole days left, rounded down; negative when it has ended
	Own       bool           // a group writes with it
	Groups    []groups.Group // that write with it, or wrote to it in the last 30 days
	Successor string         // fingerprint of a certificate that serves all of its addresses when it ends; "" for none
}

// KeylessAddress is a sender address of a group that has no key to sign with, for another reason than a certificate among
// Ending.
type KeylessAddress struct {
	Group   groups.Group
	Address string
	Problem string // why, in words
	Held    bool   // a secret key is held, and cannot be used any more, or not yet
}

// MissingCertificate is an address that a group wrote to in the last 30 days, and that nothing can be encrypted to now.
type MissingCertificate struct {
	Group   groups.Group
	Address string
	Last    time.Time
	Times   int
	Problem string // why not, in words
	Refused bool   // the group's rules let no message to it leave
}

// WaitingKey is a key that articles of a group wait for.
type WaitingKey struct {
	archive.WaitingKey
	Group groups.Group
}

// Forecast looks at the groups that an actor may see; certificates are everybody's. A fixed number of queries.
func (g *Gateway) Forecast(ctx context.Context, a Actor) (Forecast, error) {
	if a.Role == "" {
		return Forecast{}, ErrForbidden
	}
	f, err := g.forecast(ctx, a)
	if err != nil {
		return Forecast{}, fmt.Errorf("forecast: %w", err)
	}
	return f, nil
}

// EndingCertificates is the first part of a forecast alone, for pages that are opened all the time.
func (g *Gateway) EndingCertificates(ctx context.Context, a Actor) ([]EndingCertificate, error) {
	if a.Role == "" {
		return nil, ErrForbidden
	}
	seen, written, err := g.sight(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("ending certificates: %w", err)
	}
	return g.endings(ctx, seen, written)
}

// sight is what an actor may see: groups, and whom they wrote to lately.
func (g *Gateway) sight(ctx context.Context, a Actor) (seen []groups.Group, written []archive.Correspondent, err error) {
	if seen, err = g.ListGroups(ctx, a); err != nil {
		return nil, nil, err
	}
	written, err = g.Archive.Correspondents(ctx, a.scope(), g.Now().Add(-hindsight))
	return seen, withoutOurs(written, seen), err
}

func (g *Gateway) forecast(ctx context.Context, a Actor) (f Forecast, err error) {
	seen, written, err := g.sight(ctx, a)
	if err != nil {
		return Forecast{}, err
	}
	if f.Ending, err = g.endings(ctx, seen, written); err != nil {
		return Forecast{}, err
	}
	if f.Keyless, err = g.keyless(ctx, seen, f.Ending); err != nil {
		return Forecast{}, err
	}
	if f.Missing, err = g.missing(ctx, seen, written[:min(len(written), maxCorrespondents)]); err != nil {
		return Forecast{}, err
	}
	f.Waiting, err = g.waitingKeys(ctx, a, seen)
	return f, err
}

// withoutOurs leaves out the addresses and the owners of groups: warnings are not correspondence.
func withoutOurs(written []archive.Correspondent, all []groups.Group) []archive.Correspondent {
	ours := map[string]bool{}
	for _, group := range all {
		for _, address := range append(slices.Clone(group.Addresses), group.Owners...) {
			ours[keyring.Fold(address)] = true
		}
	}
	return slices.DeleteFunc(written, func(c archive.Correspondent) bool { return ours[keyring.Fold(c.Address)] })
}

// endings says whom the end of each certificate concerns, and what takes its place.
func (g *Gateway) endings(ctx context.Context, seen []groups.Group, written []archive.Correspondent) ([]EndingCertificate, error) {
	now := g.Now()
	ending, err := g.Keyring.Ending(ctx, now.Add(-hindsight), now.Add(foresight), now)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, c := range ending {
		addresses = append(addresses, c.Addresses()...)
	}
	candidates, err := g.Keyring.ByAddress(ctx, unique(addresses), now)
	if err != nil {
		return nil, err
	}
	all := make([]EndingCertificate, 0, len(ending))
	for _, c := range ending {
		e := EndingCertificate{Certificate: c, Ends: c.Breaks(now)}
		if e.Ends.IsZero() || e.Ends.After(now.Add(foresight)) { // a change made this very second does not count yet
			continue
		}
		e.Days = wholeDays(e.Ends.Sub(now))
		e.Groups, e.Own = concerned(c, seen, written)
		e.Successor = successor(c, candidates, e.Own, laterOf(e.Ends, now).Add(time.Second))
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b EndingCertificate) int { return a.Ends.Compare(b.Ends) })
	return all, nil
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// wholeDays rounds down, so that what has ended is below zero.
func wholeDays(left time.Duration) int {
	days := left / aDay
	if left < 0 && left%aDay != 0 {
		days--
	}
	return int(days)
}

// concerned are the groups that write with a certificate, or wrote to its addresses.
func concerned(c *keyring.Certificate, seen []groups.Group, written []archive.Correspondent) (found []groups.Group, own bool) {
	addresses := c.Addresses()
	wrote := map[string]bool{}
	for _, w := range written {
		if contains(addresses, w.Address) {
			wrote[w.GroupID] = true
		}
	}
	for _, group := range seen {
		writes := c.HasSecret && slices.ContainsFunc(addresses, func(address string) bool { return writesAs(group, address) })
		own = own || writes
		if writes || wrote[group.ID] {
			found = append(found, group)
		}
	}
	return found, own
}

// successor is the newest certificate that can do the work of another one for all of its addresses at an instant.
func successor(c *keyring.Certificate, candidates map[string][]*keyring.Certificate, own bool, at time.Time) string {
	addresses := c.Addresses()
	if len(addresses) == 0 {
		return ""
	}
	for _, next := range candidates[addresses[0]] {
		serves := next.ForEncryption(at) == keyring.Usable && (!own || next.ForSigning(at) == keyring.Usable)
		if next.Fingerprint == c.Fingerprint || !serves {
			continue
		}
		if !slices.ContainsFunc(addresses, func(address string) bool { return !contains(next.Addresses(), address) }) {
			return next.Fingerprint
		}
	}
	return ""
}

// keyless finds the sender addresses that nothing can be signed as, such as after the revocation of their only key. What has
// ended is told among ending.
func (g *Gateway) keyless(ctx context.Context, seen []groups.Group, ending []EndingCertificate) ([]KeylessAddress, error) {
	var addresses []string
	for _, group := range seen {
		addresses = append(addresses, group.Addresses...)
	}
	own, err := g.Keyring.ByAddress(ctx, addresses, g.Now())
	if err != nil {
		return nil, err
	}
	var all []KeylessAddress
	for _, group := range seen {
		for _, address := range group.Addresses {
			told := slices.ContainsFunc(ending, func(e EndingCertificate) bool {
				return e.Own && e.Days < 0 && contains(e.Addresses(), address)
			})
			signer, problem := signerAmong(own[address], address, g.Now())
			if signer != "" || told {
				continue
			}
			held := slices.ContainsFunc(own[address], func(c *keyring.Certificate) bool { return c.HasSecret })
			all = append(all, KeylessAddress{group, address, problem, held})
		}
	}
	return all, nil
}

// missing finds the addresses that nothing can be encrypted to, those written to last first.
func (g *Gateway) missing(ctx context.Context, seen []groups.Group, written []archive.Correspondent) ([]MissingCertificate, error) {
	addresses := make([]string, 0, len(written))
	for _, w := range written {
		addresses = append(addresses, w.Address)
	}
	choices, err := g.Keyring.Choices(ctx, unique(addresses), g.Now())
	if err != nil {
		return nil, err
	}
	var all []MissingCertificate
	for _, w := range written {
		group, known := groupIn(seen, w.GroupID)
		if choices[w.Address].Best != nil || !known {
			continue
		}
		problem := problemOf(choices[w.Address].Rejected, g.Now())
		all = append(all, MissingCertificate{
			Group: group, Address: w.Address, Last: w.Last, Times: w.Times, Problem: problem, Refused: refuses(group, w.Address, problem),
		})
	}
	return all, nil
}

// refuses asks the policy what would become of the next message to an address without a certificate.
func refuses(group groups.Group, address, problem string) bool {
	d := groups.Decide(groups.Request{
		Sign: groups.Off, Encrypt: group.Encrypt, Rules: group.DomainRules, Mixed: group.Mixed,
		Recipients: []groups.Recipient{{Address: address, Problem: problem}},
	})
	return len(d.Refusals) > 0
}

func groupIn(all []groups.Group, id string) (groups.Group, bool) {
	n := slices.IndexFunc(all, func(group groups.Group) bool { return group.ID == id })
	if n < 0 {
		return groups.Group{}, false
	}
	return all[n], true
}

func (g *Gateway) waitingKeys(ctx context.Context, a Actor, seen []groups.Group) ([]WaitingKey, error) {
	keys, err := g.Archive.WaitingKeys(ctx, a.scope())
	if err != nil {
		return nil, err
	}
	var all []WaitingKey
	for _, k := range keys {
		group, _ := groupIn(seen, k.GroupID) // articles of a deleted group have none
		all = append(all, WaitingKey{k, group})
	}
	slices.SortStableFunc(all, func(a, b WaitingKey) int { return cmp.Compare(b.Closed, a.Closed) })
	return all, nil
}
