package kms

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealgate/sealgate/keyring/seal"
)

// silent is a provider that never answers.
type silent struct{ Provider }

func (silent) Unwrap(ctx context.Context, _ []byte, _ string, _ seal.EncryptionContext) (seal.Key, error) {
	<-ctx.Done()
	return seal.Key{}, ctx.Err()
}

// TestSilentProviderIsUnreachable: who waits for a silent KMS is told after half a minute; who gives up earlier does not
// take the others along.
func TestSilentProviderIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &Keeper{provider: silent{}, leases: map[string]seal.Key{}}
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		gaveUp := make(chan error)
		go func() { gaveUp <- k.load(hasty, leaseRow{ID: "lk_1"}) }()
		synctest.Wait()
		start := time.Now()
		err := k.load(t.Context(), leaseRow{ID: "lk_1"})
		if !errors.Is(err, seal.ErrUnreachable) || time.Since(start) != patience {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		if err := <-gaveUp; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the hasty one: %v", err)
		}
	})
}

func TestLimitsOfALease(t *testing.T) {
	made := time.UnixMilli(1_760_000_000_000)
	for name, c := range map[string]struct {
		lease lease
		spent bool
	}{
		"new":              {lease{created: made}, false},
		"last millisecond": {lease{created: made.Add(-time.Hour + time.Millisecond)}, false},
		"an hour":          {lease{created: made.Add(-time.Hour)}, true},
		"one wrap left":    {lease{created: made, wraps: 1<<20 - 1}, false},
		"2^20 wraps":       {lease{created: made, wraps: 1 << 20}, true},
		"one byte left":    {lease{created: made, bytes: 64<<30 - 1}, false},
		"64 GiB":           {lease{created: made, bytes: 64 << 30}, true},
		"a clock set back": {lease{created: made.Add(time.Minute)}, false},
	} {
		if got := c.lease.spent(made); got != c.spent {
			t.Errorf("%s: spent %t", name, got)
		}
	}
}
