package keyring

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// memo remembers which signatures verified, by a hash of everything that was verified: the same certificates are read for each
// message, and verifying their signatures is much of the work. Neither time nor policy comes into it, so it is never out of
// date. Certificates themselves are not kept: the library writes to a signature even when it serializes one, so that
// nobody could share them. It is safe for concurrent use; the zero memo is ready, and nil remembers nothing.
type memo struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]struct{}
}

// mostKnown bounds the memory. When there are more, all are forgotten.
const mostKnown = 50_000

// What a signature of a certificate is over.
const (
	overKey    = 'k'
	overUserID = 'u'
	overSubkey = 's'
)

// holds tells whether a signature verifies; verify is asked where that is not known yet.
func (m *memo) holds(over byte, primary, object, signature []byte, verify func() error) bool {
	if m == nil {
		return verify() == nil
	}
	hash := verifiedAs(over, primary, object, signature)
	m.mu.Lock()
	_, known := m.known[hash]
	m.mu.Unlock()
	if known {
		return true
	}
	if verify() != nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= mostKnown {
		m.known = map[[sha256.Size]byte]struct{}{}
	}
	m.known[hash] = struct{}{}
	return true
}

// verifiedAs names what was verified. Each part has its length in front, so that no two lists of parts are one.
func verifiedAs(over byte, parts ...[]byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte{over})
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
