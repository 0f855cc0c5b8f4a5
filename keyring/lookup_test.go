package keyring

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestByAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		a := ann(t).addUserID("Ann Old", "old@example.org").later(time.Hour).revokeUserID("Ann Old <old@example.org>")
		b := newKeyAt(t, lastYear(), "Bücher", "Info@bücher.example")
		expired := newKeyAt(t, lastYear(), "Cem", "cem@example.org", lifetime(time.Hour))
		future := newKeyAt(t, noon().Add(year), "Dora", "dora@example.org")
		for _, k := range []*key{a, b, expired, future} {
			r.merge(k.public(), true, noon())
		}
		given := []string{
			"ANN@Example.org", "old@example.org", "info@BÜCHER.example", "info@xn--bcher-kva.example",
			"cem@example.org", "dora@example.org", "nobody@example.org", "not an address",
		}
		found, err := r.ByAddress(t.Context(), given, noon())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]*key{given[0]: a, given[2]: b, given[3]: b, given[4]: expired, given[5]: future}
		for _, address := range given {
			switch k, got := want[address], found[address]; {
			case k == nil && len(got) > 0:
				t.Errorf("%s: found %s", address, got[0].Fingerprint)
			case k != nil && (len(got) != 1 || got[0].Fingerprint != k.fingerprint()):
				t.Errorf("%s: found %d", address, len(got))
			}
		}
		if none, err := r.ByAddress(t.Context(), nil, noon()); err != nil || len(none) != 0 {
			t.Errorf("no addresses: %v, %v", none, err)
		}
	})
}

func TestByKeyIDFindsSubkeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		a, b, six := ann(t), bob(t), newKeyAt(t, lastYear(), "Six", "six@example.org", version6)
		for _, k := range []*key{a, b, six} {
			r.merge(k.public(), true, noon())
		}
		found, err := r.ByKeyID(t.Context(), []string{
			a.PrimaryKey.KeyIdString(), a.Subkeys[0].PublicKey.KeyIdString(), six.Subkeys[0].PublicKey.KeyIdString(), "0000000000000000",
		}, noon())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range found {
			got = append(got, c.Fingerprint)
		}
		want := []string{a.fingerprint(), six.fingerprint()}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if six.PrimaryKey.KeyIdString() != six.fingerprint()[:16] {
			t.Error("the key id of a v6 key is the front of its fingerprint")
		}
	})
}

func TestList(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		r := newRing(t, db)
		var fingerprints []string
		for i, address := range []string{"ann@example.org", "under_score@example.org", "percent%@other.example", "dan@other.example"} {
			k := newKeyAt(t, lastYear(), "", address)
			fingerprints = append(fingerprints, k.fingerprint())
			input := k.public()
			if i == 3 {
				input = k.secret()
			}
			r.merge(input, true, noon().Add(time.Duration(i)*time.Minute))
		}
		spaced := strings.ToLower(fingerprints[0][:4] + " " + fingerprints[0][4:8] + "  " + fingerprints[0][8:12])
		for name, c := range map[string]struct {
			filter Filter
			want   []int
			total  int64
		}{
			"all, newest change first": {Filter{}, []int{3, 2, 1, 0}, 4},
			"one page":                 {Filter{Limit: 2, Offset: 1}, []int{2, 1}, 4},
			"part of an address":       {Filter{Query: " Other.EXAMPLE "}, []int{3, 2}, 2},
			"underscore is no joker":   {Filter{Query: "r_s"}, []int{1}, 1},
			"not a joker either":       {Filter{Query: "a_n"}, nil, 0},
			"percent is no joker":      {Filter{Query: "t%@"}, []int{2}, 1},
			"fingerprint with spaces":  {Filter{Query: spaced}, []int{0}, 1},
			"whole fingerprint":        {Filter{Query: "0x" + fingerprints[2]}, []int{2}, 1},
			"secret only":              {Filter{SecretOnly: true}, []int{3}, 1},
			"secret only and query":    {Filter{SecretOnly: true, Query: "ann"}, nil, 0},
			"nothing":                  {Filter{Query: "zzz"}, nil, 0},
		} {
			t.Run(name, func(t *testing.T) {
				found, total, err := r.List(t.Context(), c.filter, noon())
				if err != nil {
					t.Fatal(err)
				}
				var got []int
				for _, f := range found {
					got = append(got, slices.Index(fingerprints, f.Fingerprint))
				}
				if !slices.Equal(got, c.want) || total != c.total {
					t.Errorf("got %v of %d, want %v of %d", got, total, c.want, c.total)
				}
			})
		}
	})
}

func TestGetAcceptsWhatPeopleWrite(t *testing.T) {
	r := newRing(t, dbtest.SQLite(t))
	k := ann(t)
	r.merge(k.public(), true, noon())
	r.get("0x" + strings.ToLower(k.fingerprint()))
	if _, err := r.Get(t.Context(), k.fingerprint()[1:], noon()); !errors.Is(err, ErrNotFound) {
		t.Errorf("a part of it: %v", err)
	}
}

// TestQueriesDoNotGrow counts the statements of each lookup with one and with twenty certificates.
func TestQueriesDoNotGrow(t *testing.T) {
	db := dbtest.SQLite(t)
	r := newRing(t, db)
	queries := 0
	if err := db.Callback().Query().Before("gorm:query").Register("test:count", func(*gorm.DB) { queries++ }); err != nil {
		t.Fatal(err)
	}
	var addresses, keyIDs []string
	for i := range 20 {
		k := newKeyAt(t, lastYear(), "", fmt.Sprintf("user%d@example.org", i))
		r.merge(k.public(), true, noon())
		addresses, keyIDs = append(addresses, fmt.Sprintf("user%d@example.org", i)), append(keyIDs, k.PrimaryKey.KeyIdString())
	}
	queries = 0
	if found, err := r.ByAddress(t.Context(), addresses, noon()); err != nil || len(found) != 20 || queries != 1 {
		t.Errorf("by address: %d found with %d queries, %v", len(found), queries, err)
	}
	queries = 0
	if found, err := r.ByKeyID(t.Context(), keyIDs, noon()); err != nil || len(found) != 20 || queries != 1 {
		t.Errorf("by key id: %d found with %d queries, %v", len(found), queries, err)
	}
	queries = 0
	if found, _, err := r.List(t.Context(), Filter{}, noon()); err != nil || len(found) != 20 || queries != 2 {
		t.Errorf("list: %d found with %d queries, %v", len(found), queries, err)
	}
}
