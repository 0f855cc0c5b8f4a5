package queue

import (
	"testing"
	"time"
)

// TestRooms: how many more attempts a destination may have, of 40 workers.
func TestRooms(t *testing.T) {
	now := time.UnixMilli(1e12)
	for _, c := range []struct {
		name     string
		underWay map[string]int
		reached  []string
		rests    map[string]time.Duration
		want     int // for x.test
	}{
		{"alone and reached before", nil, []string{"x.test"}, nil, 20},
		{"with half of the workers", map[string]int{"x.test": 20}, []string{"x.test"}, nil, 0},
		{"half of what another leaves", map[string]int{"a.test": 20}, []string{"a.test", "x.test"}, nil, 10},
		{"half of what two others leave", map[string]int{"a.test": 20, "b.test": 10, "x.test": 2}, []string{"a.test", "b.test", "x.test"}, nil, 3},
		{"the last worker", map[string]int{"a.test": 39}, []string{"a.test", "x.test"}, nil, 1},
		{"never reached", nil, nil, nil, 5},
		{"never reached, with one under way", map[string]int{"x.test": 1}, nil, nil, 4},
		{"many strangers at once", map[string]int{"a.test": 14, "b.test": 14}, nil, nil, 2},
		{"reached, beside many strangers", map[string]int{"a.test": 15, "b.test": 15}, []string{"x.test"}, nil, 5},
		{"rests", nil, []string{"x.test"}, map[string]time.Duration{"x.test": time.Minute}, 0},
		{"its rest is over", nil, nil, map[string]time.Duration{"x.test": 0}, 1},
		{"its rest is over, and one finds out", map[string]int{"x.test": 1}, nil, map[string]time.Duration{"x.test": 0}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(40)
			for _, destination := range c.reached {
				b.reached[destination] = now
			}
			for destination, pause := range c.rests {
				b.rests[destination] = Rest{Destination: destination, Until: now.Add(pause)}
			}
			for destination, n := range c.underWay {
				for range n {
					b.begin(&claim{destination: destination})
				}
			}
			if got := b.rooms(now).room("x.test"); got != c.want {
				t.Errorf("room for %d more, want %d", got, c.want)
			}
		})
	}
}

func TestWhatWasReachedLongAgoIsForgotten(t *testing.T) {
	b, now := newBoard(40), time.UnixMilli(1e12)
	if err := b.answered("x.test", now, nil); err != nil {
		t.Fatal(err)
	}
	b.load(nil, now.Add(memory))
	if got := b.rooms(now).room("x.test"); got != 20 {
		t.Errorf("room for %d", got)
	}
	b.load(nil, now.Add(memory+time.Second))
	if got := b.rooms(now).room("x.test"); got != probes {
		t.Errorf("room for %d, want that of a stranger", got)
	}
}
