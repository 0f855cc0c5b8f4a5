package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Spool makes temporary files that hold their bytes sealed under a key of their own which lives only in this process's
// memory. A file (mode 0600) has no name from the moment it is made, so a crash leaves nothing behind. It is safe for
// concurrent use, and several processes may share a folder.
type Spool struct{ folder string }

// spoolPrefix begins the name that a spool file has for the moment before its name is removed.
const spoolPrefix = "spool-"

// NewSpool uses folder, creating it with mode 0700 when it is missing, and removes what a process left there that
// died between making a file and removing its name.
func NewSpool(folder string) (*Spool, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), spoolPrefix) {
			continue
		}
		if err := unlink(filepath.Join(folder, e.Name())); err != nil {
			return nil, err
		}
	}
	return &Spool{folder: folder}, nil
}

// unlink removes a name that another process's sweep may have removed already.
func unlink(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// SpoolFile is written once, then read any number of times, then removed. It is safe for concurrent use, though only one
// should write; readers are independent of each other.
type SpoolFile struct {
	file    *os.File
	key     Key
	context EncryptionContext

	mu      sync.Mutex     // guards what follows
	sealing io.WriteCloser // nil once writing has ended
	size    int64
	random  randomAccess
}

// Create starts a new spool file. The caller must Remove it.
func (s *Spool) Create() (*SpoolFile, error) {
	file, err := os.CreateTemp(s.folder, spoolPrefix+"*")
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := unlink(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	key, err := NewKey(rand.Reader)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %w", err), file.Close())
	}
	f := &SpoolFile{file: file, key: key, context: EncryptionContext{Type: "spool", Time: time.UnixMilli(0)}}
	if f.sealing, err = NewWriter(file, key, f.context, rand.Reader); err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %w", err), f.Remove())
	}
	return f, nil
}

// Write appends plaintext. An error, such as syscall.ENOSPC on a full disk, ends the file: it cannot be read. Bytes are
// buffered, so the error may come from a later Write or from Reader. After the first Reader or ReadAt writing is an error.
func (f *SpoolFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sealing == nil {
		return 0, errors.New("spool: written after it was read")
	}
	n, err := f.sealing.Write(p)
	f.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("spool: %w", err)
	}
	return n, nil
}

// Size is the number of plaintext bytes written so far.
func (f *SpoolFile) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// endWriting seals the last chunk, unless that was done. The writer's buffer goes.
func (f *SpoolFile) endWriting() error {
	if f.sealing == nil {
		return nil
	}
	if err := f.sealing.Close(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	f.sealing = nil
	return nil
}

// Reader ends writing and returns a new reader from the start, which is usable until Remove.
func (f *SpoolFile) Reader() (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.endWriting(); err != nil {
		return nil, err
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

// Remove releases the file and wipes its key and what was read. It may be called more than once.
func (f *SpoolFile) Remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.random.wipe()
	f.key.Wipe()
	if err := f.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
