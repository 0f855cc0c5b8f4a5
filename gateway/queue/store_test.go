package queue_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/migrations"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestWhatWasPutComesBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		m := letter("ä@desk.test")
		h.Destination = func(_ context.Context, _ queue.Message, address string) string {
			return strings.TrimPrefix(address, "ä@")
		}
		m.SMTPUTF8, m.EnvID, m.Ret, m.RequireTLS, m.Signatures = true, "env", "HDRS", true, "DKIM-Signature: v=1\r\n"
		m.Retry = queue.Schedule{Lifetime: time.Hour, WarnAfter: time.Minute, FirstWait: time.Second, LongestWait: 2 * time.Second}
		m.CreatedAt = h.clock.Now().Add(-time.Minute)
		m.Recipients[0].Notify, m.Recipients[0].ORcpt = "FAILURE", "utf-8;x@desk.test"
		m.ID = h.put(m)
		m.Protection, m.Size, m.Recipients[0].Destination = pgpmime.Clear, int64(len(outgoing(t).Bytes())), "desk.test"
		got := h.get(m.ID)
		m.Recipients[0].ID, m.Recipients[0].State, m.Recipients[0].NextAttempt = got.Recipients[0].ID, queue.Pending, h.clock.Now()
		if !got.CreatedAt.Equal(m.CreatedAt) || !got.Recipients[0].NextAttempt.Equal(h.clock.Now()) {
			t.Errorf("times: %+v", got)
		}
		got.CreatedAt, got.Recipients[0].NextAttempt = m.CreatedAt, h.clock.Now()
		if !reflect.DeepEqual(got, m) {
			t.Errorf("got  %+v\nwant %+v", got, m)
		}
	})
}

func TestARolledBackSubmissionLeavesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		refused := errors.New("the log refused")
		err := db.Transaction(func(tx *gorm.DB) error {
			if _, err := h.Put(t.Context(), tx, letter("a@desk.test"), outgoing(t)); err != nil {
				return err
			}
			return refused
		})
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
		for _, table := range []string{"queue_messages", "queue_recipients", "sealed_objects", "sealed_segments"} {
			var n int64
			if err := db.Table(table).Count(&n).Error; err != nil || n != 0 {
				t.Errorf("%d rows in %s (%v)", n, table, err)
			}
		}
	})
}

func TestPutRefusesWhatMustNotLeave(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	if _, err := h.Put(t.Context(), h.DB, letter("a@desk.test"), pgpmime.Outgoing{}); err == nil {
		t.Error("the zero Outgoing was queued")
	}
	if _, err := h.Put(t.Context(), h.DB, letter(), outgoing(t)); err == nil {
		t.Error("a message to nobody was queued")
	}
}

func TestHoldRetryAndDelete(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		h.answers(queue.OutcomeDeferred, "4.2.0", "later")
		id := h.put(letter("a@desk.test"))
		h.change(h.Hold, id)
		h.run()
		h.clock.forward(time.Hour)
		sentinel := h.put(letter("b@desk.test")) // younger, and delivered all the same
		h.waitFor(sentinel, queue.Pending, 1)
		h.waitFor(id, queue.Held, 0)
		h.change(h.Retry, id)
		h.waitFor(id, queue.Pending, 1)
		h.change(h.Retry, id) // though the schedule says: in a minute
		h.waitFor(id, queue.Pending, 2)
		h.change(h.Delete, id)
		if _, err := h.Get(t.Context(), id); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("after delete: %v", err)
		}
		var left int64
		if err := db.Table("sealed_segments").Where("object_id = ?", id).Count(&left).Error; err != nil || left != 0 {
			t.Errorf("%d payload rows left (%v)", left, err)
		}
		for name, change := range map[string]error{
			"hold": h.Hold(t.Context(), db, id), "retry": h.Retry(t.Context(), db, id), "delete": h.Delete(t.Context(), db, id),
		} {
			if !errors.Is(change, queue.ErrNotFound) {
				t.Errorf("%s of nothing: %v", name, change)
			}
		}
	})
}

func TestHoldDuringAnAttemptHoldsWhatItLeaves(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		release := h.hang(queue.OutcomeDeferred)
		id := h.put(letter("a@desk.test"))
		h.run()
		h.waitFor(id, queue.Sending, 1)
		h.change(h.Hold, id)
		h.waitFor(id, queue.Held, 1)
		h.change(h.Retry, id)
		h.waitFor(id, queue.Sending, 1) // still the same attempt
		h.change(h.Hold, id)
		close(release)
		eventually(t, func() bool { return h.get(id).Recipients[0].LastReply == "after all" }, func() any { return h.get(id) })
		h.waitFor(id, queue.Held, 1)
		h.answers(queue.OutcomeRelayed, "2.0.0", "taken")
		h.change(h.Retry, id)
		h.waitFor(id, queue.Relayed, 2)
	})
}

func TestListsShowWhatWasAskedFor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		if n, oldest, err := h.Depth(t.Context()); n != 0 || oldest != 0 || err != nil {
			t.Errorf("empty queue: %d, %v, %v", n, oldest, err)
		}
		done := h.put(letter("a@desk.test"))
		stop := h.run()
		h.waitFor(done, queue.Relayed, 1)
		stop()
		h.clock.forward(time.Second)
		sales := letter("a@desk.test", "b@desk.test")
		sales.GroupID, sales.ArticleID = "sales", "sales-article"
		second := h.put(sales)
		h.clock.forward(time.Second)
		third := h.put(letter("a@desk.test"))
		for _, c := range []struct {
			name   string
			filter queue.Filter
			want   []string
		}{
			{"all", queue.Filter{}, []string{third, second, done}},
			{"open", queue.Filter{Open: true}, []string{third, second}},
			{"one group", queue.Filter{Groups: []string{"sales"}}, []string{second}},
			{"one article", queue.Filter{Article: "sales-article"}, []string{second}},
			{"no group", queue.Filter{Groups: []string{}}, nil},
			{"one", queue.Filter{Limit: 1}, []string{third}},
		} {
			all, err := h.List(t.Context(), c.filter)
			var ids []string
			for _, m := range all {
				ids = append(ids, m.ID)
			}
			if err != nil || !reflect.DeepEqual(ids, c.want) {
				t.Errorf("%s: %v (%v), want %v", c.name, ids, err, c.want)
			}
		}
		n, oldest, err := h.Depth(t.Context())
		if n != 3 || oldest != time.Second || err != nil {
			t.Errorf("depth %d, oldest %v, %v", n, oldest, err)
		}
	})
}

func TestWhatDoesNotOpenIsHeldAndNeverSent(t *testing.T) {
	for _, c := range []struct {
		name, statement, words string
	}{
		{"tampered", "UPDATE sealed_segments SET data = (SELECT wrapped_dek FROM sealed_objects LIMIT 1)", "altered"},
		{"gone", "DELETE FROM sealed_objects", "gone"},
		{"mixed up", "UPDATE queue_messages SET protection = 'signed+encrypted'", "does not have the protection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
				h := newHouse(t, db)
				id := h.put(letter("a@desk.test"))
				if err := db.Exec(c.statement).Error; err != nil {
					t.Fatal(err)
				}
				h.run()
				if r := h.waitFor(id, queue.Held, 1); !strings.Contains(r.LastReply, c.words) {
					t.Errorf("last reply %q, want %q", r.LastReply, c.words)
				}
				if len(h.tried()) != 0 || len(h.told()) != 0 || len(h.reported()) != 1 {
					t.Errorf("attempts %+v, notices %+v, reports %+v", h.tried(), h.told(), h.reported())
				}
			})
		})
	}
}

func TestNoBodyIsReadableInTheFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealgate.db")
	db, err := migrations.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer migrations.Close(db)
	h := newHouse(t, db)
	h.answers(queue.OutcomeDeferred, "4.2.0", "later")
	id := h.put(letter("a@desk.test"))
	stop := h.run()
	h.waitFor(id, queue.Pending, 1)
	stop()
	seen := false
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		content, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		seen = seen || bytes.Contains(content, []byte(id))
		if bytes.Contains(content, []byte(canary)) {
			t.Errorf("the body is readable in %s", filepath.Base(name))
		}
	}
	if !seen {
		t.Error("the files do not even hold the id: the test looks at the wrong ones")
	}
}

func BenchmarkPut(b *testing.B) {
	h := newHouse(b, dbtest.SQLite(b))
	for b.Loop() {
		h.put(letter("a@desk.test"))
	}
}
