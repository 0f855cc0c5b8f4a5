package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
)

// keySize is the size of every DEK and KEK, in bytes.
const keySize = 32

// Key is 32 secret bytes: a DEK or a KEK. Copies share the bytes, so Wipe wipes them all. The zero Key and a wiped one
// seal nothing and open nothing. Using a Key is safe from several goroutines, wiping it meanwhile is not.
type Key struct{ b *[keySize]byte }

// NewKey reads a fresh key from random.
func NewKey(random io.Reader) (Key, error) {
	k := Key{b: new([keySize]byte)}
	if _, err := io.ReadFull(random, k.b[:]); err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	return k, nil
}

// KeyFromBytes copies b, which must be 32 bytes and not all zero, into a Key and wipes b.
func KeyFromBytes(b []byte) (Key, error) {
	defer clear(b)
	if len(b) != keySize {
		return Key{}, fmt.Errorf("%w: a key has %d bytes, not %d", ErrTampered, keySize, len(b))
	}
	k := Key{b: new([keySize]byte)}
	copy(k.b[:], b)
	if err := k.usable(); err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrTampered, err)
	}
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
	aead, err := k.aead()
	if err := errors.Join(err, child.usable()); err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
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
	aead, err := k.aead()
	if err != nil {
		return Key{}, fmt.Errorf("unwrap: %w", err)
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

// Export returns a copy of the bytes, for a provider that stores its key itself, or nil for the zero Key. The caller
// wipes it.
func (k Key) Export() []byte {
	if k.b == nil {
		return nil
	}
	b := make([]byte, keySize)
	copy(b, k.b[:])
	return b
}

func (k Key) aead() (cipher.AEAD, error) {
	if err := k.usable(); err != nil {
		return nil, err
	}
	return newGCM(k.b[:])
}

// usable refuses a key that is known to everyone: sealing under a wiped one would be sealing in clear.
func (k Key) usable() error {
	if k.b == nil || subtle.ConstantTimeCompare(k.b[:], make([]byte, keySize)) == 1 {
		return errors.New("the key is empty or was wiped")
	}
	return nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
