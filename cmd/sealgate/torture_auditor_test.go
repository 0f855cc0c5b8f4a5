package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"
)

// tortureCanary stands in every body that is submitted, again and again. Whoever finds it at the next hop found a leak.
const tortureCanary = "canary-body-5291"

// replyWindow is how long after an arrival its reply may still be lost: until then it is on its way or being recorded.
const replyWindow = 10 * time.Second

// delivery is what an acknowledgement promises: one message for one recipient.
type delivery struct{ token, recipient string }

// arrival is one complete message at the next hop, noted before it is answered.
type arrival struct {
	at        time.Time
	sum       [sha256.Size]byte
	messageID string
	answered  bool // false: this hop means never to answer
}

// interruption is a time in which replies or the memory of them could be lost: from a kill or a cut until all runs again.
type interruption struct{ from, to time.Time }

// auditor compares what was acknowledged with what arrived. Its methods may be called by many goroutines.
type auditor struct {
	mu           sync.Mutex
	messages     int // acknowledged
	acknowledged map[delivery]bool
	arrivals     map[delivery][]arrival
	interrupted  []interruption
	postponed    int      // answered 4xx
	refused      []string // answered 5xx, which nothing here deserves
	clear        []string
	notices      int // with the null reverse-path
}

func newAuditor() *auditor {
	return &auditor{acknowledged: map[delivery]bool{}, arrivals: map[delivery][]arrival{}}
}

// acknowledge notes a 250 to the final dot.
func (a *auditor) acknowledge(token string, recipients []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.messages++
	for _, r := range recipients {
		a.acknowledged[delivery{token, r}] = true
	}
}

// postpone notes an answer of 400 to 499.
func (a *auditor) postpone() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.postponed++
}

// refuse notes an answer of 500 or more.
func (a *auditor) refuse(token string, why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused = append(a.refused, fmt.Sprintf("%s: %v", token, why))
}

// interrupt notes a time in which replies could be lost.
func (a *auditor) interrupt(from, to time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.interrupted = append(a.interrupted, interruption{from, to})
}

func tokenOf(message []byte) (token, messageID string) {
	match := regexp.MustCompile(`(?i)\nMessage-ID:\s*(<(token-[0-9a-z-]+)@[^>]*>)`).FindSubmatch(append([]byte("\n"), message...))
	if match == nil {
		return "", ""
	}
	return string(match[2]), string(match[1])
}

// arrive notes a complete message at the next hop for the recipients that the hop took.
func (a *auditor) arrive(reversePath string, recipients []string, message []byte, answered bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	token, messageID := tokenOf(message)
	if bytes.Contains(message, []byte(tortureCanary)) || reversePath != "" && !bytes.Contains(message, []byte("BEGIN PGP MESSAGE")) {
		a.clear = append(a.clear, string(message))
	}
	if reversePath == "" {
		a.notices++
		return
	}
	for _, r := range recipients {
		d := delivery{token, r}
		a.arrivals[d] = append(a.arrivals[d], arrival{time.Now(), sha256.Sum256(message), messageID, answered})
	}
}

// missing counts what was promised and has not arrived yet.
func (a *auditor) missing() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for d := range a.acknowledged {
		if len(a.arrivals[d]) == 0 {
			n++
		}
	}
	return n
}

// acknowledgedSoFar counts acknowledged messages.
func (a *auditor) acknowledgedSoFar() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.messages
}

// figures are what the audit of one run counted.
type figures struct {
	Messages, Deliveries, Arrived, Twice, Postponed, Notices int

	Lost, Clear, Unexplained, Changed, Refused []string
}

// audit compares. Call it when nothing is under way any more.
func (a *auditor) audit() figures {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := figures{
		Messages: a.messages, Deliveries: len(a.acknowledged), Arrived: len(a.arrivals), Postponed: a.postponed, Notices: a.notices,
		Clear: slices.Clone(a.clear), Refused: slices.Clone(a.refused),
	}
	for d := range a.acknowledged {
		if len(a.arrivals[d]) == 0 {
			f.Lost = append(f.Lost, d.token+" for "+d.recipient)
		}
	}
	for d, arrivals := range a.arrivals {
		for i := 1; i < len(arrivals); i++ {
			a.compare(&f, d, arrivals[i-1], arrivals[i])
		}
	}
	return f
}

// compare judges one repetition.
func (a *auditor) compare(f *figures, d delivery, first, again arrival) {
	f.Twice++
	if first.sum != again.sum || first.messageID != again.messageID {
		f.Changed = append(f.Changed, fmt.Sprintf("%s for %s", d.token, d.recipient))
	}
	if first.answered && !a.interruptedAt(first.at, again.at) {
		f.Unexplained = append(f.Unexplained, fmt.Sprintf("%s for %s at %s and at %s", d.token, d.recipient,
			first.at.Format(time.StampMilli), again.at.Format(time.StampMilli)))
	}
}

// interruptedAt tells whether the reply to an arrival could be lost before the next.
func (a *auditor) interruptedAt(at, next time.Time) bool {
	end := at.Add(replyWindow)
	if next.Before(end) {
		end = next
	}
	return slices.ContainsFunc(a.interrupted, func(i interruption) bool { return !i.to.Before(at) && !i.from.After(end) })
}

// faults are what must never be, in words.
func (f figures) faults() []string {
	var all []string
	for what, found := range map[string][]string{
		"acknowledged and lost": f.Lost, "left in clear": f.Clear, "arrived twice without a lost reply": f.Unexplained,
		"arrived again with other bytes": f.Changed, "refused for good": f.Refused,
	} {
		if len(found) > 0 {
			all = append(all, fmt.Sprintf("%d %s, the first: %s", len(found), what, found[0]))
		}
	}
	return all
}

func (f figures) String() string {
	return fmt.Sprintf("%d messages acknowledged for %d recipients (%d answered 4xx), %d arrived, %d of them again, %d lost, %d in clear",
		f.Messages, f.Deliveries, f.Postponed, f.Arrived, f.Twice, len(f.Lost), len(f.Clear))
}

// conclude fails the test for every fault, and returns the figures.
func (a *auditor) conclude(t *testing.T) figures {
	t.Helper()
	f := a.audit()
	for _, fault := range f.faults() {
		t.Error(fault)
	}
	if f.Messages == 0 {
		t.Error("nothing was acknowledged: nothing was tested")
	}
	t.Log(f)
	return f
}
