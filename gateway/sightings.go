package gateway

import (
	"context"
	"fmt"

	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

// Sighting is when mail from an address last showed a certificate in its Autocrypt field.
type Sighting struct {
	discover.Peer
	Unseen int // whole days since then; 0 up to 35
}

// Sentence says what to think of the certificate; "" when it was shown lately.
func (s Sighting) Sentence() string {
	switch {
	case s.Unseen == 0:
		return ""
	case s.Stale():
		return fmt.Sprintf("Not seen for %d days in mail from %s, which has come without it since: ask whether it is still in use.", s.Unseen, s.Address)
	}
	return fmt.Sprintf("Not seen for %d days in mail from %s.", s.Unseen, s.Address)
}

// Unseen are the sentences of sightings that have one.
func Unseen(sightings []Sighting) []string {
	var sentences []string
	for _, s := range sightings {
		if words := s.Sentence(); words != "" {
			sentences = append(sentences, words)
		}
	}
	return sentences
}

// Sightings finds, for each certificate by its fingerprint, the addresses whose Autocrypt field last showed it. Everyone
// who is logged in may read it. One query for any number of certificates.
func (g *Gateway) Sightings(ctx context.Context, _ Actor, certificates []*keyring.Certificate) (map[string][]Sighting, error) {
	wanted := map[string]bool{}
	var addresses []string
	for _, c := range certificates {
		wanted[c.Fingerprint] = true
		addresses = append(addresses, c.Addresses()...)
	}
	peers, err := discover.NewStore(g.DB).Peers(ctx, addresses)
	if err != nil {
		return nil, err
	}
	now := g.Now()
	seen := map[string][]Sighting{}
	for _, p := range peers {
		if wanted[p.Fingerprint] {
			seen[p.Fingerprint] = append(seen[p.Fingerprint], Sighting{p, p.Unseen(now)})
		}
	}
	return seen, nil
}
