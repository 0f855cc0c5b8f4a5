package keyring

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// BenchmarkTenThousand measures the import of a dump of 10,000 certificates in batches, then lookups and a list page among
// them.
func BenchmarkTenThousand(b *testing.B) {
	const people, batch = 10_000, 200
	var dump bytes.Buffer
	for i := range people {
		dump.Write(newKeyAt(b, lastYear(), "Person", fmt.Sprintf("p%d@example.org", i)).public())
	}
	store := NewStore(dbtest.SQLite(b), nil)
	ctx := b.Context()
	b.Run("import", func(b *testing.B) {
		for range b.N {
			var items []*Item
			flush := func() error {
				return store.db.Transaction(func(tx *gorm.DB) error {
					for _, item := range items {
						if _, err := store.Merge(ctx, tx, item, Imported, true, noon()); err != nil {
							return err
						}
					}
					items = nil
					return nil
				})
			}
			err := Scan(bytes.NewReader(dump.Bytes()), noon(), func(i *Item) error {
				if items = append(items, i); len(items) == batch {
					return flush()
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("lookup", func(b *testing.B) {
		for i := range b.N {
			address := fmt.Sprintf("p%d@example.org", i%people)
			found, err := store.Choices(ctx, []string{address}, noon())
			if err != nil || found[address].Best == nil {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		for i := range b.N {
			if _, total, err := store.List(ctx, Filter{Limit: 50, Offset: i % people}, noon()); err != nil || total != people {
				b.Fatal(total, err)
			}
		}
	})
}
