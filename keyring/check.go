package keyring

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// A SHA-1 self-signature counts only when it was made before this day: later ones come from tools that should not be
// trusted to hash, or from somebody who dates back a collision.
const lastSHA1 = 1675209600 // 2023-02-01 00:00:00 UTC

// checker verifies every signature of one certificate once, with the primary key.
type checker struct {
	entity *openpgp.Entity
	budget int // signatures that may still be verified
	memo   *memo
	body   []byte // of the primary key

	sha1 bool // a self-signature on a user ID did not count because of its hash
}

// check returns what of m its own primary key vouches for, and the library's view of it. Third-party certifications,
// signatures that do not verify, and keys and user IDs without any valid signature are dropped. Every signature in
// the entity is marked as verified, so that nothing the library later asks of it writes to it, and the verdict at one
// instant never sticks to another.
func check(m material, signatures int, known *memo) (clean material, e *openpgp.Entity, err error) {
	primary, err := parseKey(m.primary, tagPublicKey)
	if err != nil {
		return clean, nil, err
	}
	if !primary.PubKeyAlgo.CanSign() {
		return clean, nil, problem("its primary key cannot make signatures, so nothing binds it to a person: ask for another key")
	}
	c := checker{
		entity: &openpgp.Entity{PrimaryKey: primary, Identities: map[string]*openpgp.Identity{}},
		budget: signatures, memo: known, body: m.primary.body,
	}
	clean.primary = c.checkPrimary(m.primary)
	for _, u := range m.userIDs {
		if kept, ok := c.checkUserID(u); ok {
			clean.userIDs = append(clean.userIDs, kept)
		}
	}
	for _, s := range m.subkeys {
		if kept, ok := c.checkSubkey(s); ok {
			clean.subkeys = append(clean.subkeys, kept)
		}
	}
	if c.budget < 0 {
		return clean, nil, problem("this certificate carries more than %d signatures: export it again with "+
			"gpg --export-options export-clean", signatures)
	}
	if len(c.entity.Identities) == 0 && c.sha1 {
		return clean, nil, problem("this certificate is held together by SHA-1 alone, which can be forged, so nothing is encrypted to it or " +
			"verified with it: ask its owner to renew it (gpg --quick-set-expire makes new self-signatures) and to send it again")
	}
	return clean, c.entity, nil
}

func parseKey(c component, tag byte) (*packet.PublicKey, error) {
	p, err := packet.Read(bytes.NewReader(rawPacket{tag, c.body}.appendTo(nil)))
	if err != nil {
		return nil, problem("this key is damaged, or of a kind that cannot be read here: ask for a version 4 RSA or Ed25519 key")
	}
	return p.(*packet.PublicKey), nil
}

// publicLength returns how many octets of a secret key packet's body are its public part.
func publicLength(body []byte) (int, error) {
	framed := rawPacket{tagPublicKey, body}.appendTo(nil)
	r := bytes.NewReader(framed)
	if _, err := packet.Read(r); err != nil {
		return 0, problem("this secret key is damaged, or of a kind that cannot be read here: export it again from its original")
	}
	return len(body) - r.Len(), nil
}

func parseSignature(body []byte) *packet.Signature {
	p, err := packet.Read(bytes.NewReader(rawPacket{tagSignature, body}.appendTo(nil)))
	if err != nil {
		return nil // version 3, unknown algorithm, unknown critical subpacket: does not count
	}
	sig, _ := p.(*packet.Signature)
	return sig
}

// keep verifies candidates with one of the checks and returns the bodies that hold.
func (c *checker) keep(sigs [][]byte, verify func(sig *packet.Signature, body []byte) bool) [][]byte {
	var kept [][]byte
	for _, body := range sigs {
		if sig := parseSignature(body); sig != nil && verify(sig, body) {
			kept = append(kept, body)
		}
	}
	return kept
}

// spend counts one verification; false means that the budget is used up.
func (c *checker) spend() bool {
	c.budget--
	return c.budget >= 0
}

func (c *checker) checkPrimary(primary component) component {
	e := c.entity
	primary.sigs = c.keep(primary.sigs, func(sig *packet.Signature, body []byte) bool {
		if !sig.CheckKeyIdOrFingerprint(e.PrimaryKey) || !c.spend() {
			return false
		}
		switch sig.SigType {
		case packet.SigTypeKeyRevocation:
			if !c.memo.holds(overKey, c.body, nil, body, func() error { return e.PrimaryKey.VerifyRevocationSignature(sig) }) {
				return false
			}
			e.Revocations = append(e.Revocations, verified(sig))
		case packet.SigTypeDirectSignature:
			if !acceptable(sig) || !c.memo.holds(overKey, c.body, nil, body, func() error { return e.PrimaryKey.VerifyDirectKeySignature(sig) }) {
				return false
			}
			e.DirectSignatures = append(e.DirectSignatures, verified(sig))
		default:
			return false
		}
		return true
	})
	return primary
}

func (c *checker) checkUserID(u component) (component, bool) {
	id := &openpgp.Identity{Primary: c.entity, Name: string(u.body), UserId: parseUserID(u.body)}
	u.sigs = c.keep(u.sigs, func(sig *packet.Signature, body []byte) bool {
		revocation := sig.SigType == packet.SigTypeCertificationRevocation
		certification := sig.SigType >= packet.SigTypeGenericCert && sig.SigType <= packet.SigTypePositiveCert
		primary := c.entity.PrimaryKey
		if !revocation && !(certification && acceptable(sig)) {
			c.sha1 = c.sha1 || certification && sig.Hash == crypto.SHA1 && sig.CheckKeyIdOrFingerprint(primary)
			return false
		}
		verify := func() error { return primary.VerifyUserIdSignature(id.Name, primary, sig) }
		if !sig.CheckKeyIdOrFingerprint(primary) || !c.spend() || !c.memo.holds(overUserID, c.body, u.body, body, verify) {
			return false
		}
		if revocation {
			id.Revocations = append(id.Revocations, verified(sig))
		} else {
			id.SelfCertifications = append(id.SelfCertifications, verified(sig))
		}
		return true
	})
	if len(u.sigs) == 0 {
		return u, false
	}
	c.entity.Identities[id.Name] = id
	return u, true
}

// parseUserID never fails: a user ID is any text.
func parseUserID(body []byte) *packet.UserId {
	p, err := packet.Read(bytes.NewReader(rawPacket{tagUserID, body}.appendTo(nil)))
	if id, ok := p.(*packet.UserId); ok && err == nil {
		return id
	}
	return &packet.UserId{Id: string(body)}
}

func (c *checker) checkSubkey(s component) (component, bool) {
	key, err := parseKey(s, tagPublicSubkey)
	if err != nil {
		return s, false
	}
	subkey := openpgp.Subkey{Primary: c.entity, PublicKey: key}
	s.sigs = c.keep(s.sigs, func(sig *packet.Signature, body []byte) bool {
		if !c.spend() {
			return false
		}
		switch sig.SigType {
		case packet.SigTypeSubkeyRevocation:
			verify := func() error { return c.entity.PrimaryKey.VerifySubkeyRevocationSignature(sig, key) }
			if !c.memo.holds(overSubkey, c.body, s.body, body, verify) {
				return false
			}
			subkey.Revocations = append(subkey.Revocations, verified(sig))
		case packet.SigTypeSubkeyBinding:
			// A signing subkey must sign the primary key back (RFC 9580, section 5.2.1.8): the library checks that here.
			verify := func() error { return c.entity.PrimaryKey.VerifyKeySignature(key, sig) }
			if !acceptable(sig) || !c.memo.holds(overSubkey, c.body, s.body, body, verify) {
				return false
			}
			subkey.Bindings = append(subkey.Bindings, verified(sig))
		default:
			return false
		}
		return true
	})
	if len(s.sigs) == 0 {
		return s, false
	}
	c.entity.Subkeys = append(c.entity.Subkeys, subkey)
	return s, true
}

// boundBySHA1 counts the subkeys that are not in clean, and would be if SHA-1 counted.
func boundBySHA1(m, clean material) int {
	count := 0
	for _, s := range m.subkeys {
		kept := slices.ContainsFunc(clean.subkeys, func(c component) bool { return bytes.Equal(c.body, s.body) })
		if !kept && slices.ContainsFunc(s.sigs, bindsBySHA1) {
			count++
		}
	}
	return count
}

func bindsBySHA1(body []byte) bool {
	sig := parseSignature(body)
	return sig != nil && sig.SigType == packet.SigTypeSubkeyBinding && sig.Hash == crypto.SHA1
}

func verified(sig *packet.Signature) *packet.VerifiableSignature {
	valid := true
	return &packet.VerifiableSignature{Valid: &valid, Packet: sig}
}

// acceptable is our policy for self-signatures. Revocations are obeyed whatever their hash: that errs on the safe side.
func acceptable(sig *packet.Signature) bool {
	var defaults *packet.Config
	if defaults.RejectHashAlgorithm(sig.Hash) {
		return false
	}
	if sig.Hash == crypto.SHA1 && !sig.CreationTime.Before(time.Unix(lastSHA1, 0)) {
		return false
	}
	// RFC 9580, section 5.2.3.24: an unknown critical notation invalidates the signature.
	return !slices.ContainsFunc(sig.Notations, func(n *packet.Notation) bool { return n.IsCritical })
}

// parseSecret reads the secret key packet of one component.
func parseSecret(c component, tag byte) (*packet.PrivateKey, error) {
	var r io.Reader = bytes.NewReader(rawPacket{tag, slices.Concat(c.body, c.secret)}.appendTo(nil))
	p, err := packet.Read(r)
	if err != nil {
		return nil, err
	}
	key, ok := p.(*packet.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("not a secret key packet")
	}
	return key, nil
}
