package groups

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Retry says how long and how often mail that does not get through is tried. 0 means the default.
type Retry struct {
	Lifetime    time.Duration // until it is given up; 5 days
	WarnAfter   time.Duration // until its sender is told of the delay; 4 hours, and never when it is not less than Lifetime
	FirstWait   time.Duration // after the first attempt; 1 minute
	LongestWait time.Duration // between two attempts; 4 hours
}

// Limits of a schedule.
const (
	shortestLifetime = 10 * time.Minute
	longestLifetime  = 30 * 24 * time.Hour
	shortestWait     = time.Minute
	longestWait      = 24 * time.Hour
)

// RetryTexts is a Retry as people write it: 5d, 4h, 90m; "" or 0 is the default.
type RetryTexts struct {
	Lifetime    string `json:"lifetime,omitempty" doc:"How long mail that does not get through is tried: days, hours or minutes as in 5d, 4h, 90m. Default 5d."`
	WarnAfter   string `json:"warn_after,omitempty" doc:"When its sender is told of the delay; never when it is not less than lifetime. Default 4h."`
	FirstWait   string `json:"first_wait,omitempty" doc:"After the first attempt. Default 1m."`
	LongestWait string `json:"longest_wait,omitempty" doc:"Between two attempts. Default 4h."`
}

// Texts writes a schedule for people.
func (r Retry) Texts() RetryTexts {
	return RetryTexts{Span(r.Lifetime), Span(r.WarnAfter), Span(r.FirstWait), Span(r.LongestWait)}
}

// Retry reads a schedule. Bad values are *Invalid; SaveGroup says what is too short or too long.
func (t RetryTexts) Retry() (r Retry, err error) {
	for _, f := range []struct {
		text string
		into *time.Duration
	}{{t.Lifetime, &r.Lifetime}, {t.WarnAfter, &r.WarnAfter}, {t.FirstWait, &r.FirstWait}, {t.LongestWait, &r.LongestWait}} {
		if *f.into, err = ParseSpan(f.text); err != nil {
			return Retry{}, err
		}
	}
	return r, nil
}

// check tells whether the values are ones that a queue can live with.
func (r Retry) check() error {
	for _, c := range []struct {
		what              string
		value, least, top time.Duration
	}{
		{"how long mail is tried", r.Lifetime, shortestLifetime, longestLifetime},
		{"when senders are told of a delay", r.WarnAfter, shortestWait, longestLifetime},
		{"the first wait", r.FirstWait, shortestWait, longestWait},
		{"the longest wait", r.LongestWait, shortestWait, longestWait},
	} {
		if c.value != 0 && (c.value < c.least || c.value > c.top || c.value%time.Minute != 0) {
			return invalid("retry", "%s must be between %s and %s, in whole minutes", c.what, Span(c.least), Span(c.top))
		}
	}
	if r.FirstWait != 0 && r.LongestWait != 0 && r.FirstWait > r.LongestWait {
		return invalid("retry", "the first wait must not be longer than the longest wait; make one of them fit")
	}
	return nil
}

// Span writes a duration of whole minutes as ParseSpan reads it: 5d, 4h, 90m; "" is 0.
func Span(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}

// ParseSpan reads a number of days, hours or minutes: 5d, 4h, 90m. "" is 0. Others are *Invalid.
func ParseSpan(text string) (time.Duration, error) {
	text = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(text), " ", ""))
	if text == "" || text == "0" {
		return 0, nil
	}
	units := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute}
	unit, known := units[text[len(text)-1]]
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 16)
	if err != nil || !known {
		return 0, invalid("retry", "%q is no span of time; write days, hours or minutes as in 5d, 4h or 90m", plain(text))
	}
	return time.Duration(n) * unit, nil
}
