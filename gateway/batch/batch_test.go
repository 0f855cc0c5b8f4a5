package batch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/gateway/batch"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func note(tx *gorm.DB, id string) error {
	return tx.Exec("INSERT INTO discover_approvals (group_id, source) VALUES (?, 'wkd')", id).Error
}

func noted(t *testing.T, db *gorm.DB) []string {
	t.Helper()
	var ids []string
	if err := db.Raw("SELECT group_id FROM discover_approvals ORDER BY group_id").Scan(&ids).Error; err != nil {
		t.Fatal(err)
	}
	return ids
}

// held starts a writer that stays in its transaction, so that others gather behind it.
func held(t *testing.T, w *batch.Writer) (let func() error) {
	t.Helper()
	inside, leave, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		result <- w.Do(context.WithoutCancel(t.Context()), func(tx *gorm.DB) error {
			close(inside)
			<-leave
			return note(tx, "first")
		})
	}()
	<-inside
	return func() error { close(leave); return <-result }
}

// TestThoseWhoWaitShareACommit: behind one writer twenty gather; all of them are one transaction, in which the one that
// fails and the one that panics undo only their own.
func TestThoseWhoWaitShareACommit(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		w := &batch.Writer{DB: db}
		let := held(t, w)
		var mu sync.Mutex
		transactions := map[string]bool{}
		errs := make(chan error, 20)
		for i := range 20 {
			go func() {
				errs <- w.Do(t.Context(), func(tx *gorm.DB) error {
					mu.Lock()
					transactions[fmt.Sprintf("%p", tx.Statement.ConnPool)] = true
					mu.Unlock()
					if err := note(tx, fmt.Sprintf("w%02d", i)); err != nil {
						return err
					}
					switch i {
					case 3:
						return note(tx, "w03") // twice the same key
					case 4:
						panic("no words of it are told")
					}
					return nil
				})
			}()
		}
		w.AwaitWaiting(20)
		if err := let(); err != nil {
			t.Fatal(err)
		}
		var panics, doubles int
		for range 20 {
			switch err := <-errs; {
			case errors.Is(err, batch.ErrPanic):
				panics++
			case errors.Is(err, gorm.ErrDuplicatedKey):
				doubles++
			case err != nil:
				t.Error(err)
			}
		}
		if panics != 1 || doubles != 1 || len(transactions) != 1 {
			t.Errorf("%d panics, %d doubles, %d transactions", panics, doubles, len(transactions))
		}
		if got := noted(t, db); len(got) != 19 || got[0] != "first" {
			t.Errorf("written: %q", got)
		}
	})
}

// TestATurnIsBounded: no transaction holds more writers than it may.
func TestATurnIsBounded(t *testing.T) {
	db := dbtest.SQLite(t)
	w := &batch.Writer{DB: db, Most: 4}
	let := held(t, w)
	var mu sync.Mutex
	turns := map[string]int{}
	var all sync.WaitGroup
	for i := range 9 {
		all.Go(func() {
			err := w.Do(t.Context(), func(tx *gorm.DB) error {
				mu.Lock()
				turns[fmt.Sprintf("%p", tx.Statement.ConnPool)]++
				mu.Unlock()
				return note(tx, fmt.Sprint(i))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	w.AwaitWaiting(9)
	if err := let(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	for turn, n := range turns {
		if n > 4 {
			t.Errorf("%d writers in transaction %s", n, turn)
		}
	}
	if got := noted(t, db); len(got) != 10 {
		t.Errorf("written: %q", got)
	}
}

// TestWhoGivesUpWaitingWritesNothing: giving up before the turn leaves no trace, and the others go on.
func TestWhoGivesUpWaitingWritesNothing(t *testing.T) {
	db := dbtest.SQLite(t)
	w := &batch.Writer{DB: db}
	let := held(t, w)
	ctx, giveUp := context.WithCancel(t.Context())
	gone, stays := make(chan error, 1), make(chan error, 1)
	go func() { gone <- w.Do(ctx, func(tx *gorm.DB) error { return note(tx, "gone") }) }()
	w.AwaitWaiting(1)
	go func() { stays <- w.Do(t.Context(), func(tx *gorm.DB) error { return note(tx, "stays") }) }()
	w.AwaitWaiting(2)
	giveUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("giving up: %v", err)
	}
	if err := let(); err != nil {
		t.Fatal(err)
	}
	if err := <-stays; err != nil {
		t.Error(err)
	}
	if got := noted(t, db); fmt.Sprint(got) != "[first stays]" {
		t.Errorf("written: %q", got)
	}
}

// TestAFailedCommitIsToldToEveryone: when the database is gone nobody is told that he was heard.
func TestAFailedCommitIsToldToEveryone(t *testing.T) {
	db := dbtest.SQLite(t)
	w := &batch.Writer{DB: db}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	err = w.Do(t.Context(), func(tx *gorm.DB) error {
		if err := note(tx, "lost"); err != nil {
			return err
		}
		return tx.Exec("ROLLBACK").Error // the transaction is gone under its feet
	})
	if err == nil {
		t.Error("a failed commit passes for a good one")
	}
	if got := noted(t, db); len(got) != 0 {
		t.Errorf("written: %q", got)
	}
	pool.Close()
	if err := w.Do(t.Context(), func(*gorm.DB) error { return nil }); err == nil {
		t.Error("a closed database commits")
	}
}

// TestManyWritersLoseNothing lets writers come and give up in any order.
func TestManyWritersLoseNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		w := &batch.Writer{DB: db, Most: 7}
		var mu sync.Mutex
		told := map[string]bool{}
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%5 == 0 {
					go cancel()
				}
				id := fmt.Sprintf("%03d", i)
				if w.Do(ctx, func(tx *gorm.DB) error { return note(tx, id) }) == nil {
					mu.Lock()
					told[id] = true
					mu.Unlock()
				}
			})
		}
		all.Wait()
		got := noted(t, db)
		if len(got) != len(told) || len(got) < 160 {
			t.Errorf("%d were written, %d were told so", len(got), len(told))
		}
		for _, id := range got {
			if !told[id] {
				t.Errorf("%s was written and told that it failed", id)
			}
		}
	})
}
