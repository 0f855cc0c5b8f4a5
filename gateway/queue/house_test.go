package queue_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/batch"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/kms/local"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const canary = "canary-in-the-body"

// clock is the time of a test. It stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// house is a queue with a next hop, a log and a postmaster that remember what they were given.
type house struct {
	*queue.Queue
	t        testing.TB
	clock    *clock
	provider *local.Provider

	mu       sync.Mutex
	answer   func(ctx context.Context, r queue.Recipient) queue.Result // of the next hop
	attempts []attempt
	reports  []queue.Result
	notices  [][]queue.Notice
	tell     func(tx *gorm.DB) error
	report   func() error
}

// attempt is one call of Deliver.
type attempt struct {
	message    queue.Message
	recipients []string
	content    string
}

// newHouse opens a queue whose next hop takes everything.
func newHouse(t testing.TB, db *gorm.DB) *house {
	t.Helper()
	provider, err := local.Create(filepath.Join(t.TempDir(), "kek"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return neighbour(t, db, newClock(), provider)
}

// neighbour opens a queue as another process on the same database would.
func neighbour(t testing.TB, db *gorm.DB, c *clock, provider *local.Provider) *house {
	t.Helper()
	keeper, err := kms.Open(t.Context(), db, provider, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, clock: c, provider: provider}
	h.answer = func(_ context.Context, _ queue.Recipient) queue.Result {
		return queue.Result{Outcome: queue.OutcomeRelayed, Code: "2.0.0", Reply: "taken"}
	}
	h.Queue = &queue.Queue{
		Writer: &batch.Writer{DB: db},
		DB:     db, Keeper: keeper, Deliver: h.deliver, Tell: h.tellSender, Report: h.record,
		Now: c.Now, Log: slog.New(slog.DiscardHandler), Poll: 5 * time.Millisecond,
	}
	return h
}

func (h *house) deliver(ctx context.Context, m queue.Message, recipients []queue.Recipient, o pgpmime.Outgoing) []queue.Result {
	a := attempt{message: m, content: string(o.Bytes())}
	for _, r := range recipients {
		a.recipients = append(a.recipients, r.Address)
	}
	h.mu.Lock()
	h.attempts = append(h.attempts, a)
	answer := h.answer
	h.mu.Unlock()
	var results []queue.Result
	for _, r := range recipients {
		result := answer(ctx, r)
		result.RecipientID = r.ID
		results = append(results, result)
	}
	return results
}

func (h *house) record(_ context.Context, _ *gorm.DB, _ queue.Message, _ []queue.Recipient, results []queue.Result) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.report != nil {
		if err := h.report(); err != nil {
			return err
		}
	}
	h.reports = append(h.reports, results...)
	return nil
}

func (h *house) tellSender(_ context.Context, tx *gorm.DB, _ queue.Message, notices []queue.Notice) (sent bool, err error) {
	h.mu.Lock()
	tell := h.tell
	h.notices = append(h.notices, notices)
	h.mu.Unlock()
	if tell != nil {
		return false, tell(tx)
	}
	return true, nil
}

// answers makes the next hop give one and the same answer.
func (h *house) answers(outcome queue.Outcome, code, reply string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = func(context.Context, queue.Recipient) queue.Result {
		return queue.Result{Outcome: outcome, Code: code, Reply: reply}
	}
}

func (h *house) tried() []attempt {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]attempt(nil), h.attempts...)
}

func (h *house) told() [][]queue.Notice {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([][]queue.Notice(nil), h.notices...)
}

func (h *house) reported() []queue.Result {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]queue.Result(nil), h.reports...)
}

// letter is a copy for some recipients.
func letter(to ...string) queue.Message {
	m := queue.Message{
		ArticleID: "article", GroupID: "support", MailboxID: "mailbox", ReversePath: "support@desk.test", MessageID: "1@desk.test",
	}
	for _, address := range to {
		m.Recipients = append(m.Recipients, queue.Recipient{Address: address})
	}
	return m
}

func outgoing(t testing.TB) pgpmime.Outgoing {
	t.Helper()
	o, err := pgpmime.Protect([]byte("From: support@desk.test\r\nSubject: hello\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\n\r\n"+canary+"\r\n"), pgpmime.ProtectRequest{Protection: pgpmime.Clear})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// put queues a message in a transaction of its own.
func (h *house) put(m queue.Message) string {
	h.t.Helper()
	var id string
	err := h.DB.Transaction(func(tx *gorm.DB) (err error) {
		id, err = h.Put(h.t.Context(), tx, m, outgoing(h.t))
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Wake()
	return id
}

// change does what a person asks for, in a transaction of its own.
func (h *house) change(what func(context.Context, *gorm.DB, string) error, id string) {
	h.t.Helper()
	if err := h.DB.Transaction(func(tx *gorm.DB) error { return what(h.t.Context(), tx, id) }); err != nil {
		h.t.Fatal(err)
	}
	h.Wake()
}

// run runs the queue until the test or the returned function ends it.
func (h *house) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("Run: %v", err)
		}
	})
	h.t.Cleanup(stop)
	return stop
}

func (h *house) get(id string) queue.Message {
	h.t.Helper()
	m, err := h.Get(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

// waitFor polls until a message's first recipient has a state after a number of attempts.
func (h *house) waitFor(id string, state queue.State, attempts int) queue.Recipient {
	h.t.Helper()
	var r queue.Recipient
	eventually(h.t, func() bool {
		r = h.get(id).Recipients[0]
		return r.State == state && r.Attempts == attempts
	}, func() any { return r })
	return r
}

func eventually(t testing.TB, done func() bool, last func() any) {
	t.Helper()
	end := time.NewTimer(time.Minute)
	defer end.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-end.C:
			t.Fatalf("nothing happened within a minute; last seen: %+v", last())
		case <-again.C:
		}
	}
}
