package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
)

// keySize is the size of every DEK and KEK, in bytes.
const keySize = 32

// Key is 32 secret bytes: a DEK or a KEK. The zero Key is not usable. Copies share the bytes, so Wipe wipes them all.
type Key struct{ b *[keySize]byte }

// NewKey reads a fresh key from random.
func NewKey(random io.Reader) (Key, error) {
	k := Key{b: new([keySize]byte)}
	if _, err := io.ReadFull(random, k.b[:]); err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	return k, nil
}

// KeyFromBytes copies b, which must be 32 bytes, into a Key and wipes b.
func KeyFromBytes(b []byte) (Key, error) {
	defer clear(b)
	if len(b) != keySize {
		return Key{}, fmt.Errorf("%w: a key has %d bytes, not %d", ErrTampered, keySize, len(b))
	}
	k := Key{b: new([keySize]byte)}
	copy(k.b[:], b)
	return k, nil
}

// Wipe overwrites the key. It may be called more than once, and on the zero Key.
func (k Key) Wipe() {
	if k.b != nil {
		clear(k.b[:])
	}
}

// Wrap seals child under k, bound to ec: a random nonce, then AES-256-GCM with the context's hash as additional data.
func (k Key) Wrap(child Key, ec EncryptionContext, random io.Reader) ([]byte, error) {
	aead, err := newGCM(k.b)
	if err != nil {
		return nil, err
	}
	if child.b == nil {
		return nil, fmt.Errorf("wrap: the key to wrap is empty")
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+keySize+aead.Overhead())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	hash := ec.Hash()
	return aead.Seal(nonce, nonce, child.b[:], hash[:]), nil
}

// Unwrap opens what Wrap made. It returns ErrTampered when key, blob or context do not fit.
func (k Key) Unwrap(wrapped []byte, ec EncryptionContext) (Key, error) {
	aead, err := newGCM(k.b)
	if err != nil {
		return Key{}, err
	}
	if len(wrapped) != aead.NonceSize()+keySize+aead.Overhead() {
		return Key{}, fmt.Errorf("unwrap: %w", ErrTampered)
	}
	nonce, sealed := wrapped[:aead.NonceSize()], wrapped[aead.NonceSize():]
	hash := ec.Hash()
	b, err := aead.Open(nil, nonce, sealed, hash[:])
	if err != nil {
		return Key{}, fmt.Errorf("unwrap: %w", ErrTampered)
	}
	return KeyFromBytes(b)
}

func newGCM(key *[keySize]byte) (cipher.AEAD, error) {
	if key == nil {
		return nil, fmt.Errorf("the key is empty")
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Export returns a copy of the bytes, for a provider that stores its key itself. The caller wipes it.
func (k Key) Export() []byte {
	b := make([]byte, keySize)
	copy(b, k.b[:])
	return b
}
