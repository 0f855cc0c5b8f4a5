package keyring

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Match tells by which rule a certificate was found for an address.
type Match string

// The rules, strongest first; "" means that nothing was found.
const (
	ByPin    Match = "pinned"         // a person chose it for the address
	ByExact  Match = "exact"          // a user ID names the address
	ByPlus   Match = "without +tag"   // a user ID names the address without its +tag
	ByDomain Match = "for the domain" // a rule names it for the whole domain
)

// Choice is the certificate to encrypt to for one address.
type Choice struct {
	Best     *Certificate // nil when none can be used
	Match    Match        // how Best was found
	Rejected []Rejected   // what else was found, newest first, exact matches before others
}

// Choices picks the certificate to encrypt to for each address, keyed by the address as given: the pinned one, else an
// exact match, else one for the address without +tag where that is allowed, else the one of the whole domain. A pinned
// certificate that cannot be used is not replaced: the person who pinned it decides. A fixed number of queries for any
// number of addresses.
func (s *Store) Choices(ctx context.Context, addresses []string, at time.Time) (map[string]Choice, error) {
	rules, err := s.rulesFor(ctx, addresses)
	if err != nil {
		return nil, err
	}
	asked := slices.Clone(addresses)
	for _, a := range addresses {
		if plain := rules.withoutTag(a); plain != "" {
			asked = append(asked, plain)
		}
	}
	found, err := s.ByAddress(ctx, asked, at)
	if err != nil {
		return nil, err
	}
	named, err := s.byFingerprint(ctx, rules.fingerprints(), at)
	if err != nil {
		return nil, err
	}
	choices := make(map[string]Choice, len(addresses))
	for _, a := range addresses {
		choices[a] = rules.choose(a, found, named, at)
	}
	return choices, nil
}

func (s *Store) byFingerprint(ctx context.Context, fingerprints []string, at time.Time) (map[string]*Certificate, error) {
	if len(fingerprints) == 0 {
		return nil, nil
	}
	var rows []certificateRow
	if err := s.db.WithContext(ctx).Where("fingerprint IN ?", fingerprints).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("keyring: by fingerprint: %w", err)
	}
	all, err := certificates(&s.memo, rows, at)
	if err != nil {
		return nil, err
	}
	named := make(map[string]*Certificate, len(all))
	for _, c := range all {
		named[c.Fingerprint] = c
	}
	return named, nil
}

// choose follows the rules for one address.
func (r rules) choose(address string, found map[string][]*Certificate, named map[string]*Certificate, at time.Time) Choice {
	key := lookupKey(address)
	if key == "" {
		return Choice{}
	}
	if pinned := named[r.pins[key]]; pinned != nil {
		return Choice{}.or(ByPin, []*Certificate{pinned}, at)
	}
	choice := Choice{}.or(ByExact, found[address], at)
	if plain := r.withoutTag(address); plain != "" {
		choice = choice.or(ByPlus, found[plain], at)
	}
	if c := named[r.domains[domainOf(key)]]; c != nil {
		choice = choice.or(ByDomain, []*Certificate{c}, at)
	}
	return choice
}

// or tries the next rule when those before found nothing that can be used.
func (c Choice) or(m Match, candidates []*Certificate, at time.Time) Choice {
	if c.Best != nil {
		return c
	}
	best, rejected := Choose(candidates, at)
	c.Rejected = append(c.Rejected, rejected...)
	if c.Best = best; best != nil {
		c.Match = m
	}
	return c
}

func domainOf(key string) string { return key[strings.LastIndexByte(key, '@')+1:] }

// withoutTag is the address without its +tag, folded, or "" where it has none or folding is not allowed.
func (r rules) withoutTag(address string) string {
	key := lookupKey(address)
	domain := domainOf(key)
	if key == "" || !r.plus[domain] && !r.plus[everyDomain] || strings.HasPrefix(key, `"`) {
		return ""
	}
	local := key[:len(key)-len(domain)-1]
	plus := strings.IndexByte(local, '+')
	if plus <= 0 {
		return ""
	}
	return local[:plus] + "@" + domain
}
