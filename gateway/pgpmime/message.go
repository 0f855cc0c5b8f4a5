package pgpmime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"
)

// Message is the bytes of a message or an entity: in memory, in a spool, or pieces of both. It is cut and joined without
// copying. It never changes; it may be read by several at the same time, as long as what lies under it may. The zero
// Message is empty.
type Message struct {
	pieces []piece
	size   int64
}

// piece is a run of bytes that lie together. The first byte of the piece is byte at of the message.
type piece struct {
	at, size int64
	memory   []byte
	store    io.ReaderAt
	offset   int64 // of the first byte in store
}

// errSpool wraps the errors of reading and writing what waits in a spool. They say nothing about the message.
var errSpool = errors.New("spool of a message")

// Of is the message in b, which must not be changed afterwards.
func Of(b []byte) Message {
	if len(b) == 0 {
		return Message{}
	}
	return Message{pieces: []piece{{size: int64(len(b)), memory: b}}, size: int64(len(b))}
}

// At is the message in the first size bytes of r.
func At(r io.ReaderAt, size int64) Message {
	if size == 0 {
		return Message{}
	}
	return Message{pieces: []piece{{size: size, store: r}}, size: size}
}

// Size is the number of bytes.
func (m Message) Size() int64 { return m.size }

// Reader reads from the start.
func (m Message) Reader() io.Reader { return io.NewSectionReader(m, 0, m.size) }

// Bytes is the whole message in memory. It copies only what does not lie in one piece of memory.
func (m Message) Bytes() ([]byte, error) {
	if m.size == 0 {
		return nil, nil
	}
	if len(m.pieces) == 1 && m.pieces[0].memory != nil {
		return m.pieces[0].memory, nil
	}
	b := make([]byte, m.size)
	if _, err := io.ReadFull(m.Reader(), b); err != nil {
		return nil, err
	}
	return b, nil
}

// ReadAt implements io.ReaderAt.
func (m Message) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("read before the start of a message")
	}
	i := sort.Search(len(m.pieces), func(i int) bool { return m.pieces[i].at+m.pieces[i].size > off })
	for ; i < len(m.pieces) && n < len(p); i++ {
		got, err := m.pieces[i].readAt(p[n:], off+int64(n)-m.pieces[i].at)
		if n += got; err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readAt reads from byte off of the piece to its end, or until p is full.
func (c piece) readAt(p []byte, off int64) (int, error) {
	want := int(min(int64(len(p)), c.size-off))
	if c.memory != nil {
		return copy(p[:want], c.memory[off:]), nil
	}
	n, err := c.store.ReadAt(p[:want], c.offset+off)
	if n == want {
		return n, nil
	}
	return n, fmt.Errorf("%w: %w", errSpool, errors.Join(err, io.ErrUnexpectedEOF))
}

// WriteTo implements io.WriterTo.
func (m Message) WriteTo(w io.Writer) (written int64, err error) {
	for _, c := range m.pieces {
		n, err := c.writeTo(w)
		if written += n; err != nil {
			return written, err
		}
	}
	return written, nil
}

// copyBuffer is how much of a spool is in memory at a time.
const copyBuffer = 16 << 10

func (c piece) writeTo(w io.Writer) (int64, error) {
	if c.memory != nil {
		n, err := w.Write(c.memory)
		return int64(n), err
	}
	buffer := make([]byte, min(copyBuffer, c.size))
	for at := int64(0); at < c.size; {
		n, err := c.readAt(buffer, at)
		if err != nil {
			return at, err
		}
		if _, err := w.Write(buffer[:n]); err != nil {
			return at, err
		}
		at += int64(n)
	}
	return c.size, nil
}

// slice is the bytes from start up to end. An end before the start is none.
func (m Message) slice(start, end int64) Message {
	var out Message
	for _, c := range m.pieces {
		from, to := max(start, c.at), min(end, c.at+c.size)
		if from >= to {
			continue
		}
		cut := piece{at: out.size, size: to - from, store: c.store, offset: c.offset + from - c.at}
		if c.memory != nil {
			cut.memory = c.memory[from-c.at : to-c.at : to-c.at]
		}
		out.pieces, out.size = append(out.pieces, cut), out.size+cut.size
	}
	return out
}

// joined is the messages one after the other.
func joined(all ...Message) Message {
	var out Message
	for _, m := range all {
		for _, c := range m.pieces {
			c.at, out.size = out.size, out.size+c.size
			out.pieces = append(out.pieces, c)
		}
	}
	return out
}

// beginning is the first bytes of the message, at most max of them.
func (m Message) beginning(max int) ([]byte, error) {
	b := make([]byte, min(int64(max), m.size))
	if _, err := m.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// endsWith tells whether the message ends with a line end.
func (m Message) endsWithLine() (bool, error) {
	if m.size == 0 {
		return false, nil
	}
	var last [1]byte
	if _, err := m.ReadAt(last[:], m.size-1); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.Equal(last[:], []byte("\n")), nil
}
