package keyring

import "time"

// Rejected is a candidate that cannot be used, with the reason.
type Rejected struct {
	Certificate *Certificate
	Reason      Reason
}

// Choose picks the certificate to encrypt to among the candidates for one address: approved and usable, the newest
// binding of the key that would be used first; of two from the same second the one with the smaller fingerprint. An expired newer one never hides an older
// usable one. best is nil when none is usable.
func Choose(candidates []*Certificate, at time.Time) (best *Certificate, rejected []Rejected) {
	for _, c := range candidates {
		if reason := c.ForEncryption(at); reason != Usable {
			rejected = append(rejected, Rejected{c, reason})
		} else if best == nil || preferred(c, best, at) {
			best = c
		}
	}
	return best, rejected
}

func preferred(a, b *Certificate, at time.Time) bool {
	if x, y := a.boundAt(at), b.boundAt(at); !x.Equal(y) {
		return x.After(y)
	}
	return a.Fingerprint < b.Fingerprint
}

// boundAt is when the owner last confirmed the key to which would be encrypted at an instant.
func (c *Certificate) boundAt(at time.Time) time.Time {
	key, ok := c.Entity.EncryptionKey(at, nil)
	if !ok {
		return c.Created
	}
	for i := range c.Entity.Subkeys {
		if s := &c.Entity.Subkeys[i]; s.PublicKey == key.PublicKey {
			if binding := subkeyBinding(s, at); binding != nil {
				return binding.CreationTime
			}
		}
	}
	if own := primarySignature(c.Entity, at); own != nil {
		return own.CreationTime
	}
	return c.Created
}
