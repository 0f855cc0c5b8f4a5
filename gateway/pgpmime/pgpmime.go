// Package pgpmime is the mail crypto: a message in, a message and a Verdict out.
//
// Out: Protect turns a message into an Outgoing, signed, encrypted, or both (RFC 3156), with its header inside (RFC 9788),
// as inline PGP where that was asked for, or in clear when that was decided; Outgoing can be made nowhere else, and the
// SMTP client takes nothing else. In: Open undoes what is the whole message, repairs the shapes that servers mangle on
// the way, opens what is a part of the message into attachments, strips every imitation of our own headers at every
// level, and stamps the verdict. The package is pure: no database, network, clock or log; time, randomness, keys and
// the place for what is large are arguments. It promises that bytes of a decryption leave it only after the reader
// ended cleanly and integrity held, that no plaintext is mixed with what stood around its ciphertext, that memory does
// not grow with the message where there is a spool, and that it never panics on input.
//
// Mail that programs read in different ways (bare CR, several Content-Types, lines in a header that are no fields) is
// read in one way here, and leaves so that everybody else reads it in the same: a verdict must be about what is shown.
// A message is read once, cut into a tree of entities (parse), and never joined again but by reference (Message).
//
// One layer of encryption is undone, and one signature on either side of it. What is encrypted below that, or beside
// HTML, stays closed. S/MIME passes as it is. All functions may be called at the same time, as long as the keys given
// to them are not shared: the OpenPGP library notes in a certificate which of its signatures it has checked.
package pgpmime

import (
	"errors"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// ErrMalformed wraps every "this is not a message that can be protected".
var ErrMalformed = errors.New("malformed message")

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
	Inline   InlineMode
	Spool    Spool // for what is larger than memory should hold; nil keeps everything in memory
}

// InlineMode tells which PGP in the text of a message is opened. What is not opened is reported all the same.
type InlineMode string

// The modes.
const (
	InlineWhole InlineMode = ""    // armor that is the whole text
	InlineAny   InlineMode = "any" // blocks among other text too; they become attachments
	InlineOff   InlineMode = "off"
)

// Opened is a message together with its verdict. Message is what the ticket system sees: stripped, opened if
// possible, stamped. Changed tells whether more than stripping and stamping was done, so that the original is worth
// keeping. WaitingFor are the key ids that could change the verdict if they were held. PayloadHeader is the header at the
// top of the decrypted payload as it was, of a message that is encrypted as a whole; nil for any other, and when
// integrity failed. It may hold imitations of our fields, and is no part of what is shown.
type Opened struct {
	Message       []byte
	Verdict       Verdict
	Changed       bool
	WaitingFor    []string
	Subject       string // decoded, after opening
	PayloadHeader []byte
}

// OpenedMessage is Opened for a message of any size. Close removes its spool files; Message must not be used after it.
type OpenedMessage struct {
	Message       Message
	Verdict       Verdict
	Changed       bool
	WaitingFor    []string
	Subject       string
	PayloadHeader []byte
	workspace     *workspace
}

// Close implements io.Closer. It may be called more than once.
func (o OpenedMessage) Close() error {
	if o.workspace == nil {
		return nil
	}
	return o.workspace.Close()
}
