package queue_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/migrations"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// The load of one measurement, and what waits meanwhile.
const (
	loadMessages     = 800
	loadSenders      = 16
	loadDestinations = 10
	loadTurns        = 15
	backlog          = 100_000
)

// TestQueueBenchmarksDocument writes docs/benchmarks-queue.md. It asserts nothing: how fast a machine is proves no code
// wrong.
func TestQueueBenchmarksDocument(t *testing.T) {
	if os.Getenv("SEALGATE_WRITE_DOCS") != "1" {
		t.Skip("it measures for minutes and writes docs/benchmarks-queue.md; run make bench")
	}
	document := queueIntroduction
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			empty, loaded := newLoad(t, engine), newLoad(t, engine)
			side(empty, empty) // warms up
			document += row(engine, "nothing", side(empty, loaded))
			loaded.fill(loaded.Now().Add(24 * time.Hour))
			document += row(engine, "100,000 due later", side(empty, loaded))
			loaded.restEverything()
			document += row(engine, "100,000 due, at destinations that rest", side(empty, loaded))
			loaded.hangEverything()
			document += row(engine, "100,000 due, at one destination that hangs", side(empty, loaded))
		})
	}
	t.Log(document)
	if t.Failed() {
		return
	}
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "benchmarks-queue.md"), []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
}

const queueIntroduction = `# Benchmarks of the queue

Written by ` + "`make bench`" + `. 16 senders put 800 messages of 20 KB for 10 destinations, each waiting for its commit; then a next hop
that takes everything at once gets them. That is done in turns in two databases, an empty one and one with a backlog of 100,000
messages for other destinations: a hundred, or a single one that hangs. The ratio is the middle one of 15 turns; the rows
with nothing compare two empty ones and show how much of it is chance. Depth is the count that the health check asks for, list what
the page shows. SQLite syncs at each commit; PostgreSQL is that of the tests, which does not.

| database | waiting | accepted a second | ratio to empty | delivered a second | ratio to empty | depth | list |
|---|---|---|---|---|---|---|---|
`

// figures are one measurement.
type figures struct {
	accepted, delivered float64 // a second
	depth, list         time.Duration
}

// turn is one measurement of each side.
type turn struct{ empty, loaded figures }

// side measures two databases in turns.
func side(empty, loaded *load) []turn {
	var turns []turn
	for range loadTurns {
		turns = append(turns, turn{empty.measure(), loaded.measure()})
	}
	return turns
}

func row(engine, waiting string, turns []turn) string {
	return fmt.Sprintf("| %s | %s | %.0f | %.2f | %.0f | %.2f | %v | %v |\n", engine, waiting,
		middle(turns, func(t turn) float64 { return t.loaded.accepted }),
		middle(turns, func(t turn) float64 { return t.loaded.accepted / t.empty.accepted }),
		middle(turns, func(t turn) float64 { return t.loaded.delivered }),
		middle(turns, func(t turn) float64 { return t.loaded.delivered / t.empty.delivered }),
		middle(turns, func(t turn) time.Duration { return t.loaded.depth }).Round(10*time.Microsecond),
		middle(turns, func(t turn) time.Duration { return t.loaded.list }).Round(10*time.Microsecond))
}

func middle[T cmp.Ordered](turns []turn, of func(turn) T) T {
	var all []T
	for _, t := range turns {
		all = append(all, of(t))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

type load struct {
	*house
	message pgpmime.Outgoing
	release chan struct{} // ends what hangs
}

func newLoad(t *testing.T, engine string) *load {
	t.Helper()
	db := dbtest.SQLite(t)
	if engine == "postgres" {
		var err error
		if db, err = migrations.Open(t.Context(), dbtest.Postgres(t)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { migrations.Close(db) })
	}
	l := &load{house: newHouse(t, db), message: large(t)}
	l.byDomain(map[string]func(context.Context) queue.Result{"hangs.test": func(context.Context) queue.Result {
		<-l.release
		return queue.Result{Outcome: queue.OutcomeDeferred, Code: "4.2.0", TLS: "in clear"}
	}})
	l.Poll, l.Now = 0, time.Now
	return l
}

// large is a message of 20 KB.
func large(t testing.TB) pgpmime.Outgoing {
	t.Helper()
	o, err := pgpmime.Protect([]byte("From: support@desk.test\r\nSubject: hello\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"+
		strings.Repeat("Twenty kilobytes of words, line after line, as people write.\r\n", 320)), pgpmime.ProtectRequest{Protection: pgpmime.Clear})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (l *load) measure() figures {
	l.t.Helper()
	f := figures{accepted: l.accept(), delivered: l.drain()}
	f.depth, f.list = l.look()
	return f
}

// accept puts messages as submissions do, and returns how many a second.
func (l *load) accept() float64 {
	l.t.Helper()
	var senders sync.WaitGroup
	begun := time.Now()
	for s := range loadSenders {
		senders.Go(func() {
			for i := range loadMessages / loadSenders {
				m := letter(fmt.Sprintf("a@d%d.test", (s+i)%loadDestinations))
				err := l.Writer.Do(l.t.Context(), func(tx *gorm.DB) error {
					_, err := l.Put(context.WithoutCancel(l.t.Context()), tx, m, l.message)
					return err
				})
				if err != nil {
					l.t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	return loadMessages / time.Since(begun).Seconds()
}

// drain delivers what was accepted, and returns how many a second.
func (l *load) drain() float64 {
	l.t.Helper()
	l.release = make(chan struct{})
	l.mu.Lock()
	l.attempts, l.reports = nil, nil
	l.mu.Unlock()
	begun := time.Now()
	stop := l.run()
	eventually(l.t, func() bool { return l.count() >= loadMessages }, func() any { return l.count() })
	took := time.Since(begun)
	close(l.release)
	stop()
	return loadMessages / took.Seconds()
}

func (h *house) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.reports)
}

func (l *load) look() (depth, list time.Duration) {
	l.t.Helper()
	begun := time.Now()
	if _, _, err := l.Depth(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	depth, begun = time.Since(begun), time.Now()
	if _, err := l.List(l.t.Context(), queue.Filter{Open: true, Limit: 200}); err != nil {
		l.t.Fatal(err)
	}
	return depth, time.Since(begun)
}

// fill puts the backlog, due at some time.
func (l *load) fill(due time.Time) {
	l.t.Helper()
	small := outgoing(l.t)
	for put := 0; put < backlog; {
		err := l.DB.Transaction(func(tx *gorm.DB) error {
			for range 1000 {
				m := letter(fmt.Sprintf("a@waiting%d.test", put%100))
				if _, err := l.Put(l.t.Context(), tx, m, small); err != nil {
					return err
				}
				put++
			}
			return tx.Exec("UPDATE queue_recipients SET next_attempt_ms = ? WHERE next_attempt_ms < ? AND state = 'pending' AND destination LIKE 'waiting%'", due.UnixMilli(), due.UnixMilli()).Error
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
	if l.DB.Name() == "postgres" {
		if err := l.DB.Exec("ANALYZE").Error; err != nil {
			l.t.Fatal(err)
		}
	}
}

// restEverything makes the backlog due, at destinations that rest for a day.
func (l *load) restEverything() {
	l.t.Helper()
	for statement, at := range map[string]time.Time{
		"UPDATE queue_recipients SET next_attempt_ms = ? WHERE state = 'pending' AND destination LIKE 'waiting%'": l.Now(),
		`INSERT INTO queue_destinations (destination, failures, rest_until_ms, reason, since_ms)
			SELECT DISTINCT destination, 9, CAST(? AS BIGINT), 'dead', 0 FROM queue_recipients
			WHERE state = 'pending' AND destination LIKE 'waiting%'`: l.Now().Add(24 * time.Hour),
	} {
		if err := l.DB.Exec(statement, at.UnixMilli()).Error; err != nil {
			l.t.Fatal(err)
		}
	}
}

// hangEverything makes the backlog one of a single destination, which does not answer.
func (l *load) hangEverything() {
	l.t.Helper()
	if err := l.DB.Exec("UPDATE queue_recipients SET destination = 'hangs.test' WHERE state = 'pending' AND destination LIKE 'waiting%'").Error; err != nil {
		l.t.Fatal(err)
	}
}
