package gateway

import (
	"context"

	"github.com/sealgate/sealgate/keyring"
)

// Rival is a certificate in use for an address that another certificate claims as well.
type Rival struct {
	Address     string
	Certificate *keyring.Certificate
}

// Rivals finds, for each certificate by its fingerprint, the approved and usable certificates that answer to one of its
// addresses. It is what a person must look at before approving one that waits. Everyone who is logged in may read it.
// One query for any number of certificates.
func (g *Gateway) Rivals(ctx context.Context, _ Actor, claims []*keyring.Certificate) (map[string][]Rival, error) {
	var addresses []string
	for _, c := range claims {
		addresses = append(addresses, c.Addresses()...)
	}
	now := g.Now()
	holders, err := g.Keyring.ByAddress(ctx, addresses, now)
	if err != nil {
		return nil, err
	}
	rivals := map[string][]Rival{}
	for _, c := range claims {
		for _, address := range c.Addresses() {
			for _, other := range holders[address] {
				if other.Fingerprint != c.Fingerprint && other.ForEncryption(now) == keyring.Usable {
					rivals[c.Fingerprint] = append(rivals[c.Fingerprint], Rival{address, other})
				}
			}
		}
	}
	return rivals, nil
}
