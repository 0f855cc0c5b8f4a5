package queue

import "time"

// Schedule says how long and how often a copy is tried. 0 means the default.
type Schedule struct {
	Lifetime    time.Duration // from acceptance until it is given up; 5 days
	WarnAfter   time.Duration // when the sender is told of the delay; 4 hours, and never when it is not less than Lifetime
	FirstWait   time.Duration // after the first attempt; 1 minute
	LongestWait time.Duration // between two attempts; 4 hours
}

// lifetime is how long a message is tried.
const lifetime = 5 * 24 * time.Hour

// Next is the retry schedule, pure: when to try again after attempt number n (from 1) of a message that entered at
// created, or give up. jitter is in [0,1).
//
// The waits are 1, 5, 15 and 30 minutes, 1 and 2 hours, then 4 hours again and again, each shortened or stretched by up
// to a fifth. The last attempt is five days after created; what is tried then or later is given up. When giving up, at
// is still a time to try again at, for a sender who could not be told.
func Next(created time.Time, attempt int, now time.Time, jitter float64) (at time.Time, giveUp bool) {
	end := created.Add(lifetime)
	at = now.Add(time.Duration(float64(wait(attempt)) * (0.8 + 0.4*jitter)))
	if !now.Before(end) {
		return at, true
	}
	if at.After(end) {
		return end, false
	}
	return at, false
}

// wait is the time between attempt number n and the next, without jitter.
func wait(attempt int) time.Duration {
	waits := []time.Duration{
		time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
	}
	return waits[min(max(attempt, 1), len(waits))-1]
}
