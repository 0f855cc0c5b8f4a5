package mailbox

import "sync"

// wakers tells who waits for a mailbox in this process that it should look at the database again. It carries nothing:
// the database is the truth, and whoever waits looks there every few seconds anyway.
type wakers struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]struct{} // by mailbox id
}

// wake never blocks; several wakes before the waiter looks are one.
func (w *wakers) wake(mailboxID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.waiting[mailboxID] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// subscribe returns a channel that receives after each wake, and the function that ends it.
func (w *wakers) subscribe(mailboxID string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = map[string]map[chan struct{}]struct{}{}
	}
	if w.waiting[mailboxID] == nil {
		w.waiting[mailboxID] = map[chan struct{}]struct{}{}
	}
	w.waiting[mailboxID][c] = struct{}{}
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.waiting[mailboxID], c)
		if len(w.waiting[mailboxID]) == 0 {
			delete(w.waiting, mailboxID)
		}
	}
}
