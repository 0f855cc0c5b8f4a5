// Package seal is the sealed format: what an object looks like at rest, and nothing else.
//
// A data encryption key (DEK), an encryption context and a stream of bytes enter; a sealed stream leaves, and the
// other way round. The package knows no database, no KMS provider, no clock. It promises that a sealed stream opens
// only with its own key and under the context that the *caller* states, and that no byte is released before the
// chunk that holds it was authenticated, and io.EOF only after the final chunk was. The format is written down in
// docs/sealed-format.md.
package seal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
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

// Hash returns SHA-256 over the length-prefixed fields in a fixed order. Length prefixes keep "a"+"bc" and "ab"+"c"
// apart without any canonical text form.
func (c EncryptionContext) Hash() [32]byte {
	var b []byte
	for _, field := range []string{c.Service, c.Type, c.ID} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	b = binary.BigEndian.AppendUint32(b, c.Version)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Time.UnixMilli()))
	return sha256.Sum256(b)
}
