package keyring

import (
	"crypto/sha256"
	"slices"
	"sync"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// memo remembers what check found of stored packets, by their hash: the same packets are read for each message, and
// verifying their signatures is much of the work. What is remembered depends on nothing but the packets, neither time nor
// policy, so it is never out of date. Nobody changes what it holds. It is safe for concurrent use.
type memo struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]checked
	bytes int // of packets
}

// checked is what check found.
type checked struct {
	clean  material
	entity *openpgp.Entity
}

// memoBytes bounds the packets whose findings are remembered. When they are more, all are forgotten.
const memoBytes = 4 << 20

// check is check for a stored certificate. The nil memo remembers nothing.
func (m *memo) check(r *certificateRow) (checked, error) {
	if m == nil {
		return checkStored(r)
	}
	hash := sha256.Sum256(r.Packets)
	m.mu.Lock()
	found, ok := m.known[hash]
	m.mu.Unlock()
	if ok {
		return found, nil
	}
	found, err := checkStored(r)
	if err == nil {
		m.keep(hash, found, len(r.Packets))
	}
	return found, err
}

func (m *memo) keep(hash [sha256.Size]byte, found checked, size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || m.bytes+size > memoBytes {
		m.known, m.bytes = map[[sha256.Size]byte]checked{}, 0
	}
	if _, ok := m.known[hash]; !ok {
		m.bytes += size
	}
	m.known[hash] = found
}

// checkStored verifies packets of the database again: it is no authority.
func checkStored(r *certificateRow) (checked, error) {
	m, err := r.material()
	if err != nil {
		return checked{}, err
	}
	clean, entity, err := check(m, trusted)
	return checked{clean, entity}, err
}

// own returns an entity that secret keys can be put into.
func (c checked) own() *openpgp.Entity {
	e := *c.entity
	e.Subkeys = slices.Clone(e.Subkeys)
	for i := range e.Subkeys {
		e.Subkeys[i].Primary = &e
	}
	return &e
}
