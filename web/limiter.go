package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Limits of failed logins: for one name from one network, and for any names from one network.
const (
	triesPerName    = 5
	triesPerNetwork = 30
	tryAgainAfter   = 30 * time.Second // one more try
	maxTracked      = 10_000           // keys in memory; the one that was idle longest goes first
)

// Limits of questions by strangers about our own certificates, from one network. A customer's mail program asks a few times
// a day; a whole company behind one address asks more.
const (
	questionsAtOnce = 120
	askAgainAfter   = time.Second / 2 // one more question
)

// limiter counts tries per key as a leaking bucket. Its memory is bounded; it is safe for concurrent use.
type limiter struct {
	now  func() time.Time
	leak time.Duration // for one more try
	mu   sync.Mutex
	used map[string]bucket
}

type bucket struct {
	level float64
	at    time.Time
}

func newLimiter(now func() time.Time, leak time.Duration) *limiter {
	return &limiter{now: now, leak: leak, used: map[string]bucket{}}
}

// try counts one try of a key and tells whether it is within the limit.
func (l *limiter) try(key string, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.leaked(key)
	if b.level+1 > float64(most) {
		return false
	}
	if _, known := l.used[key]; !known && len(l.used) >= maxTracked {
		l.forgetIdlest()
	}
	l.used[key] = bucket{level: b.level + 1, at: l.now()}
	return true
}

// forget takes back what was counted for a key, after a login that was right.
func (l *limiter) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.used, key)
}

func (l *limiter) leaked(key string) bucket {
	b := l.used[key]
	b.level = max(0, b.level-l.now().Sub(b.at).Seconds()/l.leak.Seconds())
	return b
}

func (l *limiter) forgetIdlest() {
	var idlest string
	for key, b := range l.used {
		if idlest == "" || b.at.Before(l.used[idlest].at) {
			idlest = key
		}
	}
	delete(l.used, idlest)
}

// mayTryLogin counts a login try of a name from the request's network.
func (s *site) mayTryLogin(r *http.Request, name string) bool {
	network := networkOf(r)
	return s.logins.try(network, triesPerNetwork) && s.logins.try(loginKey(r, name), triesPerName)
}

// mayAsk counts a question of somebody who need not log in.
func (s *site) mayAsk(r *http.Request) bool { return s.strangers.try(networkOf(r), questionsAtOnce) }

// rightLogin forgets the tries of a name. Those of the network stay, so that somebody with one right password cannot
// go on guessing others for ever.
func (s *site) rightLogin(r *http.Request, name string) { s.logins.forget(loginKey(r, name)) }

func loginKey(r *http.Request, name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	return networkOf(r) + " " + name[:min(len(name), 100)]
}

// networkOf is the client's address; of IPv6 the /64, which one client has for itself.
func networkOf(r *http.Request) string {
	host := remoteOf(r)
	address, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if address = address.Unmap(); address.Is6() {
		if prefix, err := address.WithZone("").Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return address.String()
}

func remoteOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
