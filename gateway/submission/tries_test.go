package submission

import (
	"fmt"
	"testing"
	"time"
)

// TestTriesAreForgiven: a login is free again after a while, other logins never were blocked, and a network is blocked
// as a whole when it tries many.
func TestTriesAreForgiven(t *testing.T) {
	var l tries
	now := time.UnixMilli(1_700_000_000_000)
	for range 3 * triesPerLogin {
		l.failed(now, "192.0.2.1", "Support")
	}
	for _, c := range []struct {
		after         time.Duration
		remote, login string
		want          bool
	}{
		{0, "192.0.2.1", "support", true},
		{0, "192.0.2.1", "other", false},
		{0, "192.0.2.2", "support", false},
		{forgivenAfter, "192.0.2.1", "support", true},
		{2*forgivenAfter + time.Second, "192.0.2.1", "support", false},
	} {
		if got := l.blocked(now.Add(c.after), c.remote, c.login); got != c.want {
			t.Errorf("after %s %s from %s: blocked is %v", c.after, c.login, c.remote, got)
		}
	}
	for n := range triesPerNetwork {
		l.failed(now, fmt.Sprintf("2001:db8::%x", n), fmt.Sprint(n))
	}
	if !l.blocked(now, "2001:db8::ffff:1", "new") {
		t.Error("an IPv6 network is not blocked as one")
	}
}

// TestTriesAreBounded: a flood of logins takes no more memory, and does not wash its own network out.
func TestTriesAreBounded(t *testing.T) {
	var l tries
	now := time.UnixMilli(1_700_000_000_000)
	for n := range maxTracked + 500 {
		now = now.Add(time.Millisecond)
		l.failed(now, "192.0.2.1", fmt.Sprint(n))
	}
	if len(l.buckets) > maxTracked {
		t.Errorf("%d keys are kept", len(l.buckets))
	}
	if !l.blocked(now, "192.0.2.1", "new") {
		t.Error("the network is free again")
	}
}
