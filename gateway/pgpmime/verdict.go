package pgpmime

import "strings"

// Encryption is the verdict word for encryption.
type Encryption string

// Signature is the verdict word for signatures.
type Signature string

// The closed vocabulary. The zero value reads as none: "not protected".
const (
	EncryptionNone      Encryption = "none"
	Decrypted           Encryption = "decrypted"
	EncryptionPartial   Encryption = "partial"
	NoKey               Encryption = "no-key"
	Corrupt             Encryption = "corrupt"
	EncryptionRefused   Encryption = "refused"
	EncryptionMalformed Encryption = "malformed"

	SignatureNone      Signature = "none"
	Good               Signature = "good"
	UnapprovedKey      Signature = "unapproved-key"
	WrongSender        Signature = "wrong-sender"
	SignaturePartial   Signature = "partial"
	ExpiredKey         Signature = "expired-key"
	RevokedKey         Signature = "revoked-key"
	UnknownKey         Signature = "unknown-key"
	Weak               Signature = "weak"
	Unsupported        Signature = "unsupported"
	Bad                Signature = "bad"
	SignatureMalformed Signature = "malformed"
)

// Verdict is what Open found out about a whole message. The zero Verdict reads "not protected".
type Verdict struct {
	Encryption  Encryption `json:"encryption"`
	Signature   Signature  `json:"signature"`
	Signer      string     `json:"signer,omitempty"`       // fingerprint of the signing certificate, upper-case hex
	SignerID    string     `json:"signer_id,omitempty"`    // key id named by the signature when the key is unknown
	SignedAt    int64      `json:"signed_at,omitempty"`    // Unix seconds
	MatchedID   string     `json:"matched_id,omitempty"`   // the address of the user ID that equals From
	EncryptedTo []string   `json:"encrypted_to,omitempty"` // key ids, 16 upper-case hex digits
	Reason      string     `json:"reason,omitempty"`       // one sentence for people, free of input text
	Repaired    string     `json:"repaired,omitempty"`     // name of the mangled shape that was repaired
	Limit       string     `json:"limit,omitempty"`        // name of the limit that was hit, see docs/verdicts.md
	Layers      []Layer    `json:"layers,omitempty"`       // the tree, outermost first
}

// withWords gives the zero words their names.
func (v Verdict) withWords() Verdict {
	if v.Encryption == "" {
		v.Encryption = EncryptionNone
	}
	if v.Signature == "" {
		v.Signature = SignatureNone
	}
	return v
}

// String is the verdict in plain sentences for people. Words that are unknown here read as not protected.
func (v Verdict) String() string {
	v = v.withWords()
	sentences := []string{encryptionSentence(v.Encryption), signatureSentence(v)}
	if v.Reason != "" {
		sentences = append(sentences, v.Reason)
	}
	return strings.Join(sentences, " ")
}

func encryptionSentence(e Encryption) string {
	switch e {
	case Decrypted:
		return "Decrypted."
	case EncryptionPartial:
		return "Only parts of this message are encrypted."
	case NoKey:
		return "Encrypted, and none of our keys opens it."
	case Corrupt:
		return "Encrypted, but damaged or altered on the way."
	case EncryptionRefused:
		return "Not opened, to be on the safe side."
	case EncryptionMalformed:
		return "Looks encrypted, but is not put together as it should be."
	}
	return "Not encrypted."
}

func signatureSentence(v Verdict) string {
	switch v.Signature {
	case Good:
		return "Signed by " + v.MatchedID + "."
	case UnapprovedKey:
		return "Signed with a key that nobody approved yet."
	case WrongSender:
		return "Signed, but not by the sender named in From."
	case SignaturePartial:
		return "Only a part of this message is signed."
	case ExpiredKey:
		return "Signed with a key that had expired."
	case RevokedKey:
		return "Signed with a key that was revoked."
	case UnknownKey:
		return "Signed with a key that we do not have."
	case Weak:
		return "Signed with an algorithm that is too weak to count."
	case Unsupported:
		return "Signed in a form that cannot be checked."
	case Bad:
		return "The signature does not fit the message."
	case SignatureMalformed:
		return "Looks signed, but is not put together as it should be."
	}
	return "Not signed."
}
