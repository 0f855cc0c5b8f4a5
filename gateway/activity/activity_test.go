package activity_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func appendEntry(t *testing.T, l *activity.Log, db *gorm.DB, e activity.Entry) {
	t.Helper()
	e.Time = time.UnixMilli(1_760_000_000_000)
	if err := db.Transaction(func(tx *gorm.DB) error { return l.Append(t.Context(), tx, e) }); err != nil {
		t.Error(err)
	}
}

// fill writes ten entries.
func fill(t *testing.T, l *activity.Log, db *gorm.DB) {
	t.Helper()
	for i := range 10 {
		appendEntry(t, l, db, activity.Entry{
			Actor: "cli", Act: []string{"message.submitted", "message.received", "key.generated"}[i%3],
			Outcome: activity.Done, GroupID: []string{"a", "b"}[i%2], Detail: map[string]string{"n": fmt.Sprint(i)},
		})
	}
}

// TestChainShowsEveryAlteration: a changed, removed, inserted or cut-off entry is found.
func TestChainShowsEveryAlteration(t *testing.T) {
	alterations := map[string]string{
		"changed detail":  "UPDATE activity SET detail = '{}' WHERE seq = 4",
		"changed outcome": "UPDATE activity SET outcome = 'failed' WHERE seq = 10",
		"changed time":    "UPDATE activity SET time_ms = 1 WHERE seq = 1",
		"removed":         "DELETE FROM activity WHERE seq = 5",
		"first removed":   "DELETE FROM activity WHERE seq = 1",
		"end cut off":     "DELETE FROM activity WHERE seq > 8",
		"all removed":     "DELETE FROM activity",
		"changed hash":    "UPDATE activity SET hash = prev_hash WHERE seq = 10",
		"inserted":        "INSERT INTO activity SELECT 11, time_ms, actor, act, outcome, group_id, article_id, message_id, fingerprint, detail, hash, hash FROM activity WHERE seq = 10",
		"swapped":         "UPDATE activity SET actor = CASE seq WHEN 3 THEN 'a' ELSE 'b' END WHERE seq IN (3, 4)",
		"moved":           "UPDATE activity SET act = actor, actor = act WHERE seq = 7",
		"head set back":   "UPDATE activity_heads SET seq = 9",
		"head set on":     "UPDATE activity_heads SET seq = 11",
		"head removed":    "DELETE FROM activity_heads",
	}
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		l := activity.New(db)
		fill(t, l, db)
		if n, err := l.Verify(t.Context()); err != nil || n != 10 {
			t.Fatalf("verify: %d, %v", n, err)
		}
		undo := errors.New("undo")
		for name, sql := range alterations {
			err := db.Transaction(func(tx *gorm.DB) error {
				if err := tx.Exec(sql).Error; err != nil {
					return err
				}
				if _, err := activity.New(tx).Verify(t.Context()); err == nil || !strings.Contains(err.Error(), "broken") {
					t.Errorf("%s: %v", name, err)
				}
				return undo
			})
			if !errors.Is(err, undo) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	})
}

// TestManyWritersMakeOneChain: writers on many connections never fork the chain.
func TestManyWritersMakeOneChain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		l := activity.New(db)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 10 {
					err := db.Transaction(func(tx *gorm.DB) error {
						return l.Append(t.Context(), tx, activity.Entry{Time: time.UnixMilli(1), Actor: "cli", Act: "message.submitted", Outcome: activity.Done})
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if n, err := l.Verify(t.Context()); err != nil || n != 80 {
			t.Errorf("verify: %d, %v", n, err)
		}
	})
}

func TestRollbackLeavesNoEntry(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		l := activity.New(db)
		fill(t, l, db)
		stop := errors.New("stop")
		err := db.Transaction(func(tx *gorm.DB) error {
			return errors.Join(l.Append(t.Context(), tx, activity.Entry{Actor: "cli", Act: "x", Outcome: activity.Done}), stop)
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		if n, err := l.Verify(t.Context()); err != nil || n != 10 {
			t.Errorf("verify: %d, %v", n, err)
		}
	})
}

func TestFilters(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		l := activity.New(db)
		fill(t, l, db)
		for name, c := range map[string]struct {
			filter activity.Filter
			want   []int64
		}{
			"all":        {activity.Filter{}, []int64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}},
			"page":       {activity.Filter{Before: 4, Limit: 2}, []int64{3, 2}},
			"one group":  {activity.Filter{Groups: []string{"b"}, Limit: 3}, []int64{10, 8, 6}},
			"no group":   {activity.Filter{Groups: []string{}}, nil},
			"prefix":     {activity.Filter{Act: "message.", Limit: 3}, []int64{10, 8, 7}},
			"exact":      {activity.Filter{Act: "key.generated"}, []int64{9, 6, 3}},
			"no such":    {activity.Filter{Act: "mess"}, nil},
			"wildcard":   {activity.Filter{Act: "%."}, nil},
			"outcome":    {activity.Filter{Outcome: activity.Refused}, nil},
			"none":       {activity.Filter{ArticleID: "none"}, nil},
			"too many":   {activity.Filter{Limit: 100_000, Before: 3}, []int64{2, 1}},
			"other page": {activity.Filter{Act: "message.", Before: 3}, []int64{2, 1}},
		} {
			entries, err := l.List(t.Context(), c.filter)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, e := range entries {
				got = append(got, e.Seq)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	})
}

// TestStrangersTextIsKept: what mail may bring into an entry never keeps the entry, and with it the act, from being
// written.
func TestStrangersTextIsKept(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		l := activity.New(db)
		long := strings.Repeat("\u00e9", 40_000)
		for name, c := range map[string]struct{ text, message, detail string }{
			"nul":    {"a\x00b", "a\uFFFDb", "a\uFFFDb"},
			"latin1": {"caf\xe9", "caf\uFFFD", "caf\uFFFD"},
			"long":   {long, long[:998], long[:4096]},
			"odd":    {"x" + long, "x" + long[:996], "x" + long[:4094]},
			"quotes": {"'\"\\\n%", "'\"\\\n%", "'\"\\\n%"},
		} {
			appendEntry(t, l, db, activity.Entry{
				Actor: "sealgate", Act: "message.received", Outcome: activity.Done, ArticleID: c.text, GroupID: c.text,
				MessageID: c.text, Detail: map[string]string{"from": c.text},
			})
			found, err := l.List(t.Context(), activity.Filter{Limit: 1})
			if err != nil || found[0].MessageID != c.message || found[0].Detail["from"] != c.detail {
				t.Errorf("%s: %+v, %v", name, found, err)
			}
		}
		if n, err := l.Verify(t.Context()); err != nil || n != 5 {
			t.Errorf("verify: %d, %v", n, err)
		}
	})
}

// TestVerifyGoesOnWhileWritersWrite: an auditor may look at any time.
func TestVerifyGoesOnWhileWritersWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		l := activity.New(db)
		var writer sync.WaitGroup
		writer.Go(func() { fill(t, l, db); fill(t, l, db) })
		done := make(chan struct{})
		go func() { writer.Wait(); close(done) }()
		for running := true; running; {
			select {
			case <-done:
				running = false
			default:
			}
			if _, err := l.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
