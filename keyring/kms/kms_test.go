package kms_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/kms/local"
	"github.com/sealgate/sealgate/keyring/seal"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func newProvider(t *testing.T) *local.Provider {
	t.Helper()
	p, err := local.Create(filepath.Join(t.TempDir(), "kek"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openKeeper(t *testing.T, db *gorm.DB, p kms.Provider) *kms.Keeper {
	t.Helper()
	k, err := kms.Open(t.Context(), db, p, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k
}

func ref(id string) kms.Ref { return kms.Ref{Kind: kms.Article, ID: id, Version: 1} }

func mustSeal(t *testing.T, k *kms.Keeper, db *gorm.DB, r kms.Ref, plaintext []byte) {
	t.Helper()
	err := db.Transaction(func(tx *gorm.DB) error { return k.Seal(t.Context(), tx, r, plaintext) })
	if err != nil {
		t.Fatal(err)
	}
}

// TestSealedObjectsOpenAfterARestart: what one process sealed another opens, with the same key file.
func TestSealedObjectsOpenAfterARestart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		p := newProvider(t)
		first := openKeeper(t, db, p)
		objects := map[string][]byte{"empty": {}, "small": []byte("words"), "large": bytes.Repeat([]byte("0123456789abcdef"), 100_000)}
		for id, plaintext := range objects {
			mustSeal(t, first, db, ref(id), plaintext)
		}
		second := openKeeper(t, db, p)
		for id, plaintext := range objects {
			opened, err := second.Open(t.Context(), db, ref(id))
			if err != nil || !bytes.Equal(opened, plaintext) {
				t.Errorf("%s: %v", id, err)
			}
		}
		many, err := second.OpenMany(t.Context(), db, kms.Article, []string{"small", "none", "empty"})
		if err != nil || len(many) != 2 || string(many["small"]) != "words" {
			t.Errorf("open many: %q, %v", many, err)
		}
		if err := second.Check(t.Context()); err != nil {
			t.Errorf("check: %v", err)
		}
	})
}

// TestRollbackLeavesNothing: a sealed object lives and dies with the caller's transaction.
func TestRollbackLeavesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		k := openKeeper(t, db, newProvider(t))
		stop := errors.New("stop")
		err := db.Transaction(func(tx *gorm.DB) error {
			if err := k.Seal(t.Context(), tx, ref("1"), []byte("words")); err != nil {
				return err
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		if _, err := k.Open(t.Context(), db, ref("1")); !errors.Is(err, seal.ErrGone) {
			t.Errorf("open after a rollback: %v, want gone", err)
		}
	})
}

// TestSwappedRowsDoNotOpen: neither the key row, nor the bytes, nor both of another object open as this one.
func TestSwappedRowsDoNotOpen(t *testing.T) {
	swaps := map[string][]string{
		"bytes": {"sealed_segments"}, "keys": {"sealed_objects"}, "both": {"sealed_segments", "sealed_objects"},
	}
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		k := openKeeper(t, db, newProvider(t))
		for name, tables := range swaps {
			a, b := name+"-a", name+"-b"
			mustSeal(t, k, db, ref(a), []byte("first"))
			mustSeal(t, k, db, ref(b), []byte("second"))
			for _, table := range tables {
				for _, move := range [][2]string{{a, "tmp"}, {b, a}, {"tmp", b}} {
					if err := db.Exec("UPDATE "+table+" SET object_id = ? WHERE object_id = ?", move[1], move[0]).Error; err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, id := range []string{a, b} {
				opened, err := k.Open(t.Context(), db, ref(id))
				if !errors.Is(err, seal.ErrTampered) && !errors.Is(err, seal.ErrContext) {
					t.Errorf("%s swapped: %q, %v", name, opened, err)
				}
			}
		}
	})
}

func TestObjectsAreWrittenOnceAndShredded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		k := openKeeper(t, db, newProvider(t))
		mustSeal(t, k, db, ref("1"), []byte("words"))
		err := db.Transaction(func(tx *gorm.DB) error { return k.Seal(t.Context(), tx, ref("1"), []byte("other")) })
		if err == nil {
			t.Error("an object was written twice")
		}
		if opened, err := k.Open(t.Context(), db, ref("1")); err != nil || string(opened) != "words" {
			t.Errorf("after the second write: %q, %v", opened, err)
		}
		for range 2 {
			if err := k.Shred(t.Context(), db, kms.Article, "1"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := k.Open(t.Context(), db, ref("1")); !errors.Is(err, seal.ErrGone) {
			t.Errorf("after shredding: %v", err)
		}
	})
}

func TestAnotherKeyFileIsRefused(t *testing.T) {
	db := dbtest.SQLite(t)
	openKeeper(t, db, newProvider(t))
	_, err := kms.Open(t.Context(), db, newProvider(t), time.Now)
	if err == nil || !strings.Contains(err.Error(), "key file that belongs to it") {
		t.Errorf("another key file: %v", err)
	}
	if exists, err := kms.SealedDataExists(t.Context(), db); err != nil || !exists {
		t.Errorf("sealed data exists: %t, %v", exists, err)
	}
}

// faulty is a provider whose answers can be broken.
type faulty struct {
	*local.Provider
	err error
}

func (f *faulty) Wrap(ctx context.Context, key seal.Key, ec seal.EncryptionContext) ([]byte, string, error) {
	if f.err != nil {
		return nil, "", f.err
	}
	return f.Provider.Wrap(ctx, key, ec)
}

func (f *faulty) Unwrap(ctx context.Context, wrapped []byte, version string, ec seal.EncryptionContext) (seal.Key, error) {
	if f.err != nil {
		return seal.Key{}, f.err
	}
	return f.Provider.Unwrap(ctx, wrapped, version, ec)
}

// TestFaultsAreTypedAndWriteNothing: the KMS's "no" comes through as it is, and nothing is sealed without a lease.
func TestFaultsAreTypedAndWriteNothing(t *testing.T) {
	for _, fault := range []error{seal.ErrDenied, seal.ErrDisabled, seal.ErrGone, seal.ErrUnreachable, seal.ErrThrottled} {
		db := dbtest.SQLite(t)
		p := &faulty{Provider: newProvider(t)}
		k, err := kms.Open(t.Context(), db, p, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		p.err = fmt.Errorf("provider: %w", fault)
		if err := k.Ready(t.Context()); !errors.Is(err, fault) {
			t.Errorf("ready: %v, want %v", err, fault)
		}
		if err := k.Seal(t.Context(), db, ref("1"), []byte("words")); err == nil {
			t.Errorf("%v: something was sealed without a lease", fault)
		}
		var n int64
		if err := db.Table("sealed_segments").Count(&n).Error; err != nil || n != 0 {
			t.Errorf("%v: %d rows were written (%v)", fault, n, err)
		}
		p.err = nil
		if err := k.Ready(t.Context()); err != nil {
			t.Errorf("the KMS is back, and: %v", err)
		}
	}
}

// TestSpentLeaseIsReplaced: after an hour a new lease seals, and what the old one sealed still opens.
func TestSpentLeaseIsReplaced(t *testing.T) {
	db := dbtest.SQLite(t)
	now := time.Now()
	k, err := kms.Open(t.Context(), db, newProvider(t), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"1", "2"} {
		if err := k.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustSeal(t, k, db, ref(id), []byte("words"))
		var leases int64
		if err := db.Table("leases").Count(&leases).Error; err != nil || leases != int64(i+1) {
			t.Errorf("%d leases after object %s (%v)", leases, id, err)
		}
		now = now.Add(61 * time.Minute)
	}
	for _, id := range []string{"1", "2"} {
		if _, err := k.Open(t.Context(), db, ref(id)); err != nil {
			t.Errorf("object %s: %v", id, err)
		}
	}
}

// TestStreamsAtConstantMemory: a large object goes in and out without being held.
func TestStreamsAtConstantMemory(t *testing.T) {
	const size = 32 << 20
	db := dbtest.SQLite(t)
	k := openKeeper(t, db, newProvider(t))
	err := db.Transaction(func(tx *gorm.DB) error {
		n, err := k.SealFrom(t.Context(), tx, ref("1"), io.LimitReader(rand.Reader, size))
		if n != size {
			t.Errorf("sealed %d bytes", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := k.OpenReader(t.Context(), db, ref("1"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); err != nil || n != size {
		t.Errorf("opened %d bytes, %v", n, err)
	}
}
