package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/migrations/dbtest"
)

// TestOneFirstAdministrator: of many set-ups at once exactly one makes the administrator, on both engines.
func TestOneFirstAdministrator(t *testing.T) {
	for engine, url := range map[string]string{"sqlite": dbtest.SQLiteURL(t), "postgres": dbtest.Postgres(t)} {
		t.Run(engine, func(t *testing.T) {
			c := defaults()
			c.Database, c.KMS.KeyFile = url, filepath.Join(t.TempDir(), "kek")
			p, err := openParts(t.Context(), c, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.Close() })
			errs := make([]error, 6)
			var all sync.WaitGroup
			for i := range errs {
				all.Go(func() {
					_, errs[i] = p.gateway.CreateFirstAdmin(t.Context(), fmt.Sprintf("admin-%d", i), adminPassword)
				})
			}
			all.Wait()
			made := 0
			for _, err := range errs {
				if err == nil {
					made++
				} else if !errors.Is(err, gateway.ErrForbidden) {
					t.Error(err)
				}
			}
			users, err := p.gateway.ListUsers(t.Context(), cli)
			if made != 1 || len(users) != 1 || err != nil {
				t.Errorf("%d made, %d users, %v", made, len(users), err)
			}
		})
	}
}
