package keyring

import (
	"testing"
	"time"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestEnding follows one own key through the changes that move its end, each made and looked for at once.
func TestEnding(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		k := newOwn(t, db, Curve25519, 5*aDay, noon())
		ends := func(at time.Time) string {
			t.Helper()
			found, err := k.Ending(t.Context(), at.Add(-30*aDay), at.Add(60*aDay), at)
			if err != nil {
				t.Fatal(err)
			}
			if len(found) == 0 {
				return "nothing"
			}
			return found[0].Breaks(at).Format(time.DateOnly)
		}
		extend := func(until, at time.Time) {
			t.Helper()
			item, err := Extend(k.secret(), until, at)
			k.apply(at, item, err)
		}
		expect := func(what, want string, at time.Time) {
			t.Helper()
			if got := ends(at); got != want {
				t.Errorf("%s: %s ends, want %s", what, got, want)
			}
		}
		now := noon().Add(time.Second / 2) // in the second of the first signature, as on a fast machine
		expect("five days before", noon().Add(5*aDay).Format(time.DateOnly), now)
		expect("five days after", noon().Add(5*aDay).Format(time.DateOnly), noon().Add(10*aDay))
		expect("forty days after", "nothing", noon().Add(45*aDay))
		extend(time.Time{}, now)
		expect("extended for ever", "nothing", now)
		now = now.Add(time.Hour)
		extend(now.Add(50*aDay), now)
		expect("shortened", now.Add(50*aDay).Format(time.DateOnly), now.Add(time.Minute))
		now = now.Add(time.Hour)
		extend(time.Time{}, now)
		expect("extended again", "nothing", now.Add(time.Minute))
	})
}
