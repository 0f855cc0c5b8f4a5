package dkim

import (
	"context"
	"sync"
)

// keyring looks key records up and remembers them for one message.
type keyring struct {
	ctx      context.Context
	resolver Resolver

	mu      sync.Mutex
	records map[string]string
}

// lookup is what the library asks. It calls it for several signatures at once.
func (k *keyring) lookup(name string) ([]string, error) {
	if !hostname(name) {
		return nil, errNoKey
	}
	reply, err := k.resolver.TXT(k.ctx, name)
	if err != nil {
		return nil, lookupError(err)
	}
	for _, record := range reply.Records {
		if len(record) > maxKeyRecord {
			return nil, errNoKey
		}
	}
	if len(reply.Records) == 1 {
		k.remember(name, reply.Records[0])
	}
	return reply.Records, nil
}

func (k *keyring) remember(name, record string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.records == nil {
		k.records = map[string]string{}
	}
	k.records[name] = record
}

func (k *keyring) record(name string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.records[name]
}
