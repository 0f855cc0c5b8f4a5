// Package seal is the sealed format: what an object looks like at rest, and nothing else.
//
// A data encryption key (DEK), an encryption context and a stream of bytes enter; a sealed stream leaves, and the
// other way round. The package knows no database, no KMS provider, no clock. It promises that a sealed stream opens
// only with its own key and under the context that the *caller* states, and that no byte is released before the
// chunk that holds it was authenticated, and io.EOF only after the final chunk was.
package seal

import (
	"errors"
	"io"
	"time"
)

// The closed set of reasons why something does not open. Context and tampered are never retried.
var (
	ErrDenied      = errors.New("the KMS denied the key")
	ErrDisabled    = errors.New("the key is disabled in the KMS")
	ErrGone        = errors.New("the key or the object is gone")
	ErrUnreachable = errors.New("the KMS cannot be reached")
	ErrThrottled   = errors.New("the KMS throttled the call")
	ErrContext     = errors.New("sealed for another purpose: the encryption context differs")
	ErrTampered    = errors.New("the sealed bytes were altered")
	ErrUnsupported = errors.New("sealed in a format this sealgate does not know")
)

// EncryptionContext says what a sealed object is. It holds identifiers only, never an address or a subject.
type EncryptionContext struct {
	Service string    // the instance id
	Type    string    // the kind: article, secret-key, lease, …
	ID      string    // the object's id
	Version uint32    // the object's version, so that an older one cannot be replayed
	Time    time.Time // when it was sealed, to the millisecond
}

// Hash returns SHA-256 over the length-prefixed fields in a fixed order.
func (c EncryptionContext) Hash() [32]byte { panic("skeleton") }

// Key is 32 secret bytes: a DEK or a KEK. The zero Key is not usable.
type Key struct{ b *[32]byte }

// NewKey reads a fresh key from random.
func NewKey(random io.Reader) (Key, error) { panic("skeleton") }

// KeyFromBytes copies b, which must be 32 bytes, into a Key and wipes b.
func KeyFromBytes(b []byte) (Key, error) { panic("skeleton") }

// Wipe overwrites the key. It may be called more than once.
func (k Key) Wipe() { panic("skeleton") }

// Wrap seals child under k, bound to ec.
func (k Key) Wrap(child Key, ec EncryptionContext, random io.Reader) ([]byte, error) {
	panic("skeleton")
}

// Unwrap opens what Wrap made. It returns ErrTampered when key, blob or context do not fit.
func (k Key) Unwrap(wrapped []byte, ec EncryptionContext) (Key, error) { panic("skeleton") }

// NewWriter returns a writer that seals to dst. Close writes the final chunk and must be called; dst is not closed.
// A Key seals one stream only.
func NewWriter(dst io.Writer, dek Key, ec EncryptionContext, random io.Reader) (io.WriteCloser, error) {
	panic("skeleton")
}

// NewReader returns a reader of the plaintext of src. ec is what the caller expects, never what src claims.
func NewReader(src io.Reader, dek Key, ec EncryptionContext) (io.Reader, error) { panic("skeleton") }
