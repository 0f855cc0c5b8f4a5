// Package pgp is OpenPGP messages (RFC 9580) without mail around them: bytes in, bytes out, and what was found out.
//
// It encrypts, signs, decrypts and verifies streams, with our policy and limits on top of the go-crypto library, for
// package pgpmime and for the command `sealgate sop`. It judges a signature by its key and its time; who the signer is
// to the reader, and what part of a message a signature covers, is the caller's to judge.
//
// It promises that no panic of the library leaves it, that no work on untrusted input is without a limit, and that it
// says Decrypted only after the reader ended cleanly and integrity held: until then what it wrote must not be used
// (EFAIL, CVE-2017-17688). It knows no passphrase-encrypted messages: passphrases are not for mail. It holds no state;
// keys that are given to it must not be shared between calls at the same time, as the library notes in a certificate
// which of its signatures it has checked.
package pgp

import (
	"errors"
	"fmt"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// ErrLibrary wraps a panic of the OpenPGP library on writing; on reading a panic is a verdict.
var ErrLibrary = errors.New("the OpenPGP library failed")

// State is what became of one signature.
type State string

// The states, which are words of the verdict but for Verified: it says that key, time and bytes fit, not who it was.
const (
	Verified    State = "verified"
	ExpiredKey  State = "expired-key"
	RevokedKey  State = "revoked-key"
	UnknownKey  State = "unknown-key"
	Weak        State = "weak"
	Unsupported State = "unsupported"
	Bad         State = "bad"
	Malformed   State = "malformed"
)

// Signature is one signature and what became of it. Signer and KeyID are those of the claim unless State is Verified.
type Signature struct {
	State     State
	Reason    string          // one sentence for people, free of input text, or ""
	Signer    *openpgp.Entity // nil when the certificate is not known
	IssuerID  uint64          // of the key that signed
	Key       *openpgp.Key    // the key that signed, nil when not known or not usable
	Version   int             // of the signature packet: 3, 4, 5 or 6
	Algorithm string          // of the key
	Hash      string
	At        time.Time // when it was made, zero when that is not known
	Text      bool      // over text with line ends that do not count
}

// KeyID is the issuer's key id as 16 upper-case hex digits.
func (s Signature) KeyID() string { return KeyIDText(s.IssuerID) }

// KeyIDText writes a key id as 16 upper-case hex digits.
func KeyIDText(id uint64) string { return fmt.Sprintf("%016X", id) }

// Limits bound the work on untrusted input. Zero values mean the defaults in brackets.
type Limits struct {
	Decompressed int64 // bytes of plaintext [100 MiB]
	Ratio        int64 // times the size of the input; the first MiB is free [100]
	SessionKeys  int   // encrypted session keys in one message [200]
	Trials       int   // session keys without a name times secret keys held: each trial costs up to 3 ms [1000]
	Signatures   int   // each means one more hash of the message [20]
}

// WithDefaults replaces zero values.
func (l Limits) WithDefaults() Limits {
	l.Decompressed = orDefault(l.Decompressed, 100<<20)
	l.Ratio = orDefault(l.Ratio, 100)
	l.SessionKeys = orDefault(l.SessionKeys, 200)
	l.Trials = orDefault(l.Trials, 1000)
	l.Signatures = orDefault(l.Signatures, 20)
	return l
}

func orDefault[N int | int64](n, d N) N {
	if n == 0 {
		return d
	}
	return n
}

// freeOfRatio is how much plaintext is allowed whatever the size of the input: a short mail may well be all blanks.
const freeOfRatio = 1 << 20

// Options are the circumstances of one reading.
type Options struct {
	Now            time.Time
	Limits         Limits
	WithSessionKey bool // keep the session key in the result
}

// clockSkew is how far a signer's clock may be ahead of ours.
const clockSkew = time.Hour

// clock makes an instant the library's clock.
func clock(now time.Time) func() time.Time { return func() time.Time { return now } }
