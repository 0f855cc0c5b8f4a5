// Package pgpmime is the mail crypto: a message in, a message and a Verdict out.
//
// Out: Protect turns a message into an Outgoing, signed, encrypted, or both (RFC 3156), or in clear when that was
// decided; Outgoing can be made nowhere else, and the SMTP client takes nothing else. In: Open undoes PGP/MIME, strips
// every imitation of our own headers at every level, and stamps the verdict. The package is pure: no database,
// network, clock or log; time, randomness and keys are arguments. It promises that bytes of a decryption leave it only
// after the reader ended cleanly and integrity held, and that it never panics on input.
package pgpmime

import (
	"errors"
	"io"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// ErrMalformed wraps every "this is not a message that can be protected".
var ErrMalformed = errors.New("malformed message")

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
}

// String is the verdict in one plain sentence for people.
func (v Verdict) String() string { panic("skeleton") }

// Signer is a certificate that may verify, and whether it was accepted.
type Signer struct {
	Entity   *openpgp.Entity
	Approved bool
}

// Keys answers Open's questions. Secrets returns the unlocked secret keys held for these key ids (all of them when
// the list is empty or holds an anonymous recipient); Signers the certificates that hold one of these key ids. Key
// ids are 16 upper-case hex digits. An error means "temporarily unknown" and makes Open fail as a whole.
type Keys interface {
	Secrets(keyIDs []string) (openpgp.EntityList, error)
	Signers(keyIDs []string) ([]Signer, error)
}

// Options are the circumstances of one Open.
type Options struct {
	Now      time.Time
	Instance string // our authserv-id: Authentication-Results of this name are ours and stripped
	Limits   Limits
}

// Limits bound the work on untrusted input. The zero value means the defaults in brackets.
type Limits struct {
	Depth        int   // MIME nesting [50]
	Parts        int   // MIME parts [1000]
	HeaderBytes  int   // one header block [256 KiB]
	Decompressed int64 // plaintext of one encrypted message [100 MiB]
	SessionKeys  int   // session keys tried [200]
}

// Opened is a message together with its verdict. Message is what the ticket system sees: stripped, opened if
// possible, stamped. Changed tells whether more than stripping and stamping was done, so that the original is worth
// keeping. WaitingFor are the key ids that could change the verdict if they were held.
type Opened struct {
	Message    []byte
	Verdict    Verdict
	Changed    bool
	WaitingFor []string
	Subject    string // decoded, after opening
}

// Open opens one message. What cannot be opened is not an error: the original comes back with a verdict. An error
// means that Keys failed, and that the message should be tried again later.
func Open(message []byte, keys Keys, o Options) (Opened, error) { panic("skeleton") }

// Protection is what was done to an Outgoing.
type Protection string

// The protections.
const (
	Clear           Protection = "clear" // decided, never by accident
	Signed          Protection = "signed"
	Encrypted       Protection = "encrypted"
	SignedEncrypted Protection = "signed+encrypted"
)

// Outgoing is a message that may leave. Only Protect and Restore make one; the zero Outgoing is refused by every
// consumer.
type Outgoing struct {
	bytes      []byte
	protection Protection
}

// Bytes is the message, CRLF line ends, 7-bit unless Clear.
func (o Outgoing) Bytes() []byte { return o.bytes }

// Protection tells what was done; "" for the zero Outgoing.
func (o Outgoing) Protection() Protection { return o.protection }

// ProtectRequest says how to protect one copy.
type ProtectRequest struct {
	Protection Protection
	Signer     *openpgp.Entity   // unlocked; for Signed and SignedEncrypted
	To         []*openpgp.Entity // for Encrypted and SignedEncrypted: every reader's certificate, at least one
	Hidden     bool              // a Bcc copy: no intended-recipient subpackets
	Now        time.Time
	Random     io.Reader
}

// Protect makes the copy. It strips Bcc and our own control headers, keeps the outer header fields, and fails rather
// than weaken: the result always has the protection that was asked for.
func Protect(message []byte, r ProtectRequest) (Outgoing, error) { panic("skeleton") }

// Restore brings back an Outgoing that was stored. It checks that the bytes really have the form that p claims, so
// that a mix-up in storage can never send a clear message as an encrypted one.
func Restore(p Protection, message []byte) (Outgoing, error) { panic("skeleton") }

// Summary is what the gateway reads from an outgoing message's header before it decides.
type Summary struct {
	From       []string // canonical addr-specs of the From field
	To         []string // To and Cc, canonical, in order, without repetition
	MessageID  string   // without angle brackets
	InReplyTo  string
	References []string
	Subject    string // decoded
	Date       time.Time
	Automatic  bool   // Auto-Submitted other than no, Precedence bulk/list/junk, X-Loop, X-Auto-Response-Suppress…
	Policy     string // value of the one Sealgate-Policy field, or ""
	Received   int    // number of Received fields
	Verify     bool   // a Zammad channel verification mail (X-Zammad-Verify)
}

// Summarize reads a header. ErrMalformed for what cannot be a message; limits as in Limits.
func Summarize(message []byte) (Summary, error) { panic("skeleton") }

// Prepare normalises a submitted message before it is protected: strips Sealgate-* control headers, Bcc, and foreign
// trust headers; adds Message-ID and Date when missing; replaces the Subject when subject is not nil. It refuses bare
// CR and LF (ErrMalformed).
func Prepare(message []byte, messageID string, date time.Time, subject *string) ([]byte, error) {
	panic("skeleton")
}

// Rethread gives an opened message a Message-ID of its own and threads it to parent (In-Reply-To, References); its
// Sealgate-Reopened field names the article that it is a later opening of. IDs are without angle brackets.
func Rethread(message []byte, messageID, parent, articleID string) ([]byte, error) { panic("skeleton") }

// Verification keeps a ticket system's channel verification mail recognisable (From, To, Subject, Date, Message-ID,
// X-Zammad-Verify, X-Zammad-Verify-Time) and replaces everything else by text.
func Verification(message []byte, text string) ([]byte, error) { panic("skeleton") }

// View is a message taken apart for people: text first, HTML as it came (to be cleaned by the page), attachments named.
type View struct {
	From, To, Cc, Subject string
	Date                  time.Time
	Text                  string
	HTML                  string
	Attachments           []Attachment
}

// Attachment is one part that is not shown as text.
type Attachment struct {
	Name        string
	ContentType string
	Content     []byte
}

// Look takes a message apart for display. It tolerates anything and never fails: what it cannot read becomes text or
// an attachment.
func Look(message []byte) View { panic("skeleton") }
