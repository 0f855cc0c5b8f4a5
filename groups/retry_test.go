package groups

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSpansAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "5d": 120 * time.Hour, "4h": 4 * time.Hour, "90m": 90 * time.Minute, " 36 H ": 36 * time.Hour,
	} {
		got, err := ParseSpan(text)
		if err != nil || got != want {
			t.Errorf("%q: %v (%v), want %v", text, got, err, want)
		}
		if again, err := ParseSpan(Span(got)); err != nil || again != want {
			t.Errorf("%q is written as %q", text, Span(got))
		}
	}
	for _, text := range []string{"5", "d", "-1d", "1.5h", "5days", "99999d", "é", "1d2h"} {
		var invalid *Invalid
		if _, err := ParseSpan(text); !errors.As(err, &invalid) || !strings.Contains(invalid.Sentence, "5d, 4h or 90m") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzParseSpan: whatever is accepted is written and read again as the same.
func FuzzParseSpan(f *testing.F) {
	for _, seed := range []string{"", "5d", "4h", "90m", "65535d", "-1d", "1d2h", "\x80m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseSpan(text)
		if err != nil {
			return
		}
		if again, err := ParseSpan(Span(d)); err != nil || again != d || d < 0 {
			t.Errorf("%q is %v, and %q is %v (%v)", text, d, Span(d), again, err)
		}
	})
}

func TestAScheduleHasLimits(t *testing.T) {
	for sentence, r := range map[string]Retry{
		"how long mail is tried must be between 10m and 30d":                 {Lifetime: time.Minute},
		"when senders are told of a delay must be between 1m and 30d":        {WarnAfter: 31 * 24 * time.Hour},
		"the first wait must be between 1m and 1d, in whole minutes":         {FirstWait: 90 * time.Second},
		"the longest wait must be between 1m and 1d":                         {LongestWait: 25 * time.Hour},
		"the first wait must not be longer than the longest wait; make one ": {FirstWait: time.Hour, LongestWait: time.Minute},
	} {
		g := Group{Name: "Support", Sign: On, Encrypt: On, AutoSign: On, AutoEncrypt: On, Mixed: MixedSplit, InlineIn: InlineOff, Retry: r}
		_, err := g.canonical()
		wantInvalid(t, err, "retry", sentence)
	}
}

func TestAScheduleIsReadAsItIsWritten(t *testing.T) {
	r := Retry{48 * time.Hour, 90 * time.Minute, 0, 24 * time.Hour}
	if got, err := r.Texts().Retry(); err != nil || got != r {
		t.Errorf("%+v becomes %+v (%v)", r, got, err)
	}
	if _, err := (RetryTexts{FirstWait: "soon"}).Retry(); err == nil {
		t.Error("soon was read as a span of time")
	}
}
