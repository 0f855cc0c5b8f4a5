// Package batch lets many writers share one commit.
//
// A commit waits for the disk, and most of its time is that wait. Functions that write in a transaction enter; while
// one commit is under way those that come meanwhile gather, and run one after another in the next transaction, each in a
// savepoint of its own. So the first writer never waits for others to come, and a hundred at once wait for the disk
// twice instead of a hundred times. What one of them does wrong is undone alone. Nobody is told of success before the
// commit they share was durable; when it fails, all of them are told so.
package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gorm.io/gorm"
)

// ErrPanic says that a writer panicked; what it wrote is undone.
var ErrPanic = errors.New("a writer panicked")

// Writer runs writers in shared transactions of one database. It is safe for concurrent use and has no goroutine: of
// those that wait one does the work of all. Fill DB before the first use.
type Writer struct {
	DB   *gorm.DB
	Most int // writers in one transaction; 0 means 64

	mu      sync.Mutex
	working bool
	waiting []*write
}

const most = 64

// write is one writer's turn.
type write struct {
	do   func(tx *gorm.DB) error
	err  error
	done chan struct{} // closed when err counts
	lead chan struct{} // closed when this one is to do the work of all that wait
}

// Do runs write in a transaction that others may share, and returns after its commit. ctx ends the wait for a turn, not
// the turn itself: write gets a transaction whose context never ends, and must use no other, because interrupting a
// statement would undo what the others wrote (SQLite). write must be quick and must not call Do.
func (w *Writer) Do(ctx context.Context, do func(tx *gorm.DB) error) error {
	mine := &write{do: do, done: make(chan struct{}), lead: make(chan struct{})}
	if w.queue(mine) {
		w.work(context.WithoutCancel(ctx))
		<-mine.done
		return mine.err
	}
	select {
	case <-mine.done:
		return mine.err
	case <-mine.lead:
		w.work(context.WithoutCancel(ctx))
		<-mine.done
		return mine.err
	case <-ctx.Done():
	}
	return w.leave(ctx, mine)
}

// queue takes a place; first tells that nobody is working.
func (w *Writer) queue(mine *write) (first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, mine)
	first = !w.working
	w.working = true
	return first
}

// leave gives a place up, unless the turn has come.
func (w *Writer) leave(ctx context.Context, mine *write) error {
	w.mu.Lock()
	for i, other := range w.waiting {
		if other != mine {
			continue
		}
		select {
		case <-mine.lead: // the others count on us
		default:
			w.waiting = append(w.waiting[:i], w.waiting[i+1:]...)
			w.mu.Unlock()
			return ctx.Err()
		}
	}
	w.mu.Unlock()
	select {
	case <-mine.lead:
		w.work(context.WithoutCancel(ctx))
	case <-mine.done:
	}
	<-mine.done
	return mine.err
}

// work runs those that wait in one transaction, then hands the work to one of those that came meanwhile.
func (w *Writer) work(ctx context.Context) {
	turn := w.take()
	w.commit(ctx, turn)
	for _, t := range turn {
		close(t.done)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.working = false
		return
	}
	close(w.waiting[0].lead)
}

func (w *Writer) take() []*write {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.Most
	if n <= 0 {
		n = most
	}
	n = min(n, len(w.waiting))
	turn := w.waiting[:n:n]
	w.waiting = w.waiting[n:]
	return turn
}

// commit runs a turn. When the transaction as a whole fails, nobody's writing counts.
func (w *Writer) commit(ctx context.Context, turn []*write) {
	err := w.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if len(turn) == 1 {
			return turn[0].guarded(tx)
		}
		for _, t := range turn {
			t.err = tx.Transaction(t.guarded) // a savepoint
		}
		return nil
	})
	if err == nil {
		return
	}
	if len(turn) == 1 {
		turn[0].err = err
		return
	}
	for _, t := range turn {
		if t.err == nil {
			t.err = fmt.Errorf("commit: %w", err)
		}
	}
}

// guarded keeps a panic of one from undoing what the others wrote, and from leaving them without an answer.
func (t *write) guarded(tx *gorm.DB) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %T", ErrPanic, p)
		}
	}()
	return t.do(tx)
}
