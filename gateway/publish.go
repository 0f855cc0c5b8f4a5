package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
	"github.com/sealgate/sealgate/keyring/publish"
)

// Publishing says what everybody may read of our own certificates, without a login. The zero value publishes nothing.
type Publishing struct {
	WKD       bool              // answer as the web key directory of our groups' domains
	Page      bool              // a page for each sender address
	List      bool              // and one that lists them
	Keyserver string            // "https://HOST" with the VKS interface, for uploads on request; "" for none
	Network   *discover.Network // that uploads go through; nil means the real one
}

// Published is what everybody may know about one sender address of ours. The certificates are minimal: of their user IDs
// they hold only those of the address.
type Published struct {
	Address     string
	Certificate *keyring.Certificate   // the one to use, or the one that was used last; nil when there is none
	Reason      keyring.Reason         // why nobody can encrypt to it now; "" when they can
	Revoked     []*keyring.Certificate // others, which must not be used any more
}

// Locations are the places of the address in the web key directory of its domain.
func (p Published) Locations() (advanced, direct string) {
	local, domain := cutAtDomain(p.Address)
	return publish.Locations(local, domain)
}

// Published returns what everybody may know about an address; without a certificate when it is none of our sender
// addresses, so that nobody learns which are. It asks for no actor: whoever may ask the server may know the answer.
//
// Published are certificates that are approved and whose secret key is ours, revoked ones too: others must learn of it.
func (g *Gateway) Published(ctx context.Context, address string) (Published, error) {
	canonical, err := keyring.CanonicalAddress(address)
	if err != nil {
		return Published{Address: address}, nil
	}
	owners, err := g.addressOwners(ctx)
	if err != nil {
		return Published{}, fmt.Errorf("published certificate: %w", err)
	}
	if owners[keyring.Fold(canonical)] == "" {
		return Published{Address: canonical}, nil
	}
	found, err := g.published(ctx, []string{canonical})
	if err != nil {
		return Published{}, err
	}
	return found[0], nil
}

// AllPublished returns what everybody may know about each of our sender addresses, in order, those without a certificate
// too. It is for whoever manages them, and for a public list where the configuration allows one.
func (g *Gateway) AllPublished(ctx context.Context) ([]Published, error) {
	addresses, err := g.senders(ctx, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	return g.published(ctx, addresses)
}

// WebKey returns what the web key directory of a domain holds for a request: the certificate to use, and after it those
// that are revoked. published tells whether the domain has any certificate at all.
func (g *Gateway) WebKey(ctx context.Context, r publish.Request) (certificates []byte, published bool, err error) {
	addresses, err := g.senders(ctx, func(address string) bool {
		local, domain := cutAtDomain(address)
		return domain == r.Domain && (r.What == publish.Policy || r.Names(local, domain))
	})
	if err != nil {
		return nil, false, err
	}
	for few := range slices.Chunk(addresses, atOnce) {
		found, err := g.published(ctx, few)
		if err != nil {
			return nil, false, err
		}
		for _, p := range found {
			switch {
			case p.Certificate == nil:
			case r.What == publish.Policy:
				return nil, true, nil
			default:
				certificates, err := p.binary()
				return certificates, true, err
			}
		}
	}
	return nil, false, nil
}

// atOnce is how many addresses are looked up with one query until one has a certificate.
const atOnce = 10

// maxWebKey is the longest answer that GnuPG takes from a web key directory, in bytes.
const maxWebKey = 64 << 10

// binary is the certificate, and after it as many of the revoked ones as a client takes. GnuPG takes nothing at all of an
// answer with a version that it does not know, so those of version 6 go with their like only.
func (p Published) binary() ([]byte, error) {
	all, err := p.Certificate.Binary()
	if err != nil {
		return nil, fmt.Errorf("published certificate: %w", err)
	}
	for _, c := range p.Revoked {
		if c.Version > p.Certificate.Version {
			continue
		}
		more, err := c.Binary()
		if err != nil {
			return nil, fmt.Errorf("published certificate: %w", err)
		}
		if len(all)+len(more) <= maxWebKey {
			all = append(all, more...)
		}
	}
	return all, nil
}

// Armored is the certificate for a download.
func (p Published) Armored() (File, error) {
	if p.Certificate == nil {
		return File{}, ErrNotFound
	}
	armored, err := p.Certificate.Armored()
	if err != nil {
		return File{}, fmt.Errorf("published certificate: %w", err)
	}
	return File{Name: p.Certificate.Fingerprint + ".asc", ContentType: "application/pgp-keys", Content: armored}, nil
}

// senders are those of our sender addresses that are wanted, in order.
func (g *Gateway) senders(ctx context.Context, wanted func(address string) bool) ([]string, error) {
	all, err := g.Groups.Groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("published certificates: %w", err)
	}
	var addresses []string
	for _, group := range all {
		for _, address := range group.Addresses {
			if wanted(address) {
				addresses = append(addresses, address)
			}
		}
	}
	slices.Sort(addresses)
	return addresses, nil
}

// published looks addresses of ours up, with one query for all.
func (g *Gateway) published(ctx context.Context, addresses []string) ([]Published, error) {
	now := g.Now()
	held, err := g.Keyring.ByAddress(ctx, addresses, now)
	if err != nil {
		return nil, fmt.Errorf("published certificates: %w", err)
	}
	var all []Published
	for _, address := range addresses {
		all = append(all, publishedOf(address, held[address], now))
	}
	return all, nil
}

// publishedOf chooses among the certificates that are held for an address, newest first: the newest of version 4 to which
// others can encrypt, because every program reads it; else the newest to which they can, else the newest. One that is
// revoked is the one to show only when there is no other.
func publishedOf(address string, held []*keyring.Certificate, now time.Time) Published {
	p := Published{Address: address, Reason: keyring.NoCertificate}
	var rest []*keyring.Certificate
	for _, c := range held {
		if c.State != keyring.Approved || !c.HasSecret {
			continue
		}
		if c = c.Minimal(address, now); len(c.UserIDs) == 0 {
			continue
		}
		if c.Revoked {
			p.Revoked = append(p.Revoked, c)
		} else {
			rest = append(rest, c)
		}
	}
	slices.SortStableFunc(rest, func(a, b *keyring.Certificate) int { return reach(b, now) - reach(a, now) })
	switch {
	case len(rest) > 0:
		p.Certificate = rest[0]
	case len(p.Revoked) > 0:
		p.Certificate, p.Revoked = p.Revoked[0], p.Revoked[1:]
	default:
		return p
	}
	p.Reason = p.Certificate.ForEncryption(now)
	return p
}

// reach ranks how many others can encrypt to a certificate.
func reach(c *keyring.Certificate, now time.Time) int {
	switch {
	case c.ForEncryption(now) != keyring.Usable:
		return 0
	case c.Version != 4:
		return 1
	}
	return 2
}

// cutAtDomain cuts a canonical address at its last @.
func cutAtDomain(address string) (local, domain string) {
	at := strings.LastIndexByte(address, '@')
	return address[:max(at, 0)], address[at+1:]
}
