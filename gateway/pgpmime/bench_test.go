package pgpmime_test

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// contest is one operation of ours against the same done by a peer, on the same bytes in the same run. Both are ready to
// run again and again. What is wanted is one of atMost and atLeast; with neither the contest is for information.
type contest struct {
	name, peer   string
	ours, theirs func() error
	atMost       float64 // our time divided by theirs
	atLeast      float64 // their time divided by ours
}

// BenchmarkContests runs each side of each contest as a benchmark of its own, and ours once for all its peers.
func BenchmarkContests(b *testing.B) {
	ran := map[string]bool{}
	for _, c := range contests(b) {
		for _, side := range []struct {
			name string
			run  func() error
		}{{"Sealgate", c.ours}, {c.peer, c.theirs}} {
			name := c.name + "/" + side.name
			if ran[name] {
				continue
			}
			ran[name] = true
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := side.run(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// result is how a contest went: the median time of one operation on each side, and the median of our time divided by
// theirs over all rounds.
type result struct {
	ours, theirs time.Duration
	ratio        float64
}

// rounds is how often the sides take turns.
const rounds = 15

// run lets the sides take turns, so that whatever else the machine does slows both. It returns an error of either.
func (c contest) run() (result, error) {
	ourTurn, err := operationsInATurn(c.ours)
	theirTurn, theirErr := operationsInATurn(c.theirs)
	if err = errors.Join(err, theirErr); err != nil {
		return result{}, err
	}
	var ours, theirs, ratios []float64
	for range rounds {
		a, err := timed(ourTurn, c.ours)
		b, theirErr := timed(theirTurn, c.theirs)
		if err = errors.Join(err, theirErr); err != nil {
			return result{}, err
		}
		ours, theirs, ratios = append(ours, a.Seconds()), append(theirs, b.Seconds()), append(ratios, a.Seconds()/b.Seconds())
	}
	return result{seconds(median(ours)), seconds(median(theirs)), median(ratios)}, nil
}

// operationsInATurn is how many make one turn long enough to be measured.
func operationsInATurn(run func() error) (int, error) {
	const long = 50 * time.Millisecond
	took, err := timed(2, run) // the first one warms up
	if err != nil {
		return 0, err
	}
	return int(max(1, long/max(took, time.Microsecond))), nil
}

// timed is the time of one operation of so many.
func timed(operations int, run func() error) (time.Duration, error) {
	start := time.Now()
	for range operations {
		if err := run(); err != nil {
			return 0, err
		}
	}
	return time.Since(start) / time.Duration(operations), nil
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
