package keyring

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// brief is the reason in a few words.
func (f *finding) brief() string {
	switch f.reason {
	case Expired:
		return f.subject() + "expired" + f.on()
	case RevokedKey:
		return f.subject() + "revoked" + f.on()
	case NotYetValid:
		if !f.when.IsZero() {
			return f.subject() + "not valid before " + dayOf(f.when)
		}
	case NoEncryption, NoSigning:
		return "no key to " + f.act()
	case Weak:
		return "too weak: " + f.algorithm
	}
	return string(f.reason)
}

// subject is what a brief reason is about, unless that is the certificate.
func (f *finding) subject() string {
	switch {
	case f.place == onUserIDs:
		return "its user IDs "
	case f.place == onSubkey && f.use == ToEncrypt:
		return "its encryption subkey "
	case f.place == onSubkey:
		return "its signing subkey "
	}
	return ""
}

func (f *finding) on() string {
	if f.when.IsZero() {
		return ""
	}
	return " on " + dayOf(f.when)
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// sentence says what is wrong, what that means for the use, what works all the same, and what to do.
func (f *finding) sentence() string {
	words := f.what()
	if lost := f.lost(); lost != "" {
		words += ": " + lost
	}
	if kept := f.kept(); kept != "" {
		words += "; " + kept
	}
	return words + ". " + f.remedy() + "."
}

func (f *finding) what() string {
	switch f.reason {
	case Expired:
		if f.place == onSubkey {
			return "Its subkey to " + f.act() + " ended" + f.on()
		}
		return "It expired" + f.on()
	case RevokedKey:
		return "Its owner revoked " + f.object() + f.on() + f.why()
	case NotYetValid:
		if f.place == onSubkey {
			return "Its subkey to " + f.act() + " is valid from " + dayOf(f.when) + " on"
		}
		return "It is valid from " + dayOf(f.when) + " on, as far as our copy tells"
	case NoEncryption, NoSigning:
		return "It holds no key to " + f.act()
	case Weak:
		return "Its key, " + f.algorithm + ", is too weak today"
	case NotApproved:
		return "Nobody has approved it yet"
	case BlockedByUs:
		return "It was blocked here"
	}
	return "The secret key to sign with is not held here"
}

// act is what the key in question is for.
func (f *finding) act() string {
	if f.use == ToEncrypt {
		return "encrypt to"
	}
	return "sign with"
}

func (f *finding) object() string {
	switch f.place {
	case onSubkey:
		return "its subkey to " + f.act()
	case onUserIDs:
		return "its user IDs"
	}
	return "it"
}

// why is the reason of a revocation (RFC 9580, section 5.2.3.31) with the owner's own words.
func (f *finding) why() string {
	if f.revocation == nil {
		return ""
	}
	words := " without saying why"
	if f.place != onUserIDs {
		words += ", which counts like a theft"
	}
	if reason := f.revocation.RevocationReason; reason != nil {
		switch *reason {
		case packet.KeyCompromised:
			words = " because its secret may be in foreign hands"
		case packet.KeySuperseded:
			words = " because another takes its place"
		case packet.KeyRetired:
			words = " because it is no longer used"
		case packet.UserIDNotValid:
			words = " because they are no longer right"
		}
	}
	if text := ownersText(f.revocation.RevocationReasonText); text != "" {
		words += " (“" + text + "”)"
	}
	return words
}

// ownersText makes the words beside a revocation, which anybody may have chosen, safe to show: one line, printable, short,
// and without the marks that would end the quotation.
func ownersText(s string) string {
	s = strings.Join(strings.Fields(strings.NewReplacer("“", "'", "”", "'", `"`, "'").Replace(s)), " ")
	s = displayText(s)
	if len(s) <= maxReasonText {
		return s
	}
	cut := maxReasonText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// lost is what does not work.
func (f *finding) lost() string {
	switch f.reason {
	case NotApproved, BlockedByUs:
		return "nothing is encrypted to it or signed with it, and its signatures show as unapproved"
	case NoSecretKey:
		return "only its owner can sign with it"
	case NotYetValid:
		return map[Use]string{
			ToEncrypt: "nothing can be encrypted to it before", ToSign: "it signs nothing before",
			ToVerify: "no signature from before can be checked",
		}[f.use]
	}
	if f.reason == Weak && f.use == ToVerify {
		return ""
	}
	if f.reason == Weak || f.reason == NoEncryption || f.reason == NoSigning {
		return map[Use]string{ToEncrypt: "nothing is encrypted to it", ToSign: "it signs nothing", ToVerify: "no signature of it counts"}[f.use]
	}
	if f.takenBack() {
		return map[Use]string{
			ToEncrypt: "nothing can be encrypted to it, and no signature of it counts any more, not even an old one",
			ToSign:    "it signs nothing, and no signature of it counts any more, not even an old one",
			ToVerify:  "no signature of it counts any more, not even an old one",
		}[f.use]
	}
	return map[Use]string{
		ToEncrypt: "nothing new can be encrypted to it", ToSign: "it signs nothing new",
		ToVerify: "no signature from after that counts",
	}[f.use]
}

// takenBack tells whether the certificate was revoked with all that it ever signed.
func (f *finding) takenBack() bool {
	return f.reason == RevokedKey && f.place != onSubkey && (f.revocation == nil || hard(f.revocation))
}

// kept is what works all the same: opening and verifying old mail.
func (f *finding) kept() string {
	var words []string
	if f.own && f.reason != BlockedByUs && f.reason != NoSecretKey && f.reason != NotYetValid {
		words = append(words, "what came encrypted to it still opens")
	}
	switch f.reason {
	case Weak:
		words = append(words, "its signatures show as weak, never as good")
	case Expired, RevokedKey, NoEncryption:
		if !f.takenBack() && !(f.place == onSubkey && f.revocation != nil && hard(f.revocation) && f.use != ToEncrypt) {
			words = append(words, "what it signed before still verifies")
		}
	}
	return strings.Join(words, ", and ")
}

// remedy is what to do.
func (f *finding) remedy() string {
	switch f.reason {
	case NotApproved:
		return "Compare its fingerprint with its owner, then approve it"
	case BlockedByUs:
		return "An administrator can approve it again"
	case NoSecretKey:
		return "Import the secret key if it is yours"
	case NotYetValid:
		if f.use == ToVerify {
			return "Import the whole certificate, with its old self-signatures"
		}
		return "Check the clock of this machine if that day has come"
	}
	return f.renewal()
}

// renewal is how a certificate of use comes: from its owner, or made here.
func (f *finding) renewal() string {
	switch {
	case f.own && f.reason == Expired:
		return "Extend it"
	case f.own && f.place == onSubkey || f.own && (f.reason == NoEncryption || f.reason == NoSigning):
		return "Add a subkey to " + f.act()
	case f.own:
		return "Generate a new key"
	case f.reason == Expired || f.place == onSubkey:
		return "Ask its owner for a newer copy, and import that"
	case f.reason == RevokedKey:
		return "Ask its owner for the certificate that takes its place"
	case f.reason == Weak:
		return "Ask its owner for a new key"
	}
	return "Ask its owner for another certificate"
}
