package groups

import (
	"slices"
	"sync"
)

// parts remembers addresses and rules of groups, which are read for each message and change seldom. A group's row says by
// its revision whether they are still those of now, whichever process changed them. It is safe for concurrent use; the zero
// parts is ready.
type parts struct {
	mu sync.Mutex
	of map[string]part // by group id
}

type part struct {
	revision  int64
	addresses []string
	rules     []DomainRule
}

// maxParts bounds the memory; when it is full all are forgotten.
const maxParts = 10_000

// complete fills in what is remembered of the row's group; false when it has changed since, or nothing is.
func (p *parts) complete(r groupRow) (Group, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.of[r.ID]
	if !ok || known.revision != r.Revision {
		return Group{}, false
	}
	g := r.group()
	g.Addresses, g.DomainRules = slices.Clone(known.addresses), slices.Clone(known.rules)
	return g, true
}

// remember keeps the parts of a group that were read together with its row.
func (p *parts) remember(r groupRow, g Group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil || len(p.of) >= maxParts {
		p.of = map[string]part{}
	}
	p.of[r.ID] = part{r.Revision, slices.Clone(g.Addresses), slices.Clone(g.DomainRules)}
}
