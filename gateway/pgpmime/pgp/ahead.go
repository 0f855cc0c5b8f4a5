package pgp

import "errors"

// aheadWriter writes on a goroutine of its own, some pieces behind the caller, so that cipher and armor work at the same
// time. What is short never starts the goroutine. It has ended when Close returns.
type aheadWriter struct {
	w interface{ Write([]byte) (int, error) }

	piece  []byte
	full   chan []byte
	empty  chan []byte
	done   chan error
	closed bool
}

const (
	aheadPiece  = 64 << 10
	aheadPieces = 4
)

func (a *aheadWriter) Write(p []byte) (n int, err error) {
	if a.closed {
		return 0, errors.New("write after close")
	}
	for n < len(p) {
		if len(a.piece) == aheadPiece {
			a.pass()
		}
		if a.piece == nil {
			a.piece = make([]byte, 0, min(aheadPiece, len(p)-n+1<<10))
		}
		m := min(len(p)-n, aheadPiece-len(a.piece))
		a.piece = append(a.piece, p[n:n+m]...)
		n += m
	}
	return n, nil
}

// pass hands a full piece over and takes an empty one.
func (a *aheadWriter) pass() {
	if a.full == nil {
		a.start()
	}
	a.full <- a.piece
	a.piece = (<-a.empty)[:0]
}

func (a *aheadWriter) start() {
	a.full, a.empty, a.done = make(chan []byte, aheadPieces), make(chan []byte, aheadPieces+1), make(chan error, 1)
	for range aheadPieces {
		a.empty <- make([]byte, 0, aheadPiece)
	}
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
	if a.closed {
		return nil
	}
	a.closed = true
	if a.full != nil {
		a.full <- a.piece
		close(a.full)
		return <-a.done
	}
	_, err := a.w.Write(a.piece)
	return err
}
