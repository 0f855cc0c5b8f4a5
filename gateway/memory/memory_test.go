package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/sealgate/sealgate/gateway/memory"
)

func hold(t *testing.T, b *memory.Budget, size, copies int64) (release func()) {
	t.Helper()
	release, err := b.Hold(t.Context(), size, copies)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

// full tells whether somebody who wants size bytes has to wait. It runs in a bubble of synctest.
func full(b *memory.Budget, size int64) bool {
	ctx, cancel := context.WithCancel(context.Background())
	waited := make(chan bool, 1)
	go func() {
		release, err := b.Hold(ctx, size, 1)
		if err == nil {
			release()
		}
		waited <- errors.Is(err, context.Canceled)
	}()
	synctest.Wait()
	cancel()
	return <-waited
}

func TestMessagesWaitForRoom(t *testing.T) {
	synctest.Test(t, waitForRoom)
}

func waitForRoom(t *testing.T) {
	b := memory.NewBudget(100)
	first := hold(t, b, 20, 3)
	second := hold(t, b, 40, 1)
	if !full(b, 1) {
		t.Error("there is room beyond the budget")
	}
	first()
	if full(b, 60) {
		t.Error("what was given back is no room")
	}
	second()
	hold(t, b, 100, 1)()
}

func TestWhatIsLargerThanTheBudgetGoesAlone(t *testing.T) {
	for name, huge := range map[string][2]int64{"one copy": {1000, 1}, "copies": {60, 4}, "more than fits an integer": {1 << 62, 1 << 20}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := memory.NewBudget(100)
				release := hold(t, b, huge[0], huge[1])
				if !full(b, 1) {
					t.Error("another one fits beside it")
				}
				release()
				if full(b, 100) {
					t.Error("the room was not given back")
				}
			})
		})
	}
}

func TestNoBudgetNoBound(t *testing.T) {
	var none *memory.Budget
	hold(t, none, 1<<60, 8)()
}
