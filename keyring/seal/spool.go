package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Spool makes temporary files that hold their bytes sealed under a key which lives only in this process's memory. A
// file has no name from the moment it is made, so a crash leaves nothing behind. It is safe for concurrent use.
type Spool struct{ folder string }

// spoolPattern names a spool file for the moment before its name is removed.
const spoolPattern = "spool-*"

// NewSpool uses folder, creating it with mode 0700, and removes what an earlier process left there.
func NewSpool(folder string) (*Spool, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(folder, spoolPattern))
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("spool: %w", err)
		}
	}
	return &Spool{folder: folder}, nil
}

// SpoolFile is written once, then read any number of times, then removed. Writing is not safe for concurrent use;
// readers are independent of each other.
type SpoolFile struct {
	file    *os.File
	key     Key
	context EncryptionContext
	sealing io.WriteCloser
	size    int64
	closed  bool
}

// Create starts a new spool file.
func (s *Spool) Create() (*SpoolFile, error) {
	file, err := os.CreateTemp(s.folder, spoolPattern)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %w", err), file.Close())
	}
	key, err := NewKey(rand.Reader)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f := &SpoolFile{file: file, key: key, context: EncryptionContext{Type: "spool", Time: time.UnixMilli(0)}}
	if f.sealing, err = NewWriter(file, key, f.context, rand.Reader); err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %w", err), f.Remove())
	}
	return f, nil
}

// Write appends plaintext. An error such as "no space left on device" ends the file.
func (f *SpoolFile) Write(p []byte) (int, error) {
	n, err := f.sealing.Write(p)
	f.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("spool: %w", err)
	}
	return n, nil
}

// Size is the number of plaintext bytes written so far.
func (f *SpoolFile) Size() int64 { return f.size }

// Reader ends writing and returns a new reader from the start.
func (f *SpoolFile) Reader() (io.ReadCloser, error) {
	if !f.closed {
		if err := f.sealing.Close(); err != nil {
			return nil, fmt.Errorf("spool: %w", err)
		}
		f.closed = true
	}
	info, err := f.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	r, err := NewReader(io.NewSectionReader(f.file, 0, info.Size()), f.key, f.context)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	return io.NopCloser(r), nil
}

// Remove releases the file and wipes its key. It may be called more than once.
func (f *SpoolFile) Remove() error {
	f.key.Wipe()
	if err := f.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
