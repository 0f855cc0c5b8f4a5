package queue_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestWhatAPersonMendedIsTriedAtOnce: what waits for a destination that rests leaves once somebody says that it is mended.
func TestWhatAPersonMendedIsTriedAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := newHouse(t, db)
		var mended atomic.Bool
		h.byDomain(map[string]func(context.Context) queue.Result{"dead.test": func(ctx context.Context) queue.Result {
			if mended.Load() {
				return queue.Result{Outcome: queue.OutcomeRelayed, Code: "2.0.0", Reply: "taken", TLS: "TLS 1.3"}
			}
			return dead(ctx)
		}})
		h.run()
		first := h.put(letter("a@dead.test"))
		h.waitFor(first, queue.Pending, 1)
		h.failures("dead.test", 1)
		second := h.put(letter("b@dead.test"))
		h.flows()
		h.waitFor(second, queue.Pending, 0)
		mended.Store(true)
		if err := h.Mended(t.Context(), "dead.test"); err != nil {
			t.Fatal(err)
		}
		h.Wake()
		h.waitFor(second, queue.Relayed, 1)
		h.failures("dead.test", 0)
	})
}
