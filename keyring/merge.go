package keyring

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Outcome is what a merge did.
type Outcome string

// The outcomes.
const (
	Added     Outcome = "added"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
	Refused   Outcome = "refused"
)

// Change reports one merge, in words for people.
type Change struct {
	Index       int
	Fingerprint string
	UserIDs     []string
	Outcome     Outcome
	Details     []string   // "new subkey 1234…", "secret key added", "revoked"
	Sentence    string     // for refused: what is wrong and what to do
	Conflicts   []Conflict // why it waits, when another certificate is in use for one of its addresses
}

func refusal(item *Item, err error) Change {
	c := Change{Index: item.Index, Outcome: Refused, Sentence: err.Error()}
	if item.Certificate != nil {
		c.Fingerprint, c.UserIDs = item.Certificate.Fingerprint, texts(item.Certificate)
	}
	return c
}

func texts(c *Certificate) []string {
	var out []string
	for _, u := range c.UserIDs {
		out = append(out, u.Text)
	}
	return out
}

// combine merges what is stored with what came, judged at an instant.
func (l Limits) combine(stored, came *Certificate, at time.Time) (merged *Certificate, err error) {
	if !bytes.Equal(stored.material.primary.body, came.material.primary.body) {
		return nil, problem("another key with the same fingerprint is stored, so one of them is forged: do not use it")
	}
	m := union(stored.material, came.material)
	if err := l.mergedSizes(m); err != nil {
		return nil, err
	}
	err = guard(func() error {
		clean, entity, err := check(m, l.Signatures, nil)
		merged = describe(clean, entity, at)
		return err
	})
	return merged, err
}

func (l Limits) mergedSizes(m material) error {
	packets, err := splitPackets(m.bytes())
	if err != nil {
		return err
	}
	return l.checkSizes(packets)
}

// uselessness says at the door that mail cannot be encrypted to a certificate, whoever approves it.
func uselessness(c *Certificate, at time.Time) []string {
	approved := *c
	approved.State = Approved
	if j := approved.Judge(ToEncrypt, at); j.Reason != Usable {
		return []string{"mail cannot be encrypted to it: " + j.Brief}
	}
	return nil
}

// differences says in words what a merge brought.
func differences(before, now *Certificate) []string {
	details := userIDDifferences(before, now)
	details = append(details, subkeyDifferences(before, now)...)
	if now.Revoked && !before.Revoked {
		details = append(details, "revoked")
	}
	if !now.Expires.Equal(before.Expires) {
		details = append(details, expiryInWords(now.Expires))
	}
	if len(details) == 0 && !now.material.equal(before.material) {
		details = append(details, "newer self-signatures")
	}
	return details
}

func expiryInWords(t time.Time) string {
	if t.IsZero() {
		return "no longer expires"
	}
	return "expires on " + t.Format(time.DateOnly)
}

func userIDDifferences(before, now *Certificate) []string {
	var details []string
	for i, u := range now.UserIDs {
		old := slices.IndexFunc(before.material.userIDs, func(c component) bool {
			return bytes.Equal(c.body, now.material.userIDs[i].body)
		})
		switch {
		case old < 0:
			details = append(details, "new user ID "+u.Text)
		case u.Revoked && !before.UserIDs[old].Revoked:
			details = append(details, "user ID "+u.Text+" revoked")
		case u.Valid && !before.UserIDs[old].Valid:
			details = append(details, "user ID "+u.Text+" valid again")
		}
	}
	return details
}

func subkeyDifferences(before, now *Certificate) []string {
	var details []string
	for _, s := range now.Subkeys {
		old := slices.IndexFunc(before.Subkeys, func(o Subkey) bool { return o.Fingerprint == s.Fingerprint })
		switch {
		case old < 0:
			details = append(details, "new subkey "+s.KeyID)
		case s.Revoked && !before.Subkeys[old].Revoked:
			details = append(details, "subkey "+s.KeyID+" revoked")
		case !s.Expires.Equal(before.Subkeys[old].Expires):
			details = append(details, fmt.Sprintf("subkey %s %s", s.KeyID, expiryInWords(s.Expires)))
		}
	}
	return details
}

// secretDifferences says which secret keys a merge brought.
func secretDifferences(before, now []string, stub bool) []string {
	var details []string
	switch added := len(now) - len(before); {
	case added > 0 && len(before) == 0:
		details = append(details, "secret key added")
	case added > 0:
		details = append(details, fmt.Sprintf("%d secret subkeys added", added))
	}
	if stub {
		details = append(details, "part of the secret key is elsewhere (on a smart card or offline) and is not held here")
	}
	return details
}

// mergeState decides the state after a merge. What nobody approves stays or becomes a proposal: a new certificate, and
// an approved one that now claims an address it did not have. What a person blocked stays blocked until a person
// says otherwise.
func mergeState(before, now *Certificate, approve bool) State {
	switch {
	case before != nil && before.State == Blocked:
		return Blocked
	case approve:
		return Approved
	case before == nil || claimsMore(before, now):
		return Proposed
	}
	return before.State
}

// covers tells whether a person who vouches for what came vouches for all that the certificate claims now: a copy that
// says less than a proposal does not approve the rest of it.
func covers(came, before, now *Certificate) bool {
	return before == nil || before.State == Approved || !claimsMore(came, now)
}

func claimsMore(before, now *Certificate) bool {
	known := addressRows(before)
	return slices.ContainsFunc(addressRows(now), func(r addressRow) bool { return !slices.Contains(known, r) })
}

func stateDifference(before, now State) []string {
	switch {
	case before == now:
		return nil
	case now == Proposed:
		return []string{"waits for approval"}
	}
	return []string{strings.ToLower(string(now))}
}
