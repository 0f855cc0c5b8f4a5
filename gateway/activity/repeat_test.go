package activity_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestTheSameAgainIsCounted: one entry for what is tried again and again, and the chain stays whole.
func TestTheSameAgainIsCounted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		l := activity.New(db)
		noon := time.UnixMilli(1_760_000_000_000)
		try := func(messageID string, after time.Duration) {
			t.Helper()
			e := activity.Entry{Time: noon.Add(after), Actor: "mailbox:support", Act: "message.submitted", Outcome: activity.Refused, MessageID: messageID}
			if err := db.Transaction(func(tx *gorm.DB) error { return l.AppendOrCount(t.Context(), tx, e) }); err != nil {
				t.Error(err)
			}
		}
		try("one", 0)
		try("two", time.Minute)
		try("one", time.Hour)
		try("one", 24*time.Hour) // within a day of the last one
		try("one", 49*time.Hour) // later
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { try("many", time.Hour) })
		}
		all.Wait()
		entries, err := l.List(t.Context(), activity.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, fmt.Sprint(e.MessageID, e.Attempts))
		}
		if fmt.Sprint(got) != "[many8 one0 two0 one3]" {
			t.Errorf("entries %v", got)
		}
		if n, err := l.Verify(t.Context()); err != nil || n != 4 {
			t.Errorf("verify: %d, %v", n, err)
		}
	})
}
