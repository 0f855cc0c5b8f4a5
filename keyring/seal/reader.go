package seal

import (
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
)

// reader opens chunk by chunk, in one buffer: a sealed chunk and one byte of what follows it.
type reader struct {
	src    io.Reader
	chunks cipher.AEAD
	buffer []byte
	plain  []byte // a part of buffer: authenticated, not yet read
	ahead  int    // where in buffer the byte after the chunk is; 0 before the first chunk
	next   uint64
	last   bool
	err    error
}

// NewReader returns a reader of the plaintext of src. ec is what the caller expects, never what src claims:
// ErrContext when they differ, ErrTampered for everything altered, ErrUnsupported for another format; errors of src
// come through as they are. The reader is not safe for concurrent use.
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
	return &reader{src: src, chunks: chunks, buffer: make([]byte, firstBuffer)}, nil
}

// Read implements io.Reader. io.EOF comes only after the last chunk was authenticated and nothing followed it.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.plain) == 0 {
		if r.err == nil && r.last {
			r.err = io.EOF
		}
		if r.err == nil {
			r.err = r.open()
		}
		if r.err != nil {
			clear(r.buffer)
			r.plain = nil
			return 0, r.err
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// open reads and authenticates the next chunk. One byte is read ahead: where none follows, the chunk is the last.
func (r *reader) open() error {
	size, err := r.fill()
	if err != nil {
		return err
	}
	r.last = size <= chunkSize+tagSize
	if !r.last {
		size--
	}
	if r.next >= maxChunks || (r.next > 0 && size == tagSize) { // only an empty object has an empty chunk
		return ErrTampered
	}
	r.plain, err = r.chunks.Open(r.buffer[:0], nonce(r.next, r.last), r.buffer[:size], nil)
	if err != nil {
		return ErrTampered
	}
	r.next, r.ahead = r.next+1, size
	return nil
}

// fill reads a whole sealed chunk and one byte more, or what there is.
func (r *reader) fill() (int, error) {
	filled := 0
	if r.ahead > 0 {
		r.buffer[0] = r.buffer[r.ahead]
		filled = 1
	}
	for {
		n, err := io.ReadFull(r.src, r.buffer[filled:])
		filled += n
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return filled, nil
		}
		if err != nil || filled == chunkSize+tagSize+1 {
			return filled, err
		}
		r.buffer = append(r.buffer, make([]byte, chunkSize+tagSize+1-len(r.buffer))...)
	}
}
