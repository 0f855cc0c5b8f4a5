package keyring

import "time"

// Rejected is a candidate that cannot be used, with the reason.
type Rejected struct {
	Certificate *Certificate
	Reason      Reason
}

// Choose picks the certificate to encrypt to among the candidates for one address: approved and usable, newest first;
// of two made in the same second the one with the smaller fingerprint. An expired newer one never hides an older
// usable one. best is nil when none is usable.
func Choose(candidates []*Certificate, at time.Time) (best *Certificate, rejected []Rejected) {
	for _, c := range candidates {
		if reason := c.ForEncryption(at); reason != Usable {
			rejected = append(rejected, Rejected{c, reason})
		} else if best == nil || preferred(c, best) {
			best = c
		}
	}
	return best, rejected
}

func preferred(a, b *Certificate) bool {
	if !a.Created.Equal(b.Created) {
		return a.Created.After(b.Created)
	}
	return a.Fingerprint < b.Fingerprint
}
