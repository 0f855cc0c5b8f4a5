package seal

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
)

// writer seals chunk by chunk; a full chunk is held back until it is known not to be the last.
type writer struct {
	dst    io.Writer
	chunks cipher.AEAD
	plain  []byte // up to chunkSize bytes waiting; sealed in place
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
	return &writer{dst: dst, chunks: chunks, plain: make([]byte, 0, firstBuffer)}, nil
}

// Write implements io.Writer. After an error the stream cannot be continued.
func (w *writer) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 && w.err == nil {
		if len(w.plain) == chunkSize {
			w.flush(false)
			continue
		}
		n := min(len(p), chunkSize-len(w.plain))
		w.room(n)
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

// room makes place for n more bytes and their tag, and leaves no plaintext in the smaller buffer.
func (w *writer) room(n int) {
	if len(w.plain)+n+tagSize <= cap(w.plain) {
		return
	}
	small := w.plain
	w.plain = append(make([]byte, 0, chunkSize+tagSize), small...)
	clear(small)
}

func (w *writer) flush(last bool) {
	if w.next >= maxChunks {
		w.err = errors.New("seal: the object is too large")
		return
	}
	sealed := w.chunks.Seal(w.plain[:0], nonce(w.next, last), w.plain, nil)
	w.next, w.plain = w.next+1, w.plain[:0]
	_, w.err = w.dst.Write(sealed)
}
