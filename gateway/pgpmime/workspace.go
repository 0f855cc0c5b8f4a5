package pgpmime

import (
	"errors"
	"fmt"
	"io"
)

// Spool makes a place for what is larger than memory should hold. A nil Spool keeps everything in memory.
type Spool func() (SpoolFile, error)

// SpoolFile is written once, from the start, then read at any place, by several at the same time, until it is removed.
type SpoolFile interface {
	io.Writer
	io.ReaderAt
	Remove() error
}

// workspace is where one opening or protection keeps what it makes. It is not safe for concurrent use.
type workspace struct {
	spool Spool
	files []SpoolFile
}

// Close removes the spool files. What was made in the workspace must not be read any more.
func (ws *workspace) Close() error {
	var failed error
	for _, f := range ws.files {
		failed = errors.Join(failed, f.Remove())
	}
	ws.files = nil
	return failed
}

// spoolOver is how much one sink holds in memory before it goes to the spool.
const spoolOver = 1 << 20

// sink takes bytes that become a Message. A failed write is remembered: message returns it.
type sink struct {
	ws     *workspace
	memory []byte
	file   SpoolFile
	size   int64
	err    error
}

func (ws *workspace) sink() *sink { return &sink{ws: ws} }

// sinkFor is a sink with room for about size bytes.
func (ws *workspace) sinkFor(size int64) *sink {
	return &sink{ws: ws, memory: make([]byte, 0, min(size, spoolOver))}
}

// Write implements io.Writer.
func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.file == nil && s.ws.spool != nil && len(s.memory)+len(p) > spoolOver {
		s.spill()
	}
	if s.err == nil && s.file != nil {
		_, err := s.file.Write(p)
		s.fail(err)
	} else if s.err == nil {
		s.memory = append(s.memory, p...)
	}
	if s.err != nil {
		return 0, s.err
	}
	s.size += int64(len(p))
	return len(p), nil
}

// WriteString implements io.StringWriter.
func (s *sink) WriteString(text string) (int, error) { return s.Write([]byte(text)) }

// spill moves what is in memory to a new spool file.
func (s *sink) spill() {
	f, err := s.ws.spool()
	if err != nil {
		s.fail(err)
		return
	}
	s.ws.files, s.file = append(s.ws.files, f), f
	_, err = f.Write(s.memory)
	s.fail(err)
	s.memory = nil
}

func (s *sink) fail(err error) {
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("%w: %w", errSpool, err)
	}
}

// message is what was written. Nothing may be written after it.
func (s *sink) message() (Message, error) {
	switch {
	case s.err != nil:
		return Message{}, s.err
	case s.file != nil:
		return At(s.file, s.size), nil
	}
	return Of(s.memory), nil
}
