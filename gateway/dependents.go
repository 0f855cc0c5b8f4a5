package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"gorm.io/gorm"
)

// Dependents says in words what would suffer if a certificate were deleted: groups, rules, articles that wait for it, and
// articles that came encrypted to it.
func (g *Gateway) Dependents(ctx context.Context, a Actor, fingerprint string) ([]string, error) {
	c, err := g.Certificate(ctx, a, fingerprint)
	if err != nil {
		return nil, err
	}
	words, err := g.groupsThatWriteWith(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("find what depends on %s: %w", c.Fingerprint, err)
	}
	rules, err := g.Keyring.Rules(ctx, c.Fingerprint)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		words = append(words, fmt.Sprintf("a rule uses it for %s", r.Target))
	}
	articles, err := g.articlesThatNeed(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("find what depends on %s: %w", c.Fingerprint, err)
	}
	words = append(words, articles...)
	if c.HasSecret {
		words = append(words, "its secret key goes with it: mail encrypted to it can then no longer be opened")
	}
	return words, nil
}

func (g *Gateway) groupsThatWriteWith(ctx context.Context, c *keyring.Certificate) (words []string, err error) {
	for _, address := range c.Addresses() {
		group, err := g.Groups.GroupBySender(ctx, address)
		if errors.Is(err, groups.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		words = append(words, fmt.Sprintf("group %s writes as %s with this certificate", group.Name, address))
	}
	return words, nil
}

func (g *Gateway) articlesThatNeed(ctx context.Context, c *keyring.Certificate) (words []string, err error) {
	waiting, err := g.Archive.WaitingFor(ctx, keyIDsOfCertificate(c))
	if err != nil {
		return nil, err
	}
	switch len(waiting) {
	case 0:
	case 1:
		words = append(words, "1 article waits for this certificate to be opened or verified")
	default:
		words = append(words, fmt.Sprintf("%d articles wait for this certificate to be opened or verified", len(waiting)))
	}
	if !c.HasSecret {
		return words, nil
	}
	encrypted, err := g.Archive.CountEncryptedTo(ctx, keyIDsOfCertificate(c))
	if err != nil {
		return nil, err
	}
	const after = "came encrypted to it: what was opened stays readable here, but its original never opens again"
	switch encrypted {
	case 0:
	case 1:
		words = append(words, "1 article "+after)
	default:
		words = append(words, fmt.Sprintf("%d articles %s", encrypted, after))
	}
	return words, nil
}

func keyIDsOfCertificate(c *keyring.Certificate) []string {
	ids := []string{c.KeyID}
	for _, s := range c.Subkeys {
		ids = append(ids, s.KeyID)
	}
	return ids
}

// DeleteCertificate deletes a certificate and its secret key. Admins only.
func (g *Gateway) DeleteCertificate(ctx context.Context, a Actor, fingerprint string) error {
	if err := a.allow(groups.Admin); err != nil {
		return err
	}
	e := activity.Entry{Actor: a.Name, Act: "certificate.deleted", Fingerprint: fingerprint}
	return notFound(g.change(ctx, e, func(tx *gorm.DB) error {
		return g.Keyring.Delete(ctx, tx, fingerprint)
	}))
}
