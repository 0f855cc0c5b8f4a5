package pgpmime

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// ring is the library's view of our keys for one opening: the secret keys that were looked up, and signers that are
// looked up when a signature names them.
type ring struct {
	op          *opening
	secrets     openpgp.EntityList
	encryptedTo []string // key ids of the recipients
	signers     map[uint64][]Signer
}

// KeysById implements openpgp.KeyRing.
func (r *ring) KeysById(id uint64) []openpgp.Key {
	return openpgp.EntityList(r.EntitiesById(id)).KeysById(id)
}

// EntitiesById implements openpgp.KeyRing. Id 0 is an anonymous recipient (RFC 9580, section 5.1.8). The library
// verifies with the first certificate only, so accepted ones come first: nobody hides one behind a certificate of his
// own that claims the same subkey.
func (r *ring) EntitiesById(id uint64) []*openpgp.Entity {
	if id == 0 {
		return r.secrets
	}
	var found, others []*openpgp.Entity
	for _, s := range r.lookUp(id) {
		if s.Approved {
			found = append(found, s.Entity)
		} else {
			others = append(others, s.Entity)
		}
	}
	found = append(found, r.secrets.EntitiesById(id)...)
	return append(found, others...)
}

// lookUp asks for the certificates that hold a key id, once. The keys that a message is encrypted to are asked for
// together: there may be many, and few are a signer's.
func (r *ring) lookUp(id uint64) []Signer {
	if known, ok := r.signers[id]; ok {
		return known
	}
	if r.signers == nil {
		r.signers = map[uint64][]Signer{}
	}
	ids := []string{pgp.KeyIDText(id)}
	if slices.Contains(r.encryptedTo, ids[0]) {
		ids = r.encryptedTo
	}
	found, err := r.op.keys.Signers(ids)
	r.op.fail(err)
	for _, named := range ids {
		known, _ := strconv.ParseUint(named, 16, 64) //nolint:errcheck // written by KeyIDText
		r.signers[known] = nil
		for _, s := range found {
			if s.Entity != nil && holdsKey(s.Entity, known) {
				r.signers[known] = append(r.signers[known], s)
			}
		}
	}
	return r.signers[id]
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

// Secrets implements pgp.Ring.
func (r *ring) Secrets() openpgp.EntityList { return r.secrets }

// holdsKey tells whether a key with this id is the certificate's own: its primary key, or a subkey that it has bound.
// Anybody can put another's key into a certificate; nobody can make that key agree.
func holdsKey(e *openpgp.Entity, id uint64) bool {
	if e.PrimaryKey.KeyId == id {
		return true
	}
	for _, s := range e.Subkeys {
		if _, err := s.LatestValidBindingSignature(time.Time{}, nil); err == nil && s.PublicKey.KeyId == id {
			return true
		}
	}
	return false
}
