package seal

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The stream's fixed numbers; docs/sealed-format.md explains each.
const (
	magic         = "SLG1"
	formatVersion = 1
	suiteGCM      = 1  // HKDF-SHA256, AES-256-GCM
	chunkLog2     = 16 // chunks of 64 KiB
	chunkSize     = 1 << chunkLog2
	tagSize       = 16
	saltSize      = 32
	immutableSize = len(magic) + 1 + 1 + 2 + 1 + saltSize + sha256.Size // up to and with the context's hash
	headerSize    = immutableSize + sha256.Size                         // and the commitment
	maxChunks     = 1 << 32
)

// firstBuffer is what a writer or reader begins with: most objects are subjects and short texts, and a list opens 200
// of them. Who needs more gets room for a whole chunk.
const firstBuffer = 8 << 10

// header is the beginning of a sealed stream.
type header struct {
	immutable  []byte // hashed into key and commitment
	commitment [sha256.Size]byte
}

// newHeader writes the immutable part for a context and a fresh salt.
func newHeader(ec EncryptionContext, random io.Reader) (header, error) {
	b := make([]byte, 0, headerSize)
	b = append(b, magic...)
	b = append(b, formatVersion, suiteGCM, 0, 0, chunkLog2)
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(random, salt); err != nil {
		return header{}, fmt.Errorf("seal: %w", err)
	}
	hash := ec.Hash()
	return header{immutable: append(append(b, salt...), hash[:]...)}, nil
}

// readHeader reads a header and checks that this package knows its format.
func readHeader(src io.Reader) (header, error) {
	b := make([]byte, headerSize)
	if _, err := io.ReadFull(src, b); err != nil {
		return header{}, truncated(err)
	}
	if string(b[:len(magic)]) != magic || !bytes.Equal(b[len(magic):len(magic)+5], []byte{formatVersion, suiteGCM, 0, 0, chunkLog2}) {
		return header{}, ErrUnsupported
	}
	h := header{immutable: b[:immutableSize]}
	copy(h.commitment[:], b[immutableSize:])
	return h, nil
}

// derive makes the commitment and the chunk cipher of a stream from its DEK.
func (h header) derive(dek Key) (commitment []byte, chunks cipher.AEAD, err error) {
	if err := dek.usable(); err != nil {
		return nil, nil, err
	}
	hash := sha256.Sum256(h.immutable)
	salt := h.immutable[immutableSize-sha256.Size-saltSize : immutableSize-sha256.Size]
	prk, err := hkdf.Extract(sha256.New, dek.b[:], salt)
	if err != nil {
		return nil, nil, err
	}
	defer clear(prk)
	commitment, err = hkdf.Expand(sha256.New, prk, "sealgate1 commit"+string(hash[:]), sha256.Size)
	if err != nil {
		return nil, nil, err
	}
	key, err := hkdf.Expand(sha256.New, prk, "sealgate1 chunk"+string(hash[:]), keySize)
	if err != nil {
		return nil, nil, err
	}
	defer clear(key)
	chunks, err = newGCM(key)
	return commitment, chunks, err
}

// nonce is the chunk's number and whether it is the last: no two chunks of a stream share one, and no other chunk can
// stand in the last one's place.
func nonce(n uint64, last bool) []byte {
	b := make([]byte, 12)
	binary.BigEndian.PutUint64(b, n)
	if last {
		b[11] = 1
	}
	return b
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTampered
	}
	return err
}
