package gateway

import (
	"context"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"gorm.io/gorm"
)

// PinCertificate makes a certificate the one for an address or, for a target without @, for all addresses of a domain that
// have none of their own. It takes the place of the rule before. Admins only.
func (g *Gateway) PinCertificate(ctx context.Context, a Actor, target, fingerprint string) error {
	e := activity.Entry{Act: "certificate.pinned", Fingerprint: fingerprint, Detail: map[string]string{"for": target}}
	return g.rule(ctx, a, e, func(tx *gorm.DB) error {
		return g.Keyring.Pin(ctx, tx, target, fingerprint, g.Now())
	})
}

// UnpinCertificate takes the rule of an address or a domain back. Admins only.
func (g *Gateway) UnpinCertificate(ctx context.Context, a Actor, target string) error {
	e := activity.Entry{Act: "certificate.unpinned", Detail: map[string]string{"for": target}}
	return g.rule(ctx, a, e, func(tx *gorm.DB) error { return g.Keyring.Unpin(ctx, tx, target) })
}

// IgnoreTags says whether addresses of a domain, or of all with "*", are looked up without their +tag when they have no
// certificate of their own. Admins only.
func (g *Gateway) IgnoreTags(ctx context.Context, a Actor, domain string, ignore bool) error {
	e := activity.Entry{Act: "certificate.tags-counted", Detail: map[string]string{"domain": domain}}
	if ignore {
		e.Act = "certificate.tags-ignored"
	}
	return g.rule(ctx, a, e, func(tx *gorm.DB) error { return g.Keyring.IgnoreTags(ctx, tx, domain, ignore) })
}

// rule changes a rule of choice; what the keyring says about a target that makes no sense is a sentence for people.
func (g *Gateway) rule(ctx context.Context, a Actor, e activity.Entry, change func(*gorm.DB) error) error {
	if err := a.allow(groups.Admin); err != nil {
		return err
	}
	e.Actor = a.Name
	err := g.change(ctx, e, change)
	if sentence := keyring.TargetProblem(err); sentence != "" {
		return &Problem{Sentence: sentence, Cause: err}
	}
	return notFound(err)
}

// CertificateRules lists the pins and domain rules of one certificate, or of all for "". Everyone who is logged in may
// read them.
func (g *Gateway) CertificateRules(ctx context.Context, _ Actor, fingerprint string) ([]keyring.Rule, error) {
	return g.Keyring.Rules(ctx, fingerprint)
}

// TagDomains lists the domains whose +tags are ignored; "*" stands for all. Everyone who is logged in may read them.
func (g *Gateway) TagDomains(ctx context.Context, _ Actor) ([]string, error) {
	return g.Keyring.TagDomains(ctx)
}
