package keystore_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/dkim/keystore"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/kms/local"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// noon is when everything happens, in the precision of the database.
var noon = time.UnixMilli(1_772_625_600_000)

func newStore(t *testing.T, db *gorm.DB) *keystore.Store {
	t.Helper()
	provider, err := local.Create(filepath.Join(t.TempDir(), "key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provider.Close() })
	keeper, err := kms.Open(t.Context(), db, provider, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keeper.Close() })
	if err := keeper.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return keystore.New(db, keeper)
}

func add(t *testing.T, s *keystore.Store, db *gorm.DB, domain, selector string) (keystore.Key, error) {
	t.Helper()
	var added keystore.Key
	err := db.Transaction(func(tx *gorm.DB) (err error) {
		k := keystore.Key{Domain: domain, Selector: selector, Algorithm: "ed25519", Public: "AA==", Origin: "generated", Active: true, Created: noon}
		added, err = s.Add(t.Context(), tx, k, []byte("canary of "+selector))
		return err
	})
	return added, err
}

func mustAdd(t *testing.T, s *keystore.Store, db *gorm.DB, domain, selector string) keystore.Key {
	t.Helper()
	k, err := add(t, s, db, domain, selector)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestALifeOfAKey: added inactive, looked at, active, inactive, deleted with its secret.
func TestALifeOfAKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := newStore(t, db)
		k := mustAdd(t, s, db, "desk.test", "one")
		if k.Active || k.ID == "" {
			t.Errorf("it begins as %+v", k)
		}
		if _, err := add(t, s, db, "desk.test", "one"); !errors.Is(err, keystore.ErrTaken) {
			t.Errorf("a second one of the name: %v", err)
		}
		other := mustAdd(t, s, db, "else.test", "one")
		in := func(do func(tx *gorm.DB) error) {
			t.Helper()
			if err := db.Transaction(do); err != nil {
				t.Fatal(err)
			}
		}
		in(func(tx *gorm.DB) error { return s.SetFinding(t.Context(), tx, k, "published", noon) })
		in(func(tx *gorm.DB) error { return s.SetActive(t.Context(), tx, k, true) })
		active, err := s.Active(t.Context(), "desk.test")
		if err != nil || len(active) != 1 || active[0].Finding != "published" || !active[0].Checked.Equal(noon) || !active[0].Created.Equal(noon) {
			t.Fatalf("active are %+v (%v)", active, err)
		}
		if secret, err := s.Secret(t.Context(), active[0]); err != nil || string(secret) != "canary of one" {
			t.Errorf("the secret is %q (%v)", secret, err)
		}
		if none, err := s.Active(t.Context(), "else.test"); err != nil || len(none) != 0 {
			t.Errorf("of another domain: %+v (%v)", none, err)
		}
		if err := db.Transaction(func(tx *gorm.DB) error { return s.Delete(t.Context(), tx, active[0]) }); !errors.Is(err, keystore.ErrActive) {
			t.Errorf("an active key is deleted: %v", err)
		}
		in(func(tx *gorm.DB) error { return s.SetActive(t.Context(), tx, k, false) })
		in(func(tx *gorm.DB) error { return s.Delete(t.Context(), tx, k) })
		if _, err := s.Get(t.Context(), "desk.test", "one"); !errors.Is(err, keystore.ErrNotFound) {
			t.Errorf("it is still there: %v", err)
		}
		if secret, err := s.Secret(t.Context(), k); err == nil {
			t.Errorf("its secret is still there: %q", secret)
		}
		if err := db.Transaction(func(tx *gorm.DB) error { return s.SetActive(t.Context(), tx, k, true) }); !errors.Is(err, keystore.ErrNotFound) {
			t.Errorf("a deleted key is activated: %v", err)
		}
		if all, err := s.List(t.Context()); err != nil || len(all) != 1 || all[0].ID != other.ID {
			t.Errorf("left are %+v (%v)", all, err)
		}
	})
}

// TestSecretsAreSealed: no row holds one.
func TestSecretsAreSealed(t *testing.T) {
	db := dbtest.SQLite(t)
	s := newStore(t, db)
	mustAdd(t, s, db, "desk.test", "one")
	var stored [][]byte
	if err := db.Table("sealed_segments").Pluck("data", &stored).Error; err != nil || len(stored) == 0 {
		t.Fatalf("%d segments (%v)", len(stored), err)
	}
	for _, data := range stored {
		if bytes.Contains(data, []byte("canary")) {
			t.Error("a secret is stored in clear")
		}
	}
}
