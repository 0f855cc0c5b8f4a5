// Package keyring keeps OpenPGP certificates and secret keys: parse, judge at a time, merge, store, look up.
//
// Bytes in any OpenPGP form enter; certificates leave, each judged at an instant that the caller names. Certificates
// of one fingerprint are merged packet by packet, as the union of all that the primary key itself signed, so that the
// order of imports does not matter and a revocation once seen stays. Two things follow who comes first: of two
// certificates for one address the first that a person imports is approved and the other waits, and what says nothing
// alone, a bare revocation or a copy without user IDs, is refused until its certificate is known, and then is to be
// imported again. Secret keys are sealed by the KMS and never
// stored otherwise. The package decides nothing about mail and never asks the network. No input makes it panic.
package keyring

import "errors"

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
