package pgpmime

import (
	"bytes"
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// ring is the library's view of our keys for one opening: the secret keys that were looked up, and signers that are
// looked up when a signature names them.
type ring struct {
	op      *opening
	secrets openpgp.EntityList
	signers map[uint64][]Signer
}

// KeysById implements openpgp.KeyRing.
func (r *ring) KeysById(id uint64) []openpgp.Key {
	return openpgp.EntityList(r.EntitiesById(id)).KeysById(id)
}

// EntitiesById implements openpgp.KeyRing. Id 0 is an anonymous recipient (RFC 9580, section 5.1.8).
func (r *ring) EntitiesById(id uint64) []*openpgp.Entity {
	if id == 0 {
		return r.secrets
	}
	found := r.secrets.EntitiesById(id)
	for _, s := range r.lookUp(id) {
		found = append(found, s.Entity)
	}
	return found
}

func (r *ring) lookUp(id uint64) []Signer {
	if known, ok := r.signers[id]; ok {
		return known
	}
	found, err := r.op.keys.Signers([]string{keyIDText(id)})
	r.op.fail(err)
	if r.signers == nil {
		r.signers = map[uint64][]Signer{}
	}
	r.signers[id] = found
	return found
}

// approved tells whether the certificate that a signature names by id was accepted.
func (r *ring) approved(id uint64, signer *openpgp.Entity) bool {
	for _, s := range r.lookUp(id) {
		if bytes.Equal(s.Entity.PrimaryKey.Fingerprint, signer.PrimaryKey.Fingerprint) {
			return s.Approved
		}
	}
	return false
}

func keyIDText(id uint64) string { return fmt.Sprintf("%016X", id) }

// config is the library's configuration for reading at the given instant.
func (o Options) config() *packet.Config {
	limit := o.Limits.Decompressed
	return &packet.Config{
		Time:                       clock(o.Now),
		MaxDecompressedMessageSize: &limit,
	}
}
