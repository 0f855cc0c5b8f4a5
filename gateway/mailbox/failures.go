package mailbox

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// failures slows down whoever guesses passwords: after each failed login of a remote address the next one waits
// longer, and attempts on several connections queue up behind each other.
type failures struct {
	mu       sync.Mutex
	byRemote map[netip.Prefix]*guesser
}

type guesser struct {
	times int
	next  time.Time
}

const (
	firstDelay  = 250 * time.Millisecond
	longDelay   = 8 * time.Second
	queueLimit  = 30 * time.Second // whoever would wait longer is turned away
	forgetAfter = 10 * time.Minute
	maxGuessers = 10000
)

// errTooManyGuesses turns a login away without looking at it.
var errTooManyGuesses = errors.New("too many failed logins")

// await waits for the turn of a remote address.
func (f *failures) await(ctx context.Context, remote net.Addr) error {
	f.mu.Lock()
	now, d := time.Now(), time.Duration(0)
	if g := f.byRemote[network(remote)]; g != nil {
		d = g.next.Sub(now)
		if d > queueLimit {
			f.mu.Unlock()
			return errTooManyGuesses
		}
		if d < 0 {
			d = 0
		}
		g.next = now.Add(d + g.delay())
	}
	f.mu.Unlock()
	if d > 0 {
		wait(ctx, d)
	}
	return ctx.Err()
}

func (g *guesser) delay() time.Duration {
	d := firstDelay
	for i := 1; i < g.times && d < longDelay; i++ {
		d *= 2
	}
	return min(d, longDelay)
}

// failed counts a failed login.
func (f *failures) failed(remote net.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.byRemote == nil || len(f.byRemote) > maxGuessers {
		f.byRemote = map[netip.Prefix]*guesser{}
	}
	for key, g := range f.byRemote {
		if now.Sub(g.next) > forgetAfter {
			delete(f.byRemote, key)
		}
	}
	key := network(remote)
	g := f.byRemote[key]
	if g == nil {
		g = &guesser{}
		f.byRemote[key] = g
	}
	g.times++
	if next := now.Add(g.delay()); next.After(g.next) {
		g.next = next
	}
}

// succeeded forgets the failures of a remote address.
func (f *failures) succeeded(remote net.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.byRemote, network(remote))
}

// network is an IPv4 address, or the /64 of an IPv6 address: who has one address of it has all.
func network(remote net.Addr) netip.Prefix {
	a, ok := remote.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := a.AddrPort().Addr().Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
