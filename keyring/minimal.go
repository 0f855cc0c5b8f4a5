package keyring

import (
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Minimal is c as small as it is of use at an instant: of each part the newest self-signature, and no user ID that is not
// valid. Subkeys that only encrypt and have ended are left out; those that sign stay, because old mail is verified with
// them. Revocations stay with what they end, so that nobody misses one. A non-empty address leaves only the user IDs that
// name it.
func (c *Certificate) Minimal(address string, at time.Time) *Certificate {
	m := material{primary: reduced(c.material.primary, at)}
	for i, id := range c.UserIDs {
		if (id.Valid || id.Revoked) && (address == "" || Fold(id.Address) == Fold(address)) {
			m.userIDs = append(m.userIDs, reduced(c.material.userIDs[i], at))
		}
	}
	for i, s := range c.Subkeys {
		ended := !s.Expires.IsZero() && !at.Before(s.Expires)
		if !ended || s.CanSign || s.Revoked {
			m.subkeys = append(m.subkeys, reduced(c.material.subkeys[i], at))
		}
	}
	clean, entity, err := check(m, trusted, nil)
	if err != nil { // what was verified as a whole holds in part too
		return c
	}
	small := describe(clean, entity, at)
	small.State, small.Source, small.HasSecret, small.secretKeys = c.State, c.Source, c.HasSecret, c.secretKeys
	small.ImportedAt, small.UpdatedAt = c.ImportedAt, c.UpdatedAt
	return small
}

// reduced keeps every revocation, and of the self-signatures the newest that counts at an instant.
func reduced(c component, at time.Time) component {
	out := component{body: c.body}
	var newest []byte
	var made time.Time
	for _, body := range c.sigs {
		sig := parseSignature(body)
		switch {
		case sig == nil:
		case revokes(sig):
			out.sigs = append(out.sigs, body)
		case !sig.CreationTime.After(at) && !sig.SigExpired(at) && (newest == nil || sig.CreationTime.After(made)):
			newest, made = body, sig.CreationTime
		}
	}
	if newest != nil {
		out.sigs = append(out.sigs, newest)
	}
	return out
}

func revokes(sig *packet.Signature) bool {
	return sig.SigType == packet.SigTypeKeyRevocation || sig.SigType == packet.SigTypeSubkeyRevocation ||
		sig.SigType == packet.SigTypeCertificationRevocation
}
