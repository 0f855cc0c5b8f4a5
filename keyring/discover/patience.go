package discover

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// What one domain is asked at most.
const (
	burst        = 6               // questions at once
	refill       = 6 * time.Second // for one more
	breakAfter   = 4               // failures in a row
	breakFor     = 10 * time.Minute
	longestWait  = time.Hour // that a server may ask for
	maxRemembers = 10_000    // domains
)

// patience keeps us from asking a domain too often, and from asking one that does not answer. It is safe for concurrent
// use.
type patience struct {
	now func() time.Time

	mu      sync.Mutex
	domains map[string]*manner
}

// manner is how one domain was asked and how it answered.
type manner struct {
	tokens   float64
	counted  time.Time // when tokens was right
	failures int       // in a row
	closed   time.Time // not to be asked before
}

func newPatience(now func() time.Time) *patience {
	return &patience{now: now, domains: map[string]*manner{}}
}

// allow takes one question from a domain's allowance, or says ErrLater and why.
func (p *patience) allow(domain string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	m := p.manner(domain, now)
	if now.Before(m.closed) {
		return fmt.Errorf("%s failed or asked to wait, and is asked again after %s: %w", domain, m.closed.UTC().Format(time.RFC3339), ErrLater)
	}
	m.tokens = min(burst, m.tokens+now.Sub(m.counted).Seconds()/refill.Seconds())
	m.counted = now
	if m.tokens < 1 {
		return fmt.Errorf("%s was asked often just now: %w", domain, ErrLater)
	}
	m.tokens--
	return nil
}

// tell writes down how a domain answered. After four failures in a row it is left alone for ten minutes; then one
// question decides again.
func (p *patience) tell(domain string, wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	m := p.manner(domain, now)
	if wait > 0 && errors.Is(err, ErrLater) {
		m.closed = now.Add(min(wait, longestWait))
		return
	}
	if err == nil || errors.Is(err, ErrAbsent) || errors.Is(err, errNoName) {
		m.failures = 0
		return
	}
	if m.failures++; m.failures >= breakAfter {
		m.closed = now.Add(breakFor)
	}
}

// manner returns what is known of a domain. When too much is remembered, what is past is forgotten first; if all of it is
// fresh, all of it.
func (p *patience) manner(domain string, now time.Time) *manner {
	if m := p.domains[domain]; m != nil {
		return m
	}
	if len(p.domains) >= maxRemembers {
		for name, m := range p.domains {
			if now.After(m.closed) && now.Sub(m.counted) > burst*refill {
				delete(p.domains, name)
			}
		}
		if len(p.domains) >= maxRemembers {
			clear(p.domains)
		}
	}
	m := &manner{tokens: burst, counted: now}
	p.domains[domain] = m
	return m
}
