package queue_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/queue"
	"pgregory.net/rapid"
)

const days = 24 * time.Hour

func TestNext(t *testing.T) {
	created := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, c := range []struct {
		name    string
		attempt int
		age     time.Duration
		jitter  float64
		wait    time.Duration
		giveUp  bool
	}{
		{"first", 1, 0, 0.5, time.Minute, false},
		{"second", 2, time.Minute, 0.5, 5 * time.Minute, false},
		{"seventh", 7, 4 * time.Hour, 0.5, 4 * time.Hour, false},
		{"fiftieth", 50, 4 * days, 0.5, 4 * time.Hour, false},
		{"shortest", 1, 0, 0, 48 * time.Second, false},
		{"no attempt yet", 0, 0, 0.5, time.Minute, false},
		{"the last is at five days", 30, 5*days - time.Hour, 0.5, time.Hour, false},
		{"given up", 31, 5 * days, 0.5, 4 * time.Hour, true},
		{"an old message has one try", 1, 9 * days, 0.5, time.Minute, true},
		{"the clock went back", 3, -time.Hour, 0.5, 15 * time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := created.Add(c.age)
			at, giveUp := queue.Schedule{}.Next(created, c.attempt, now, c.jitter)
			if at.Sub(now) != c.wait || giveUp != c.giveUp {
				t.Errorf("in %v, give up %t; want in %v, %t", at.Sub(now), giveUp, c.wait, c.giveUp)
			}
		})
	}
}

// A message is always either given up or tried again: later than now, within five hours, and at the latest five days
// after it came; a later attempt never waits less than an earlier one.
func TestNextIsMonotoneAndBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		created := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "created"))
		now := created.Add(time.Duration(rapid.Int64Range(0, int64(10*days)).Draw(t, "age")))
		attempt := rapid.IntRange(-3, 1000).Draw(t, "attempt")
		jitter := rapid.Float64Range(0, 0.9999).Draw(t, "jitter")
		at, giveUp := queue.Schedule{}.Next(created, attempt, now, jitter)
		end := created.Add(5 * days)
		if giveUp == now.Before(end) {
			t.Fatalf("give up is %t at age %v", giveUp, now.Sub(created))
		}
		if !at.After(now) || at.Sub(now) > 5*time.Hour || (!giveUp && at.After(end)) {
			t.Fatalf("age %v, attempt %d: next in %v", now.Sub(created), attempt, at.Sub(now))
		}
		if after, _ := (queue.Schedule{}).Next(created, attempt+1, now, jitter); after.Before(at) {
			t.Fatalf("attempt %d waits less than attempt %d", attempt+1, attempt)
		}
	})
}

// Every message ends: attempts that follow the schedule are few, and the last one is five days after the first.
func TestAScheduleEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		created := time.UnixMilli(1e12)
		now, attempts := created, 1
		for {
			at, giveUp := queue.Schedule{}.Next(created, attempts, now, rapid.Float64Range(0, 0.9999).Draw(t, "jitter"))
			if giveUp {
				break
			}
			now, attempts = at, attempts+1
		}
		if now.Sub(created) != 5*days || attempts < 20 || attempts > 60 {
			t.Fatalf("%d attempts until %v", attempts, now.Sub(created))
		}
	})
}

// Whatever a group chooses, no wait is longer than its longest, there is an attempt when the sender is to be told, and a
// last one at the end.
func TestEveryScheduleIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minutes := func(name string, least, most int64) time.Duration {
			return time.Duration(rapid.Int64Range(least, most).Draw(t, name)) * time.Minute
		}
		s := queue.Schedule{Lifetime: minutes("lifetime", 10, 43200), WarnAfter: minutes("warn", 1, 43200), FirstWait: minutes("first", 1, 60), LongestWait: minutes("longest", 60, 1440)}
		created := time.UnixMilli(1e12)
		now, warned := created, false
		for attempts := 1; ; attempts++ {
			at, giveUp := s.Next(created, attempts, now, rapid.Float64Range(0, 0.9999).Draw(t, "jitter"))
			if giveUp {
				break
			}
			if wait := at.Sub(now); wait <= 0 || wait > s.LongestWait*12/10 {
				t.Fatalf("attempt %d: a wait of %v", attempts, wait)
			}
			now, warned = at, warned || at.Sub(created) == s.WarnAfter
		}
		if now.Sub(created) != s.Lifetime || warned != (s.WarnAfter <= s.Lifetime) {
			t.Fatalf("the last attempt is after %v, one at the warning: %t", now.Sub(created), warned)
		}
	})
}

func TestAGroupsScheduleStretchesTheWaits(t *testing.T) {
	s := queue.Schedule{FirstWait: 2 * time.Minute, LongestWait: 12 * time.Hour, WarnAfter: 5 * days}
	created := time.UnixMilli(1e12)
	var waits []time.Duration
	for attempt := range 10 {
		at, _ := s.Next(created, attempt+1, created, 0.5)
		waits = append(waits, at.Sub(created)/time.Minute)
	}
	if want := []time.Duration{2, 10, 30, 60, 120, 240, 480, 720, 720, 720}; !slices.Equal(waits, want) {
		t.Errorf("waits in minutes: %v, want %v", waits, want)
	}
}
