// Package memory bounds what messages take of it at once.
//
// Who works on a message says how large it is and how many times over it will stand in memory meanwhile, and waits until
// there is room among all the others. Waiting is in order, so that nobody is forgotten. What is larger than the whole
// budget goes alone. It is an estimate kept by everybody who holds messages, not a measurement.
package memory

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Budget is what all messages together may take, in bytes. The nil Budget has no bound. It is safe for concurrent use.
type Budget struct {
	total int64
	room  *semaphore.Weighted
}

// NewBudget makes a budget; total must be positive.
func NewBudget(total int64) *Budget {
	return &Budget{total: total, room: semaphore.NewWeighted(total)}
}

// Hold waits for room for so many copies of size bytes. The error is ctx's. release gives the room back; call it once.
func (b *Budget) Hold(ctx context.Context, size int64, copies int64) (release func(), err error) {
	if b == nil {
		return func() {}, nil
	}
	n := min(size, b.total) * copies
	n = min(n, b.total)
	if err := b.room.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { b.room.Release(n) }, nil
}
