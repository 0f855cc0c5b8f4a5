// Package keyring keeps OpenPGP certificates and secret keys: parse, judge at a time, merge, store, look up.
//
// Bytes in any OpenPGP form enter; certificates leave, each judged at an instant that the caller names. Certificates
// of one fingerprint are merged packet by packet, and a revocation once seen stays. Secret keys are sealed by the KMS
// and never stored otherwise. The package decides nothing about mail and never asks the network.
package keyring

import (
	"context"
	"errors"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
)

// Errors that callers branch on.
var (
	ErrNotFound        = errors.New("no such certificate")
	ErrNoSecret        = errors.New("no secret key is held for this certificate")
	ErrPassphrase      = errors.New("the passphrase does not unlock this secret key")
	ErrNeedsPassphrase = errors.New("this secret key needs its passphrase")
)

// State tells whether policy or a person accepted a certificate.
type State string

// The states.
const (
	Approved State = "approved"
	Proposed State = "proposed"
	Blocked  State = "blocked"
)

// Source tells where a certificate came from.
type Source string

// The sources in use.
const (
	Imported  Source = "import"
	Generated Source = "generated"
)

// UserID is one user ID of a certificate. Address is its one addr-spec, canonical (domain lower-cased, A-labels), or
// "" when it holds none.
type UserID struct {
	Text    string
	Address string
	Revoked bool
	Valid   bool // has a valid self-signature at the time of judging
}

// Subkey is one key below the primary.
type Subkey struct {
	Fingerprint string
	KeyID       string
	Algorithm   string
	Created     time.Time
	Expires     time.Time // zero means never
	Revoked     bool
	CanSign     bool
	CanEncrypt  bool
}

// Certificate is one OpenPGP certificate as the keyring knows it. Entity holds public packets only.
type Certificate struct {
	Fingerprint string // upper-case hex, 40 digits (v4) or 64 (v6)
	KeyID       string // 16 upper-case hex digits
	Version     int
	Algorithm   string // "Ed25519", "RSA 3072", …
	Created     time.Time
	Expires     time.Time // zero means never
	Revoked     bool
	UserIDs     []UserID
	Subkeys     []Subkey
	HasSecret   bool
	State       State
	Source      Source
	ImportedAt  time.Time
	UpdatedAt   time.Time
	Entity      *openpgp.Entity
}

// Addresses returns the canonical addresses of the valid user IDs, without repetition.
func (c *Certificate) Addresses() []string { panic("skeleton") }

// Reason is why a certificate can't be used for a purpose at an instant.
type Reason string

// The reasons; "" means usable.
const (
	Usable        Reason = ""
	Expired       Reason = "expired"
	RevokedKey    Reason = "revoked"
	NotYetValid   Reason = "not yet valid"
	NoEncryption  Reason = "cannot encrypt"
	NoSigning     Reason = "cannot sign"
	NotApproved   Reason = "not approved"
	BlockedByUs   Reason = "blocked"
	NoSecretKey   Reason = "no secret key"
	NoCertificate Reason = "no certificate"
	Weak          Reason = "too weak"
)

// ForEncryption judges whether a message may be encrypted to c at an instant. State counts.
func (c *Certificate) ForEncryption(at time.Time) Reason { panic("skeleton") }

// ForSigning judges whether we may sign with c at an instant: a secret key is held, approved, valid.
func (c *Certificate) ForSigning(at time.Time) Reason { panic("skeleton") }

// Armored and Binary return the public certificate in its two forms; armor carries no version or comment.
func (c *Certificate) Armored() ([]byte, error) { panic("skeleton") }

// Binary returns the public packets.
func (c *Certificate) Binary() ([]byte, error) { panic("skeleton") }

// CanonicalAddress parses one addr-spec strictly and returns it with a lower-case A-label domain and its local part
// as it is; comparing addresses means comparing these with the local part folded to lower case by Fold.
func CanonicalAddress(addrSpec string) (string, error) { panic("skeleton") }

// Fold returns a canonical address with its local part lower-cased: the form in which addresses are compared.
func Fold(address string) string { panic("skeleton") }

// Item is one block of an input: a certificate, possibly with its secret key, or the reason why it was not taken.
type Item struct {
	Index       int // position in the input, from 1
	Certificate *Certificate
	HasSecret   bool
	Locked      bool // the secret key needs a passphrase
	Err         error
}

// Parse reads armored or binary input holding one or many certificates or secret keys; at is the instant at which
// what it reports is judged. It never fails as a whole unless nothing in the input is OpenPGP: then the error is a
// sentence for people. Limits: input 1 MiB, certificate 256 KiB, 100 user IDs, 50 subkeys, RSA up to 8192 bits,
// Argon2 S2K up to 256 MiB.
func Parse(input []byte, at time.Time) ([]*Item, error) { panic("skeleton") }

// Unlock opens the item's secret key: ErrNeedsPassphrase, ErrPassphrase, or an error when secret and public half do
// not belong together. It does nothing for an item without a secret key.
func (i *Item) Unlock(passphrase []byte) error { panic("skeleton") }

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
	Details     []string // "new subkey 1234…", "secret key added", "revoked"
	Sentence    string   // for refused: what is wrong and what to do
}

// Store keeps certificates in one database. It is safe for concurrent use.
type Store struct{}

// NewStore returns the keyring in db whose secret keys k seals.
func NewStore(db *gorm.DB, k *kms.Keeper) *Store { panic("skeleton") }

// Merge brings an unlocked item into the keyring inside tx: by fingerprint, revocations sticky. A certificate whose
// address another approved certificate already holds is stored as Proposed unless approve is set; everything imported
// by a person has approve set.
func (s *Store) Merge(ctx context.Context, tx *gorm.DB, item *Item, source Source, approve bool, at time.Time) (Change, error) {
	panic("skeleton")
}

// Get returns the certificate with this fingerprint, judged at an instant, or ErrNotFound.
func (s *Store) Get(ctx context.Context, fingerprint string, at time.Time) (*Certificate, error) {
	panic("skeleton")
}

// Filter selects certificates for a list. Query matches a part of an address or of a fingerprint.
type Filter struct {
	Query      string
	SecretOnly bool
	Limit      int // at most 500; 0 means 100
	Offset     int
}

// List returns certificates, newest change first, and the total number that match.
func (s *Store) List(ctx context.Context, f Filter, at time.Time) ([]*Certificate, int64, error) {
	panic("skeleton")
}

// ByAddress returns all certificates that have a valid user ID with one of these addresses, keyed by the address as
// given. Two queries for any number of addresses.
func (s *Store) ByAddress(ctx context.Context, addresses []string, at time.Time) (map[string][]*Certificate, error) {
	panic("skeleton")
}

// ByKeyID returns all certificates that hold a key with one of these ids (16 upper-case hex digits).
func (s *Store) ByKeyID(ctx context.Context, keyIDs []string, at time.Time) ([]*Certificate, error) {
	panic("skeleton")
}

// Secret opens the sealed secret key of a certificate, merged with its current public packets, unlocked. The caller
// drops it as soon as it is used. ErrNoSecret when none is held.
func (s *Store) Secret(ctx context.Context, fingerprint string) (*openpgp.Entity, error) {
	panic("skeleton")
}

// SetState approves, proposes or blocks a certificate.
func (s *Store) SetState(ctx context.Context, tx *gorm.DB, fingerprint string, state State, at time.Time) error {
	panic("skeleton")
}

// Delete removes a certificate and shreds its secret key.
func (s *Store) Delete(ctx context.Context, tx *gorm.DB, fingerprint string) error { panic("skeleton") }

// Rejected is a candidate that Choose passed over, with the reason.
type Rejected struct {
	Certificate *Certificate
	Reason      Reason
}

// Choose picks the certificate to encrypt to among the candidates for one address: approved and usable, newest first.
// An expired newer one never hides an older usable one. best is nil when none is usable.
func Choose(candidates []*Certificate, at time.Time) (best *Certificate, rejected []Rejected) {
	panic("skeleton")
}

// Generate makes a v4 key (Ed25519 primary and signing, Cv25519 encryption subkey, legacy ids, which every GnuPG
// reads) for one user ID. The item is unlocked and ready for Merge. lifetime 0 means no expiry.
func Generate(name, address string, lifetime time.Duration, at time.Time) (*Item, error) {
	panic("skeleton")
}

// ExportSecret returns the armored secret key protected by passphrase, which must not be empty.
func ExportSecret(secret *openpgp.Entity, passphrase []byte) ([]byte, error) { panic("skeleton") }
