package discover

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sealgate/sealgate/keyring"
)

// Finder puts questions to servers. Fill the fields before the first question; it is safe for concurrent use.
type Finder struct {
	Network   *Network
	WKD       bool             // ask the domains of addresses
	Keyserver string           // "https://…" for VKS, "hkps://…" for HKP; "" for none
	Now       func() time.Time // nil means the clock

	once  sync.Once
	asked *patience
}

func (f *Finder) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

func (f *Finder) patience() *patience {
	f.once.Do(func() { f.asked = newPatience(f.now) })
	return f.asked
}

// ByAddress asks for certificates of one address: first the domain's own web key directory, then, when that has none, the
// keyserver. The error is about the address; what servers answer is in the report.
func (f *Finder) ByAddress(ctx context.Context, address string) (Report, error) {
	canonical, err := keyring.CanonicalAddress(address)
	if err != nil {
		return Report{}, fmt.Errorf("%q is %w; write it as local@domain", address, err)
	}
	var r Report
	if f.WKD {
		f.wkd(ctx, canonical, &r, func(body []byte) ([]*keyring.Item, error) { return forAddress(body, canonical, f.now()) })
	}
	if len(r.Findings) == 0 && f.Keyserver != "" {
		f.keyserverByAddress(ctx, canonical, &r)
	}
	return r, nil
}

// fetch asks a server within what its domain is asked at most.
func (f *Finder) fetch(ctx context.Context, domain, target string) ([]byte, error) {
	if err := f.patience().allow(domain); err != nil {
		return nil, err
	}
	resp, err := f.network().get(ctx, target)
	if err == nil {
		err = resp.taken()
	}
	f.patience().tell(domain, resp.retryAfter, err)
	if err != nil {
		return nil, err
	}
	return resp.body, nil
}

func (f *Finder) network() *Network {
	if f.Network == nil {
		return &Network{}
	}
	return f.Network
}
