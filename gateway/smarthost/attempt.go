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
		if r := results[n]; !(r.next && r.Outcome == Failed && a.mayPass(i)) {
			a.results[i] = r
		}
		if results[n].next {
			open = append(open, i)
		}
	}
	a.open = open
}

// mayPass tells whether a server that was asked before may still take the mail for a recipient, so that what another one
// can never take is no last word.
func (a *attempt) mayPass(i int) bool {
	return a.results[i].Host != "" && a.results[i].Outcome == Deferred
}

// failed notes why there was no dialogue with a server. What an earlier server said is worth more than that a later one
// could not be reached. A server that is ourselves ends the attempt: those behind it would send the mail back.
func (a *attempt) failed(host string, err error) {
	r := a.envelope.notConnected(err)
	var open []int
	for _, i := range a.open {
		worthMore := r.Code != noConnection && r.Code != loop || a.results[i].Outcome == Failed
		if a.results[i].Host == "" || worthMore && (r.Outcome == Deferred || !a.mayPass(i)) {
			r.Address, r.Host = a.results[i].Address, host
			a.results[i] = r
		}
		if r.Code != loop {
			open = append(open, i)
		}
	}
	a.open = open
}
