package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// How a destination that cannot be reached is spared.
const (
	firstRest   = time.Minute
	longestRest = 30 * time.Minute
	probes      = 5              // attempts at once for a destination that this process has not reached yet
	memory      = time.Hour      // how long a destination counts as reached
	forgotten   = 24 * time.Hour // after a rest to which no attempt followed, because nothing waits
)

// Rest says that a destination could not be reached. Nothing is sent there before Until; then one attempt finds out.
type Rest struct {
	Destination string
	Failures    int // in a row
	Until       time.Time
	Reason      string // in the words of the last attempt
	Since       time.Time
}

// unreached tells that an attempt came to no dialogue: no connection, no TLS, no login. No message is to blame for that.
func (r Result) unreached() bool {
	return r.Outcome == OutcomeDeferred && r.TLS == "" && (strings.HasPrefix(r.Code, "4.4.") || strings.HasPrefix(r.Code, "4.7."))
}

// reached tells that there was a dialogue.
func (r Result) reached() bool { return r.TLS != "" || r.Outcome == OutcomeRelayed }

// board is what one process knows of destinations and of the attempts that it makes. It is safe for concurrent use.
type board struct {
	mu       sync.Mutex
	workers  int
	underWay map[*claim]struct{}
	reached  map[string]time.Time // when last
	rests    map[string]Rest      // as in the database

	learning sync.Mutex // held from a change in the database to that of rests
}

func newBoard(workers int) *board {
	return &board{workers: workers, underWay: map[*claim]struct{}{}, reached: map[string]time.Time{}, rests: map[string]Rest{}}
}

func (b *board) begin(c *claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.underWay[c] = struct{}{}
}

func (b *board) end(c *claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.underWay, c)
}

func (b *board) tokens() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var tokens []string
	for c := range b.underWay {
		tokens = append(tokens, c.token)
	}
	return tokens
}

// rest returns the rest of a destination; ok also when it is over and nothing was reached since.
func (b *board) rest(destination string) (r Rest, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok = b.rests[destination]
	return r, ok
}

// rooms works out how many attempts may begin now.
func (b *board) rooms(now time.Time) *rooms {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &rooms{board: b, now: now, of: map[string]int{}}
	for c := range b.underWay {
		r.add(c.destination)
	}
	return r
}

// rooms is how many attempts are under way, by destination, while new ones are chosen.
type rooms struct {
	board     *board
	now       time.Time
	of        map[string]int
	all       int
	strangers int // those to destinations that were not reached yet
}

func (r *rooms) add(destination string) {
	r.of[destination]++
	r.all++
	if _, known := r.board.reached[destination]; !known {
		r.strangers++
	}
}

// begin counts one more attempt.
func (r *rooms) begin(destination string) {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	r.add(destination)
}

// room is how many more attempts a destination may have: at most half of what the others leave, so that one that hangs
// leaves room. One that was not reached yet gets few, and all of these together three quarters of the workers; one that
// could not be reached gets none while it rests and a single one after that.
func (r *rooms) room(destination string) int {
	b := r.board
	b.mu.Lock()
	defer b.mu.Unlock()
	own := r.of[destination]
	most := (b.workers-(r.all-own)+1)/2 - own
	if rest, resting := b.rests[destination]; resting {
		if r.now.Before(rest.Until) {
			return 0
		}
		return min(most, 1-own)
	}
	if _, known := b.reached[destination]; !known {
		return min(most, probes-own, (3*b.workers+3)/4-r.strangers)
	}
	return most
}

// load takes the rests that the database holds, and forgets what was reached long ago.
func (b *board) load(rests []Rest, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.rests)
	for _, r := range rests {
		b.rests[r.Destination] = r
	}
	for destination, at := range b.reached {
		if now.Sub(at) > memory {
			delete(b.reached, destination)
		}
	}
}

// loadRests reads what this and other processes found out, and drops what nobody tried for long.
func (q *Queue) loadRests(ctx context.Context) error {
	b := q.board()
	b.learning.Lock()
	defer b.learning.Unlock()
	rests, err := q.Rests(ctx)
	if err != nil {
		return err
	}
	now, kept := q.Now(), rests[:0]
	for _, r := range rests {
		if now.Sub(r.Until) < forgotten {
			kept = append(kept, r)
			continue
		}
		if err := q.endRest(ctx, r.Destination); err != nil {
			return fmt.Errorf("forget destination: %w", err)
		}
	}
	b.load(kept, now)
	return nil
}

// Rests returns the destinations that could not be reached, also those whose rest is over and that were not reached
// since, by name.
func (q *Queue) Rests(ctx context.Context) ([]Rest, error) {
	var rows []destinationRow
	if err := q.DB.WithContext(ctx).Order("destination").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read destinations: %w", err)
	}
	var rests []Rest
	for _, row := range rows {
		rests = append(rests, row.rest())
	}
	return rests, nil
}

// learn draws from an attempt's results whether its destination can be reached, under its old name and under the one that
// it got since. What cannot be written is learned again from the next attempt.
func (q *Queue) learn(ctx context.Context, c *claim, results []Result) {
	names := []string{c.destination}
	reached, unreached := false, len(results) > 0
	for _, r := range results {
		reached, unreached = reached || r.reached(), unreached && r.unreached()
		if r.Destination != "" && !slices.Contains(names, r.Destination) {
			names = append(names, r.Destination)
		}
	}
	for _, name := range names {
		var err error
		switch {
		case reached:
			err = q.board().answered(name, q.Now(), func() error { return q.endRest(ctx, name) })
		case unreached:
			err = q.board().failed(name, results[0].Reply, q.Now(), func(r Rest) error { return q.beginRest(ctx, r) })
		}
		if err != nil {
			q.Log.WarnContext(ctx, "queue", "destination", name, "error", err)
		}
	}
}

// answered notes that a destination was reached, and forgets its rest.
func (b *board) answered(destination string, now time.Time, forget func() error) error {
	b.mu.Lock()
	b.reached[destination] = now
	_, rested := b.rests[destination]
	b.mu.Unlock()
	if !rested {
		return nil
	}
	b.learning.Lock()
	defer b.learning.Unlock()
	err := forget()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.rests, destination)
	return err
}

// failed lets a destination rest, twice as long as the last time. Attempts that began together count once.
func (b *board) failed(destination, reason string, now time.Time, write func(Rest) error) error {
	b.learning.Lock()
	defer b.learning.Unlock()
	last, known := b.rest(destination)
	if known && now.Before(last.Until) {
		return nil
	}
	next := Rest{Destination: destination, Failures: last.Failures + 1, Reason: reason, Since: last.Since}
	if !known {
		next.Since = now
	}
	pause := min(firstRest<<min(last.Failures, 10), longestRest)
	next.Until = now.Add(time.Duration(float64(pause) * (0.8 + 0.4*rand.Float64())))
	err := write(next)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.reached, destination)
	b.rests[destination] = next
	return err
}

// beginRest stores a rest, in a statement of its own: nothing else is locked meanwhile.
func (q *Queue) beginRest(ctx context.Context, r Rest) error {
	return q.DB.WithContext(ctx).Exec(`INSERT INTO queue_destinations (destination, failures, rest_until_ms, reason, since_ms)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT (destination) DO UPDATE SET failures = excluded.failures,
		rest_until_ms = excluded.rest_until_ms, reason = excluded.reason`,
		r.Destination, r.Failures, r.Until.UnixMilli(), r.Reason, r.Since.UnixMilli()).Error
}

func (q *Queue) endRest(ctx context.Context, destination string) error {
	return q.DB.WithContext(ctx).Where("destination = ?", destination).Delete(&destinationRow{}).Error
}

// destinationOf names where a copy for an address goes.
func (q *Queue) destinationOf(ctx context.Context, m Message, address string) string {
	if q.Destination != nil {
		if d := q.Destination(ctx, m, address); d != "" {
			return d
		}
	}
	return m.MailboxID
}
