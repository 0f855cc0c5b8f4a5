package archive_test

import (
	"testing"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestArticlesAreCountedByTheirKeys: once each, whatever they were encrypted to besides; later openings and shredded ones
// do not count, and a reader who is not named is nobody.
func TestArticlesAreCountedByTheirKeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		a := newArchive(t, db)
		const ours, other, nobody = "00000000000000AA", "00000000000000BB", "0000000000000000"
		both, one, later := article(1), article(2), article(3)
		both.EncryptedTo, one.EncryptedTo = []string{ours, other, ours}, []string{ours, nobody}
		later.EncryptedTo, later.ReopenedFrom = []string{ours}, both.ID
		for _, each := range []archive.Article{both, one, later, article(4)} {
			if err := put(t, a, db, each, archive.Content{Message: []byte("words")}); err != nil {
				t.Fatal(err)
			}
		}
		count := func(keyIDs ...string) int {
			t.Helper()
			n, err := a.CountEncryptedTo(t.Context(), keyIDs)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		for _, c := range []struct {
			keyIDs []string
			want   int
		}{{[]string{ours}, 2}, {[]string{other}, 1}, {[]string{ours, other}, 2}, {[]string{nobody}, 0}, {nil, 0}} {
			if n := count(c.keyIDs...); n != c.want {
				t.Errorf("%d articles were encrypted to %q, want %d", n, c.keyIDs, c.want)
			}
		}
		if err := db.Transaction(func(tx *gorm.DB) error { return a.Shred(t.Context(), tx, one.ID) }); err != nil {
			t.Fatal(err)
		}
		if n := count(ours); n != 1 {
			t.Errorf("after shredding one, %d are counted", n)
		}
	})
}
