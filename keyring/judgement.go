package keyring

import (
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Judgement is what one certificate is good for at one instant. Sentence and Brief are empty when it is usable.
type Judgement struct {
	Reason   Reason
	Brief    string // a few words that stand in brackets or in a list: "expired on 2026-02-01"
	Sentence string // for people: what is wrong and since when, what works all the same, what to do
}

// Judge judges a certificate for a use at an instant. It is the one source of words about it. State counts. For
// ToVerify the instant is that of the signature: what ended later does not matter, but for a revocation that takes back
// everything; a signature by one certain subkey may be judged worse.
func (c *Certificate) Judge(use Use, at time.Time) Judgement {
	f := finding{reason: c.reason(use, at), use: use, own: c.HasSecret}
	if f.reason == Usable {
		return Judgement{}
	}
	f.locate(c.Entity, at)
	return Judgement{Reason: f.reason, Brief: f.brief(), Sentence: f.sentence()}
}

func (c *Certificate) reason(use Use, at time.Time) Reason {
	switch use {
	case ToEncrypt:
		return c.ForEncryption(at)
	case ToSign:
		return c.ForSigning(at)
	}
	return c.forVerifying(at)
}

// forVerifying judges whether a signature made at an instant may count, whichever key of the certificate made it.
func (c *Certificate) forVerifying(at time.Time) Reason {
	if c.State == Blocked {
		return BlockedByUs
	}
	if r := judgePrimary(c.Entity, at); r != Usable {
		return r
	}
	if _, ok := c.Entity.SigningKey(at, nil); !ok {
		return judgeSubkeys(c.Entity, at, maySign, NoSigning)
	}
	if c.State != Approved {
		return NotApproved
	}
	return Usable
}

// place is the part of a certificate that a reason stands on.
type place int

const (
	onPrimary place = iota
	onSubkey
	onUserIDs
)

// finding is a reason with its facts.
type finding struct {
	reason     Reason
	use        Use
	own        bool // its secret key is held
	place      place
	when       time.Time         // of the end, the revocation or the beginning; zero when there is none to name
	revocation *packet.Signature // the one that counts
	algorithm  string            // of the key that is too weak
}

// locate finds the facts behind the reason.
func (f *finding) locate(e *openpgp.Entity, at time.Time) {
	if judgePrimary(e, at) != f.reason {
		f.place = onSubkey
	}
	switch f.reason {
	case Expired:
		f.when = primaryExpiry(e, at)
		if f.place == onSubkey {
			f.when = f.latest(e, at, func(s *openpgp.Subkey, b *packet.Signature) time.Time { return expiry(s.PublicKey, b) })
		}
	case NotYetValid:
		f.when = f.beginning(e, at)
	case RevokedKey:
		f.locateRevocation(e, at)
	case Weak:
		f.algorithm = algorithm(e.PrimaryKey)
		for _, s := range f.subkeys(e, at) {
			f.algorithm = algorithm(s.PublicKey)
		}
	}
}

// subkeys are those that would serve but for the reason; none when the reason stands on the primary key.
func (f *finding) subkeys(e *openpgp.Entity, at time.Time) []*openpgp.Subkey {
	if f.place != onSubkey {
		return nil
	}
	can := maySign
	if f.use == ToEncrypt {
		can = mayEncrypt
	}
	var found []*openpgp.Subkey
	for i := range e.Subkeys {
		s := &e.Subkeys[i]
		b := subkeyBinding(s, at)
		if b != nil && can(b, s.PublicKey) && judgeSubkey(s, b, at) == f.reason {
			found = append(found, s)
		}
	}
	return found
}

// latest is the last instant that of names for one of the subkeys in question.
func (f *finding) latest(e *openpgp.Entity, at time.Time, of func(*openpgp.Subkey, *packet.Signature) time.Time) time.Time {
	var last time.Time
	for _, s := range f.subkeys(e, at) {
		if t := of(s, subkeyBinding(s, at)); t.After(last) {
			last = t
		}
	}
	return last
}

// beginning is when the certificate, or a subkey for the use, is valid for the first time.
func (f *finding) beginning(e *openpgp.Entity, at time.Time) time.Time {
	var first time.Time
	for _, s := range f.subkeys(e, at) {
		first = earliest(first, later(s.PublicKey.CreationTime, subkeyBinding(s, at).CreationTime))
	}
	if f.place == onSubkey {
		return first.UTC()
	}
	for _, id := range e.Identities {
		for _, sig := range id.SelfCertifications {
			first = earliest(first, sig.Packet.CreationTime)
		}
	}
	return later(first, e.PrimaryKey.CreationTime).UTC()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// locateRevocation finds the revocation that counts: one that takes back everything before one that does not.
func (f *finding) locateRevocation(e *openpgp.Entity, at time.Time) {
	var all []*packet.VerifiableSignature
	switch {
	case f.place == onSubkey:
		for _, s := range f.subkeys(e, at) {
			all = append(all, s.Revocations...)
		}
	case e.Revoked(at):
		all = e.Revocations
	default:
		f.place = onUserIDs
		for _, id := range e.Identities {
			all = append(all, id.Revocations...)
		}
	}
	for _, r := range all {
		if best := f.revocation; best == nil || stronger(r.Packet, best) {
			f.revocation = r.Packet
		}
	}
	if f.revocation != nil {
		f.when = f.revocation.CreationTime.UTC()
	}
}

func stronger(a, b *packet.Signature) bool {
	if hard(a) != hard(b) {
		return hard(a)
	}
	return a.CreationTime.Before(b.CreationTime)
}

// hard tells whether a revocation takes back everything, whatever was before it (RFC 9580, section 5.2.3.31): without a
// reason, or with one that nobody knows, the worst is assumed.
func hard(revocation *packet.Signature) bool {
	soft := []packet.ReasonForRevocation{packet.KeySuperseded, packet.KeyRetired, packet.UserIDNotValid}
	return revocation.RevocationReason == nil || !slices.Contains(soft, *revocation.RevocationReason)
}
