package pgpmime

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"

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
	ids := []string{keyIDText(id)}
	if slices.Contains(r.op.verdict.EncryptedTo, ids[0]) {
		ids = r.op.verdict.EncryptedTo
	}
	found, err := r.op.keys.Signers(ids)
	r.op.fail(err)
	for _, named := range ids {
		known, _ := strconv.ParseUint(named, 16, 64) //nolint:errcheck // written by keyIDText
		r.signers[known] = nil
		for _, s := range found {
			if s.Entity != nil && len((openpgp.EntityList{s.Entity}).EntitiesById(known)) > 0 {
				r.signers[known] = append(r.signers[known], s)
			}
		}
	}
	return r.signers[id]
}

// holdsNamed tells whether one of the named keys was there to decrypt with.
func (r *ring) holdsNamed(keyIDs []string) bool {
	for _, named := range keyIDs {
		id, _ := strconv.ParseUint(named, 16, 64) //nolint:errcheck // written by keyIDText
		for _, key := range r.secrets.KeysById(id) {
			if id != 0 && key.PrivateKey != nil && !key.PrivateKey.Encrypted && !key.PrivateKey.Dummy() {
				return true
			}
		}
	}
	return false
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

// clockSkew is how far a signer's clock may be ahead of ours.
const clockSkew = time.Hour

// config is the library's configuration for reading at the given instant. It asks for the time only to tell whether a
// signature is from the future or has run out; certificates are judged at the time of the signature.
func (o Options) config() *packet.Config {
	// The library cannot tell "too large" from "damaged" inside an encryption. Our own counter of the content is to come
	// first, so that the verdict can; the packets around the content are small.
	limit := o.Limits.Decompressed + o.Limits.Decompressed/8 + 1<<16
	return &packet.Config{
		Time:                       clock(o.Now.Add(clockSkew)),
		MaxDecompressedMessageSize: &limit,
	}
}
