package seal

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
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
	saltSize      = 32
	immutableSize = len(magic) + 1 + 1 + 2 + 1 + saltSize + sha256.Size // up to and with the context's hash
	headerSize    = immutableSize + sha256.Size                         // and the commitment
	maxChunks     = 1 << 32
)

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
	if dek.b == nil {
		return nil, nil, errors.New("the key is empty")
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
	chunks, err = newGCM((*[keySize]byte)(key))
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

// writer seals chunk by chunk; a full chunk is held back until it is known not to be the last.
type writer struct {
	dst    io.Writer
	chunks cipher.AEAD
	plain  []byte // up to chunkSize bytes waiting
	sealed []byte
	next   uint64
	err    error
}

// NewWriter returns a writer that seals to dst. Close writes the final chunk and must be called; dst is not closed.
// A Key seals one stream only. The writer is not safe for concurrent use.
func NewWriter(dst io.Writer, dek Key, ec EncryptionContext, random io.Reader) (io.WriteCloser, error) {
	h, err := newHeader(ec, random)
	if err != nil {
		return nil, err
	}
	commitment, chunks, err := h.derive(dek)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if _, err := dst.Write(append(h.immutable, commitment...)); err != nil {
		return nil, err
	}
	return &writer{
		dst: dst, chunks: chunks,
		plain: make([]byte, 0, chunkSize), sealed: make([]byte, 0, chunkSize+chunks.Overhead()),
	}, nil
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 && w.err == nil {
		if len(w.plain) == chunkSize {
			w.flush(false)
			continue
		}
		n := min(len(p), chunkSize-len(w.plain))
		w.plain = append(w.plain, p[:n]...)
		p, written = p[n:], written+n
	}
	return written, w.err
}

// Close writes the final chunk. Writing after it is an error.
func (w *writer) Close() error {
	if w.err == nil {
		w.flush(true)
	}
	clear(w.plain[:cap(w.plain)])
	if w.err != nil {
		return w.err
	}
	w.err = errors.New("seal: the stream is closed")
	return nil
}

func (w *writer) flush(last bool) {
	if w.next >= maxChunks {
		w.err = errors.New("seal: the object is too large")
		return
	}
	w.sealed = w.chunks.Seal(w.sealed[:0], nonce(w.next, last), w.plain, nil)
	w.next, w.plain = w.next+1, w.plain[:0]
	_, w.err = w.dst.Write(w.sealed)
}

// reader opens chunk by chunk.
type reader struct {
	src    io.Reader
	chunks cipher.AEAD
	sealed []byte // one chunk, and one byte more to see whether another follows
	filled int
	plain  []byte // authenticated, not yet read
	next   uint64
	last   bool
	err    error
}

// NewReader returns a reader of the plaintext of src. ec is what the caller expects, never what src claims:
// ErrContext when they differ, ErrTampered for everything altered, ErrUnsupported for another format. The reader is
// not safe for concurrent use.
func NewReader(src io.Reader, dek Key, ec EncryptionContext) (io.Reader, error) {
	h, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	expected := ec.Hash()
	if subtle.ConstantTimeCompare(h.immutable[immutableSize-sha256.Size:], expected[:]) != 1 {
		return nil, ErrContext
	}
	commitment, chunks, err := h.derive(dek)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	if subtle.ConstantTimeCompare(commitment, h.commitment[:]) != 1 {
		return nil, ErrTampered
	}
	return &reader{src: src, chunks: chunks, sealed: make([]byte, chunkSize+chunks.Overhead()+1)}, nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.plain) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.last {
			return 0, io.EOF
		}
		if r.err = r.open(); r.err != nil {
			r.plain = nil
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// open reads and authenticates the next chunk. One byte is read ahead: where none follows, the chunk is the last.
func (r *reader) open() error {
	n, err := io.ReadFull(r.src, r.sealed[r.filled:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	size := r.filled + n
	r.last = size < len(r.sealed)
	if !r.last {
		size--
	}
	r.plain, err = r.chunks.Open(nil, nonce(r.next, r.last), r.sealed[:size], nil)
	if err != nil || r.next >= maxChunks {
		return ErrTampered
	}
	r.next++
	r.filled = 0
	if !r.last {
		r.sealed[0] = r.sealed[size]
		r.filled = 1
	}
	return nil
}
