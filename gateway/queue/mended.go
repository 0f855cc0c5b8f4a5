package queue

import (
	"context"
	"fmt"
)

// Mended ends the rest of a destination, because a person changed what kept it from being reached: what waits is tried now, and
// not after up to half an hour. Call Wake then. Other processes learn it when they next read the rests.
func (q *Queue) Mended(ctx context.Context, destination string) error {
	b := q.board()
	b.learning.Lock()
	defer b.learning.Unlock()
	if err := q.endRest(ctx, destination); err != nil {
		return fmt.Errorf("end rest: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.rests, destination)
	return nil
}
