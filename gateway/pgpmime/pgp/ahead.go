package pgp

import (
	"errors"
	"io"
)

// aheadWriter writes on a goroutine of its own, some pieces behind the caller, so that cipher and armor work at the same
// time. What is short never starts the goroutine. It has ended when Close returns.
type aheadWriter struct {
	w io.Writer

	written int    // directly, before the goroutine was started
	piece   []byte // is being filled
	full    chan []byte
	empty   chan []byte
	done    chan error
	err     error
	closed  bool
}

const (
	aheadPiece  = 64 << 10
	aheadPieces = 4
)

func (a *aheadWriter) Write(p []byte) (n int, err error) {
	switch {
	case a.closed:
		return 0, errors.New("write after close")
	case a.err != nil:
		return 0, a.err
	case a.full == nil && a.written < aheadPiece:
		n, a.err = a.w.Write(p)
		a.written += n
		return n, a.err
	case a.full == nil:
		a.start()
	}
	for n < len(p) {
		m := min(len(p)-n, aheadPiece-len(a.piece))
		a.piece = append(a.piece, p[n:n+m]...)
		if n += m; len(a.piece) == aheadPiece {
			a.full <- a.piece
			a.piece = (<-a.empty)[:0]
		}
	}
	return n, nil
}

func (a *aheadWriter) start() {
	a.full, a.empty, a.done = make(chan []byte, aheadPieces), make(chan []byte, aheadPieces+1), make(chan error, 1)
	for range aheadPieces {
		a.empty <- make([]byte, 0, aheadPiece)
	}
	a.piece = make([]byte, 0, aheadPiece)
	go func() {
		var failed error
		for piece := range a.full {
			if failed == nil {
				_, failed = a.w.Write(piece)
			}
			a.empty <- piece
		}
		a.done <- failed
	}()
}

// Close writes what is left and returns the first error of writing.
func (a *aheadWriter) Close() error {
	if a.closed || a.full == nil {
		a.closed = true
		return a.err
	}
	a.closed = true
	a.full <- a.piece
	close(a.full)
	return <-a.done
}
