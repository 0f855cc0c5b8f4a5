package gateway

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/dkim/keystore"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// DKIMKey is a key that signs, or may sign, for a domain of ours, with the record that others look it up by.
type DKIMKey struct {
	keystore.Key
	Record dkim.Record
	Used   bool // a group writes from the domain, or Sealgate itself does
}

// Sentence says what the last look at the DNS saw.
func (k DKIMKey) Sentence() string {
	if words := dkim.Finding(k.Finding).Sentence(); words != "" {
		return words
	}
	return "Nobody has looked at the DNS yet."
}

// NewDKIMKey is what is to be made.
type NewDKIMKey struct {
	Domain    string
	Selector  string         // "" names them by the day
	Algorithm dkim.Algorithm // "" makes one of each kind: receivers that know the newer one take it (RFC 8463)
}

// DKIMKeys returns all DKIM keys by domain, the newest of each first. Admins only.
func (g *Gateway) DKIMKeys(ctx context.Context, a Actor) ([]DKIMKey, error) {
	if err := a.allow(groups.Admin); err != nil {
		return nil, err
	}
	stored, err := g.dkimStore().List(ctx)
	if err != nil {
		return nil, err
	}
	return g.described(ctx, stored)
}

// DKIMKey returns one. Admins only.
func (g *Gateway) DKIMKey(ctx context.Context, a Actor, domain, selector string) (DKIMKey, error) {
	if err := a.allow(groups.Admin); err != nil {
		return DKIMKey{}, err
	}
	domain, selector, err := dkimName(domain, selector)
	if err != nil {
		return DKIMKey{}, err
	}
	stored, err := g.dkimStore().Get(ctx, domain, selector)
	if errors.Is(err, keystore.ErrNotFound) {
		return DKIMKey{}, ErrNotFound
	}
	if err != nil {
		return DKIMKey{}, err
	}
	described, err := g.described(ctx, []keystore.Key{stored})
	if err != nil {
		return DKIMKey{}, err
	}
	return described[0], nil
}

// dkimStore is where the keys are.
func (g *Gateway) dkimStore() *keystore.Store { return keystore.New(g.DB, g.Keeper) }

// dkimName reads a domain and a selector as they are stored.
func dkimName(domain, selector string) (string, string, error) {
	domain, err := dkim.Domain(domain)
	if err != nil {
		return "", "", &Problem{Sentence: capital(err.Error()) + ".", Cause: err}
	}
	if selector, err = dkim.Selector(selector); err != nil {
		return "", "", &Problem{Sentence: capital(err.Error()) + ".", Cause: err}
	}
	return domain, selector, nil
}

// described adds to stored keys what follows from them.
func (g *Gateway) described(ctx context.Context, stored []keystore.Key) ([]DKIMKey, error) {
	writes, err := g.senderDomains(ctx)
	if err != nil {
		return nil, err
	}
	var keys []DKIMKey
	for _, k := range stored {
		r := dkim.Record{Domain: k.Domain, Selector: k.Selector, Algorithm: dkim.Algorithm(k.Algorithm), Public: k.Public}
		keys = append(keys, DKIMKey{Key: k, Record: r, Used: writes[k.Domain]})
	}
	return keys, nil
}

// SenderDomains returns the domains that groups write from, and Sealgate itself, sorted. Admins only.
func (g *Gateway) SenderDomains(ctx context.Context, a Actor) ([]string, error) {
	if err := a.allow(groups.Admin); err != nil {
		return nil, err
	}
	domains, err := g.senderDomains(ctx)
	return slices.Sorted(maps.Keys(domains)), err
}

func (g *Gateway) senderDomains(ctx context.Context) (map[string]bool, error) {
	all, err := g.Groups.Groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	domains := map[string]bool{domainToSign(g.Domain): true}
	for _, group := range all {
		for _, address := range group.Addresses {
			domains[domainToSign(address)] = true
		}
	}
	delete(domains, "") // of what is no domain
	return domains, nil
}

// GenerateDKIMKeys makes keys, which sign nothing until they are activated. Admins only.
func (g *Gateway) GenerateDKIMKeys(ctx context.Context, a Actor, n NewDKIMKey) ([]DKIMKey, error) {
	if err := a.allow(groups.Admin); err != nil {
		return nil, err
	}
	var secrets []dkimSecret
	for _, named := range n.named(g.Now()) {
		domain, selector, err := dkimName(n.Domain, named.Selector)
		if err != nil {
			return nil, err
		}
		signer, err := dkim.Generate(named.Algorithm, g.Random)
		if err != nil {
			return nil, &Problem{Sentence: capital(err.Error()) + ".", Cause: err}
		}
		secrets = append(secrets, dkimSecret{domain, selector, "generated", signer})
	}
	return g.addDKIMKeys(ctx, a, "dkim.generated", secrets)
}

// named gives each key that is to be made its kind and selector. Those of two made at once end with their kind.
func (n NewDKIMKey) named(now time.Time) []NewDKIMKey {
	if n.Selector != "" && n.Algorithm != "" {
		return []NewDKIMKey{n}
	}
	if n.Selector == "" {
		n.Selector = "sg" + now.UTC().Format("20060102")
	}
	kinds := []dkim.Algorithm{n.Algorithm}
	if n.Algorithm == "" {
		kinds = []dkim.Algorithm{dkim.RSA, dkim.Ed25519}
	}
	var all []NewDKIMKey
	for _, kind := range kinds {
		all = append(all, NewDKIMKey{n.Domain, n.Selector + "-" + string(kind), kind})
	}
	return all
}

// ImportDKIMKey stores a key from elsewhere, in PEM form, under the selector that it is published by. Admins only.
func (g *Gateway) ImportDKIMKey(ctx context.Context, a Actor, domain, selector string, text []byte) (DKIMKey, error) {
	if err := a.allow(groups.Admin); err != nil {
		return DKIMKey{}, err
	}
	domain, selector, err := dkimName(domain, selector)
	if err != nil {
		return DKIMKey{}, err
	}
	signer, err := dkim.ParsePEM(text)
	if err != nil {
		return DKIMKey{}, &Problem{Sentence: capital(err.Error()) + ".", Cause: err}
	}
	added, err := g.addDKIMKeys(ctx, a, "dkim.imported", []dkimSecret{{domain, selector, "imported", signer}})
	if err != nil {
		return DKIMKey{}, err
	}
	return added[0], nil
}

// dkimSecret is a key that is about to be sealed.
type dkimSecret struct {
	domain, selector, origin string
	signer                   crypto.Signer
}

func (g *Gateway) addDKIMKeys(ctx context.Context, a Actor, act string, secrets []dkimSecret) ([]DKIMKey, error) {
	if err := g.Keeper.Ready(ctx); err != nil {
		return nil, fmt.Errorf("add DKIM keys: %w", err)
	}
	e := activity.Entry{Actor: a.Name, Act: act, Detail: map[string]string{}}
	var added []keystore.Key
	err := g.change(ctx, e, func(tx *gorm.DB) error {
		for _, secret := range secrets {
			k, err := g.addDKIMKey(ctx, tx, secret)
			if err != nil {
				return err
			}
			added = append(added, k)
			e.Detail["domain"], e.Detail["selector "+k.Selector] = k.Domain, k.Algorithm
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return g.described(ctx, added)
}

func (g *Gateway) addDKIMKey(ctx context.Context, tx *gorm.DB, s dkimSecret) (keystore.Key, error) {
	algorithm, public, err := dkim.Public(s.signer)
	if err != nil {
		return keystore.Key{}, err
	}
	der, err := dkim.Marshal(s.signer)
	if err != nil {
		return keystore.Key{}, fmt.Errorf("write DKIM key: %w", err)
	}
	defer clear(der)
	k := keystore.Key{Domain: s.domain, Selector: s.selector, Algorithm: string(algorithm), Public: public, Origin: s.origin, Created: g.Now()}
	k, err = g.dkimStore().Add(ctx, tx, k, der)
	if errors.Is(err, keystore.ErrTaken) {
		return k, &Problem{Sentence: fmt.Sprintf("%s has a key with the selector %s already; choose another selector.", s.domain, s.selector), Cause: err}
	}
	return k, err
}

// domainToSign is the domain of an address in the form in which keys are stored; "" for none.
func domainToSign(address string) string {
	domain, err := dkim.Domain(address[strings.LastIndexByte(address, '@')+1:])
	if err != nil {
		return ""
	}
	return domain
}
