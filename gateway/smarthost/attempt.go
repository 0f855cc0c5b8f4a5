package smarthost

// attempt is what is known about each recipient while servers are asked one after another.
type attempt struct {
	envelope Envelope
	results  []Result
	open     []int // recipients for whom another server may be asked
}

func newAttempt(e Envelope) *attempt {
	a := &attempt{envelope: e, results: all(e, Result{Outcome: Deferred, Code: noConnection, Reply: "no mail server of the domain was reached", next: true})}
	for i := range e.Recipients {
		a.open = append(a.open, i)
	}
	return a
}

func (a *attempt) over() bool { return len(a.open) == 0 }

// rest is the envelope for those who are still open.
func (a *attempt) rest() Envelope {
	e := a.envelope
	e.Recipients = pick(e.Recipients, a.open)
	return e
}

// answered takes a server's results for the rest.
func (a *attempt) answered(results []Result) {
	var open []int
	for n, i := range a.open {
		a.results[i] = results[n]
		if results[n].next {
			open = append(open, i)
		}
	}
	a.open = open
}

// failed notes why there was no dialogue with a server. What an earlier server said is worth more than that a later one
// could not be reached. A server that is ourselves ends the attempt: those behind it would send the mail back.
func (a *attempt) failed(host string, err error) {
	r := classify("connect", err)
	var open []int
	for _, i := range a.open {
		if a.results[i].Host == "" || r.Code != noConnection && r.Code != loop {
			r.Address, r.Host = a.results[i].Address, host
			a.results[i] = r
		}
		if r.Code != loop {
			open = append(open, i)
		}
	}
	a.open = open
}
