package queue

import "sync"

// underWay are the attempts that this process is making. A mailbox is one next hop: one that hangs must leave room for
// the others, so none gets more than half of the workers. It is safe for concurrent use.
type underWay struct {
	mu    sync.Mutex
	share int               // of one mailbox
	of    map[string]string // mailbox, by token
}

func newUnderWay(workers int) *underWay {
	return &underWay{share: (workers + 1) / 2, of: map[string]string{}}
}

func (u *underWay) begin(c *claim) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.of[c.token] = c.message.MailboxID
}

func (u *underWay) end(c *claim) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.of, c.token)
}

// full returns the mailboxes that have their share.
func (u *underWay) full() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var full []string
	for mailbox, n := range u.counts() {
		if n >= u.share {
			full = append(full, mailbox)
		}
	}
	return full
}

// room is how many more attempts a mailbox may have.
func (u *underWay) room(mailbox string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.share - u.counts()[mailbox]
}

func (u *underWay) counts() map[string]int {
	n := map[string]int{}
	for _, mailbox := range u.of {
		n[mailbox]++
	}
	return n
}

func (u *underWay) tokens() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var tokens []string
	for token := range u.of {
		tokens = append(tokens, token)
	}
	return tokens
}
