package seal

import "io"

// Spool makes temporary files that hold their bytes sealed under a key which lives only in this process's memory: a
// crash leaves noise behind. Folders are swept of such noise by NewSpool.
type Spool struct{}

// NewSpool uses folder, creating it with mode 0700, and removes what an earlier process left there.
func NewSpool(folder string) (*Spool, error) { panic("skeleton") }

// SpoolFile is written once, then read any number of times, then removed.
type SpoolFile struct{}

// Create starts a new spool file. It is not safe for concurrent use.
func (s *Spool) Create() (*SpoolFile, error) { panic("skeleton") }

// Write appends plaintext.
func (f *SpoolFile) Write(p []byte) (int, error) { panic("skeleton") }

// Size is the number of plaintext bytes written so far.
func (f *SpoolFile) Size() int64 { panic("skeleton") }

// Reader ends writing and returns a new reader from the start.
func (f *SpoolFile) Reader() (io.ReadCloser, error) { panic("skeleton") }

// Remove deletes the file and wipes its key. It may be called more than once.
func (f *SpoolFile) Remove() error { panic("skeleton") }
