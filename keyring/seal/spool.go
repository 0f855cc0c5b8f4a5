package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
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
// buffered, so the error may come from a later Write or from Reader.
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

// Reader ends writing and returns a new reader from the start, which is usable until Remove.
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
