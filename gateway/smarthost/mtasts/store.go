package mtasts

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
	"golang.org/x/sync/singleflight"
)

// Resolver is what this package asks the DNS; a resolve.Client is one.
type Resolver interface {
	TXT(ctx context.Context, name string) (resolve.Reply[string], error)
	Addresses(ctx context.Context, host string) (resolve.Reply[resolve.Address], error)
}

// Cache keeps policies. It must survive a restart, or each restart gives an attacker a first contact again. Both methods
// are called concurrently.
type Cache interface {
	// LoadPolicy returns the policy of a domain; the zero Policy when there is none.
	LoadPolicy(ctx context.Context, domain string) (Policy, error)
	// SavePolicy replaces it.
	SavePolicy(ctx context.Context, domain string, p Policy) error
}

// Store finds policies. It is safe for concurrent use once its fields are set.
type Store struct {
	Resolver Resolver
	Cache    Cache
	Roots    *x509.CertPool // for the web servers; nil means the system's
	Now      func() time.Time

	// Dial connects to a web server; nil connects directly, never to loopback or link-local addresses.
	Dial func(ctx context.Context, address netip.AddrPort) (net.Conn, error)

	flights singleflight.Group
	mu      sync.Mutex
	resting map[string]time.Time // domains whose policy could not be fetched, until when nobody tries again
}

// pause is how long a web server that failed is left alone (RFC 8461, section 3.3 suggests 5 minutes).
const pause = 5 * time.Minute

// maxResting bounds the memory for such domains; when it is full they are forgotten and asked again.
const maxResting = 10_000

// Policy returns the policy that holds for a domain now. A domain without one has the zero Policy. An error tells that
// the cache failed: then nobody knows what the domain asked for. Calls for one domain share one search.
func (s *Store) Policy(ctx context.Context, domain string) (Policy, error) {
	found := s.flights.DoChan(domain, func() (any, error) {
		searching, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience+10*time.Second) // one caller that leaves ends it for nobody
		defer cancel()
		return s.search(searching, domain)
	})
	select {
	case r := <-found:
		if r.Err != nil {
			return Policy{}, r.Err
		}
		return r.Val.(Policy), nil
	case <-ctx.Done():
		return Policy{}, ctx.Err()
	}
}

// search is RFC 8461, sections 3.3 and 5: the record is looked at each time; a new id means a new policy; without one, or
// when it cannot be had, the old policy holds until its end.
func (s *Store) search(ctx context.Context, domain string) (Policy, error) {
	kept, err := s.Cache.LoadPolicy(ctx, domain)
	if err != nil {
		return Policy{}, fmt.Errorf("load the MTA-STS policy of %s: %w", domain, err)
	}
	if !kept.validAt(s.Now()) {
		kept = Policy{}
	}
	id := s.announced(ctx, domain)
	if id == "" || id == kept.ID && kept.Mode != NoPolicy || s.rests(domain) {
		return kept, nil
	}
	fresh, err := s.fetch(ctx, domain)
	if err != nil {
		s.rest(domain)
		return kept, nil
	}
	fresh.ID, fresh.Fetched = id, s.Now()
	if err := s.Cache.SavePolicy(ctx, domain, fresh); err != nil {
		return Policy{}, fmt.Errorf("save the MTA-STS policy of %s: %w", domain, err)
	}
	return fresh, nil
}

// announced returns the id in the DNS; "" when there is none to be had.
func (s *Store) announced(ctx context.Context, domain string) string {
	reply, err := s.Resolver.TXT(ctx, "_mta-sts."+domain)
	if err != nil {
		return ""
	}
	id, err := RecordID(reply.Records)
	if err != nil {
		return ""
	}
	return id
}

// Check looks a policy up without the cache and says what is wrong with it, for people who publish or debug one.
func (s *Store) Check(ctx context.Context, domain string) (Policy, error) {
	reply, err := s.Resolver.TXT(ctx, "_mta-sts."+domain)
	if err != nil && !errors.Is(err, resolve.ErrNoName) {
		return Policy{}, err
	}
	id, err := RecordID(reply.Records)
	if err != nil || id == "" {
		return Policy{}, err
	}
	p, err := s.fetch(ctx, domain)
	p.ID, p.Fetched = id, s.Now()
	return p, err
}

func (s *Store) rests(domain string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Now().Before(s.resting[domain])
}

func (s *Store) rest(domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resting == nil || len(s.resting) >= maxResting {
		s.resting = map[string]time.Time{}
	}
	s.resting[domain] = s.Now().Add(pause)
}
