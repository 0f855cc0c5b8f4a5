package queue

import (
	"cmp"
	"time"
)

// Schedule says how long and how often a copy is tried. 0 means the default.
type Schedule struct {
	Lifetime    time.Duration // from acceptance until it is given up; 5 days
	WarnAfter   time.Duration // when the sender is told of the delay; 4 hours, and never when it is not less than Lifetime
	FirstWait   time.Duration // after the first attempt; 1 minute
	LongestWait time.Duration // between two attempts; 4 hours
}

func (s Schedule) withDefaults() Schedule {
	return Schedule{
		Lifetime:    cmp.Or(s.Lifetime, 5*24*time.Hour),
		WarnAfter:   cmp.Or(s.WarnAfter, 4*time.Hour),
		FirstWait:   cmp.Or(s.FirstWait, time.Minute),
		LongestWait: cmp.Or(s.LongestWait, 4*time.Hour),
	}
}

// Next is the retry schedule, pure: when to try again after attempt number n (from 1) of a message that entered at
// created, or give up. jitter is in [0,1).
//
// The waits are 1, 5, 15, 30, 60, 120 and 240 times the first, then each twice the one before, none longer than the
// longest; each is shortened or stretched by up to a fifth. There is an attempt when the sender is to be told of the
// delay, and a last one at the end of the lifetime; what is tried then or later is given up. When giving up, at is still
// a time to try again at, for a sender who could not be told.
func (s Schedule) Next(created time.Time, attempt int, now time.Time, jitter float64) (at time.Time, giveUp bool) {
	s = s.withDefaults()
	at = now.Add(time.Duration(float64(s.wait(attempt)) * (0.8 + 0.4*jitter)))
	end := created.Add(s.Lifetime)
	if !now.Before(end) {
		return at, true
	}
	for _, mark := range []time.Time{created.Add(min(s.WarnAfter, s.Lifetime)), end} {
		if now.Before(mark) && at.After(mark) {
			return mark, false
		}
	}
	return at, false
}

// wait is the time between attempt number n and the next, without jitter.
func (s Schedule) wait(attempt int) time.Duration {
	times := []time.Duration{1, 5, 15, 30, 60, 120, 240}
	last := len(times) - 1
	wait := times[min(max(attempt-1, 0), last)] * s.FirstWait
	for n := last + 1; n < attempt && wait < s.LongestWait; n++ {
		wait *= 2
	}
	return min(wait, s.LongestWait)
}

// expires is when a copy is given up.
func (m Message) expires() time.Time { return m.CreatedAt.Add(m.Retry.withDefaults().Lifetime) }

// warns is when the sender is told of a delay; the zero time means never.
func (m Message) warns() time.Time {
	s := m.Retry.withDefaults()
	if s.WarnAfter >= s.Lifetime {
		return time.Time{}
	}
	return m.CreatedAt.Add(s.WarnAfter)
}
