package batch_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sealgate/sealgate/gateway/batch"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// BenchmarkCommit compares 32 writers that share commits with 32 that each have their own.
func BenchmarkCommit(b *testing.B) {
	for _, c := range []struct {
		name string
		do   func(*gorm.DB, func(*gorm.DB) error) error
	}{
		{"own", func(db *gorm.DB, write func(*gorm.DB) error) error { return db.Transaction(write) }},
		{"shared", nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			db := dbtest.SQLite(b)
			w := &batch.Writer{DB: db}
			do := c.do
			if do == nil {
				do = func(_ *gorm.DB, write func(*gorm.DB) error) error { return w.Do(b.Context(), write) }
			}
			var n atomic.Int64
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := fmt.Sprint(n.Add(1))
					if err := do(db, func(tx *gorm.DB) error { return note(tx, id) }); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
