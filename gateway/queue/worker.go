package queue

import (
	"context"
	"sync"
	"time"
)

// attemptTimeout bounds one delivery. The SMTP client has shorter ones for each step (RFC 5321, section 4.5.3.2).
const attemptTimeout = 30 * time.Minute

// Wake hints that something is due. It never blocks.
func (q *Queue) Wake() {
	select {
	case q.hint() <- struct{}{}:
	default: // a hint is already there
	}
}

func (q *Queue) hint() chan struct{} {
	q.once.Do(q.furnish)
	return q.wake
}

func (q *Queue) board() *board {
	q.once.Do(q.furnish)
	return q.desk
}

func (q *Queue) furnish() {
	q.wake, q.desk = make(chan struct{}, 1), newBoard(q.workers())
}

// Run delivers until ctx ends, then waits for attempts under way (bounded by their own timeouts) and returns nil.
// A database that fails is logged and asked again at the next poll.
func (q *Queue) Run(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	if err := q.loadRests(ctx); err != nil && ctx.Err() == nil {
		q.Log.ErrorContext(ctx, "queue", "error", err)
	}
	working.Go(func() { q.caring(ctx) })
	slots, seen := make(chan struct{}, q.workers()), &picture{}
	for ctx.Err() == nil {
		free := takeSlots(ctx, slots)
		claims := q.next(ctx, seen, free)
		for range free - len(claims) {
			<-slots
		}
		if len(claims) == 0 {
			q.idle(ctx, seen.patience(q.poll()))
			continue
		}
		for _, c := range claims {
			q.board().begin(c)
			working.Go(func() {
				q.attempt(context.WithoutCancel(ctx), c)
				q.board().end(c)
				<-slots
				q.Wake() // more may be due for this destination
			})
		}
	}
	return nil
}

// caring looks after everything but due attempts, at every poll.
func (q *Queue) caring(ctx context.Context) {
	poll := time.NewTicker(q.poll())
	defer poll.Stop()
	for {
		q.care(ctx, q.board().tokens())
		if err := q.loadRests(ctx); err != nil && ctx.Err() == nil {
			q.Log.ErrorContext(ctx, "queue", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		}
	}
}

// takeSlots waits for a free slot, and takes all that are free; none when ctx ended.
func takeSlots(ctx context.Context, slots chan<- struct{}) (n int) {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for n = 1; ; n++ {
		select {
		case slots <- struct{}{}:
		default:
			return n
		}
	}
}

// next returns at most n things to do.
func (q *Queue) next(ctx context.Context, seen *picture, n int) []*claim {
	if ctx.Err() != nil {
		return nil
	}
	err := q.look(ctx, seen)
	var claims []*claim
	if err == nil {
		claims, err = q.claim(ctx, seen, n)
	}
	if err != nil && ctx.Err() == nil {
		q.Log.ErrorContext(ctx, "queue", "error", err)
	}
	return claims
}

// idle waits for a hint, but no longer than that.
func (q *Queue) idle(ctx context.Context, longest time.Duration) {
	wait := time.NewTimer(longest)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-q.hint():
	case <-wait.C:
	}
}

// attempt delivers what was claimed and writes down what came of it.
func (q *Queue) attempt(ctx context.Context, c *claim) {
	delivering, cancel := context.WithTimeout(ctx, attemptTimeout)
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		q.heartbeat(delivering, cancel, c)
	}()
	results := q.deliver(delivering, c)
	cancel()
	<-beating
	q.learn(ctx, c, results)
	q.settleSurely(ctx, c, results)
}

// heartbeat extends the lease until ctx ends. When the lease is lost it cancels the attempt: another process may be
// making it already.
func (q *Queue) heartbeat(ctx context.Context, cancel context.CancelFunc, c *claim) {
	beat := time.NewTicker(q.lease() / 3)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
		ours, err := q.extend(ctx, c)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			q.Log.ErrorContext(ctx, "queue", "queue", c.message.ID, "error", err)
		case !ours:
			q.Log.WarnContext(ctx, "the lease of an attempt was lost; the attempt is cancelled", "queue", c.message.ID)
			cancel()
		}
	}
}

func (q *Queue) workers() int {
	if q.Workers > 0 {
		return q.Workers
	}
	return 40
}

func (q *Queue) poll() time.Duration {
	if q.Poll > 0 {
		return q.Poll
	}
	return 2 * time.Second
}
