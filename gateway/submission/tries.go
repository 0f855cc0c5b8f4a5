package submission

import (
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Limits of failed logins: of one login from one network, and of all logins from one network. A ticket system has all
// its mailboxes behind one address, so one mailbox with an old password must not lock out the others.
const (
	triesPerLogin   = 10
	triesPerNetwork = 50
	forgivenAfter   = 10 * time.Second // one failed login is forgotten
	maxTracked      = 10_000           // keys in memory; the one that was idle longest goes first
)

// tries counts failed logins as leaking buckets. Its memory is bounded; it is safe for concurrent use, and nobody waits
// for another's password to be checked. The zero tries is ready.
type tries struct {
	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	level float64
	at    time.Time
}

// blocked tells whether a login must wait before it is tried again.
func (t *tries) blocked(now time.Time, remote, login string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	network := networkOf(remote)
	return t.level(now, network)+1 > triesPerNetwork || t.level(now, loginKey(network, login))+1 > triesPerLogin
}

// failed counts a failed login.
func (t *tries) failed(now time.Time, remote, login string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	network := networkOf(remote)
	t.add(now, network, triesPerNetwork)
	t.add(now, loginKey(network, login), triesPerLogin)
}

func (t *tries) level(now time.Time, key string) float64 {
	b := t.buckets[key]
	return max(0, b.level-now.Sub(b.at).Seconds()/forgivenAfter.Seconds())
}

// add fills a bucket. Logins that were under way together can fill it to the brim, not beyond.
func (t *tries) add(now time.Time, key string, most float64) {
	level := min(t.level(now, key)+1, most+1)
	if _, known := t.buckets[key]; !known && len(t.buckets) >= maxTracked {
		t.forgetIdlest()
	}
	if t.buckets == nil {
		t.buckets = map[string]bucket{}
	}
	t.buckets[key] = bucket{level: level, at: now}
}

func (t *tries) forgetIdlest() {
	var idlest string
	for key, b := range t.buckets {
		if idlest == "" || b.at.Before(t.buckets[idlest].at) {
			idlest = key
		}
	}
	delete(t.buckets, idlest)
}

func loginKey(network, login string) string {
	return network + " " + strings.ToLower(login[:min(len(login), maxLogin)])
}

// networkOf is the client's address; of IPv6 the /64, which one client has for itself.
func networkOf(remote string) string {
	address, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	if address = address.Unmap().WithZone(""); address.Is6() {
		return netip.PrefixFrom(address, 64).Masked().String()
	}
	return address.String()
}
