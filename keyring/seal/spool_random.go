package seal

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
)

// randomAccess opens the chunks of one spool file in any order. It keeps the one opened last, in one buffer of 64 KiB at
// most, so that many small reads in a row open each chunk once.
type randomAccess struct {
	chunks cipher.AEAD // nil until the first read
	buffer []byte
	number uint64 // of the chunk in plain
	plain  []byte // a part of buffer: authenticated; nil when no chunk is open
}

// ReadAt implements io.ReaderAt. It ends writing, and is usable until Remove. Reading several places in turn, from one
// goroutine or several, opens a chunk of 64 KiB for each change of place. Bytes that were altered on the disk, or are
// missing there, are ErrTampered; those of other chunks can still be read.
func (f *SpoolFile) ReadAt(p []byte, off int64) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.endWriting(); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, errors.New("spool: read before the start")
	}
	for n < len(p) {
		at := off + int64(n)
		if at >= f.size {
			return n, io.EOF
		}
		chunk, err := f.chunk(uint64(at >> chunkLog2))
		if err != nil {
			return n, fmt.Errorf("spool: %w", err)
		}
		n += copy(p[n:], chunk[at&(chunkSize-1):])
	}
	return n, nil
}

// chunk returns the plaintext of a chunk. Which one is the last is known from what was written, not asked of the disk.
func (f *SpoolFile) chunk(number uint64) ([]byte, error) {
	r := &f.random
	if r.plain != nil && r.number == number {
		return r.plain, nil
	}
	if err := f.prepareChunks(); err != nil {
		return nil, err
	}
	start := int64(number) << chunkLog2
	size := min(chunkSize, f.size-start)
	if r.plain = nil; r.buffer == nil {
		r.buffer = make([]byte, min(chunkSize, f.size)+tagSize)
	}
	sealed := r.buffer[:size+tagSize]
	if _, err := f.file.ReadAt(sealed, int64(headerSize)+int64(number)*(chunkSize+tagSize)); err != nil {
		return nil, truncated(err)
	}
	plain, err := r.chunks.Open(sealed[:0], nonce(number, start+size == f.size), sealed, nil)
	if err != nil {
		return nil, ErrTampered
	}
	r.number, r.plain = number, plain
	return plain, nil
}

// prepareChunks derives the cipher, once, from what the file begins with. When that was altered no chunk opens.
func (f *SpoolFile) prepareChunks() error {
	if f.random.chunks != nil {
		return nil
	}
	h, err := readHeader(io.NewSectionReader(f.file, 0, int64(headerSize)))
	if errors.Is(err, ErrUnsupported) { // it was ours when it was written
		return ErrTampered
	}
	if err != nil {
		return err
	}
	_, f.random.chunks, err = h.derive(f.key)
	return err
}

// wipe forgets cipher and plaintext.
func (r *randomAccess) wipe() {
	clear(r.buffer[:cap(r.buffer)])
	*r = randomAccess{}
}
