package mtasts

import (
	"context"
	"sync"
)

// Memory is a Cache that forgets at the end of the process. The zero Memory is empty.
type Memory struct {
	mu       sync.Mutex
	policies map[string]Policy
}

// LoadPolicy implements Cache.
func (m *Memory) LoadPolicy(_ context.Context, domain string) (Policy, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.policies[domain], nil
}

// SavePolicy implements Cache.
func (m *Memory) SavePolicy(_ context.Context, domain string, p Policy) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.policies == nil {
		m.policies = map[string]Policy{}
	}
	m.policies[domain] = p
	return nil
}
