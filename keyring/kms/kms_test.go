package kms_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/kms/local"
	"github.com/sealgate/sealgate/keyring/seal"
	"github.com/sealgate/sealgate/migrations"
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
	t.Cleanup(func() { k.Close() })
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
	if exists, err := kms.SealedDataExists(t.Context(), db); err != nil || exists {
		t.Errorf("sealed data exists in an empty database: %t, %v", exists, err)
	}
	p := newProvider(t)
	openKeeper(t, db, p)
	if exists, err := kms.SealedDataExists(t.Context(), db); err != nil || !exists {
		t.Errorf("sealed data exists: %t, %v", exists, err)
	}
	for name, other := range map[string]kms.Provider{"another id": newProvider(t), "the same id": renamed{newProvider(t), p.KeyRef()}} {
		_, err := kms.Open(t.Context(), db, other, time.Now)
		if err == nil || !strings.Contains(err.Error(), "not the one that sealed this database") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// renamed is a provider that bears another's id.
type renamed struct {
	*local.Provider
	ref string
}

func (r renamed) KeyRef() string { return r.ref }

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
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if n, err := io.CopyN(io.Discard, r, size/2); err != nil || n != size/2 {
		t.Errorf("opened %d bytes, %v", n, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("half of the object holds %d bytes of memory", grown)
	}
	// The reader holds no read transaction: the write-ahead log can be taken over and emptied under it.
	var busy struct{ Busy int }
	if err := db.Raw("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy).Error; err != nil || busy.Busy != 0 {
		t.Errorf("checkpoint while reading: busy %d, %v", busy.Busy, err)
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n != size/2 {
		t.Errorf("opened %d bytes more, %v", n, err)
	}
}

// TestNothingReadableIsOnDisk: database, write-ahead log and key file hold no word of what was sealed.
func TestNothingReadableIsOnDisk(t *testing.T) {
	address := dbtest.SQLiteURL(t)
	db, err := migrations.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer migrations.Close(db)
	k := openKeeper(t, db, newProvider(t))
	for _, size := range []int{1, 20_000} {
		mustSeal(t, k, db, ref(strconv.Itoa(size)), bytes.Repeat([]byte("canary-word "), size))
	}
	folder := filepath.Dir(strings.TrimPrefix(address, "sqlite:"))
	look := func(when string) {
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil || len(files) < 2 {
			t.Fatalf("files %v, %v", files, err)
		}
		for _, path := range files {
			content, err := os.ReadFile(path)
			if err != nil || bytes.Contains(content, []byte("canary")) || len(content) == 0 && !strings.HasSuffix(path, "-wal") {
				t.Errorf("%s: %s holds the canary or nothing at all (%v)", when, filepath.Base(path), err)
			}
		}
	}
	look("in the write-ahead log")
	if err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)").Error; err != nil {
		t.Fatal(err)
	}
	look("in the database")
}

// TestFullDatabaseIsSaid: when no space is left the seal fails, nothing is kept, and what was there still opens.
func TestFullDatabaseIsSaid(t *testing.T) {
	db := dbtest.SQLite(t)
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1) // the limit below is the connection's
	k := openKeeper(t, db, newProvider(t))
	mustSeal(t, k, db, ref("1"), []byte("words"))
	var pages int64
	if err := db.Raw("PRAGMA page_count").Scan(&pages).Error; err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages+20)).Error; err != nil {
		t.Fatal(err)
	}
	err = db.Transaction(func(tx *gorm.DB) error {
		_, err := k.SealFrom(t.Context(), tx, ref("2"), io.LimitReader(rand.Reader, 1<<20))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("seal in a full database: %v", err)
	}
	if _, err := k.Open(t.Context(), db, ref("2")); !errors.Is(err, seal.ErrGone) {
		t.Errorf("open what did not fit: %v", err)
	}
	if opened, err := k.Open(t.Context(), db, ref("1")); err != nil || string(opened) != "words" {
		t.Errorf("open what was there: %q, %v", opened, err)
	}
}

// TestFailingSourceSealsNothing: a source that breaks off leaves no object, even if the caller commits.
func TestFailingSourceSealsNothing(t *testing.T) {
	db := dbtest.SQLite(t)
	k := openKeeper(t, db, newProvider(t))
	broken := errors.New("the line is broken")
	err := db.Transaction(func(tx *gorm.DB) error {
		source := io.MultiReader(io.LimitReader(rand.Reader, 1<<20), iotest.ErrReader(broken))
		if _, err := k.SealFrom(t.Context(), tx, ref("1"), source); !errors.Is(err, broken) {
			t.Errorf("seal: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(t.Context(), db, ref("1")); !errors.Is(err, seal.ErrGone) {
		t.Errorf("open: %v", err)
	}
}

// TestOneAlteredObjectDoesNotHideTheOthers: a list shows what opens, and the error names what does not.
func TestOneAlteredObjectDoesNotHideTheOthers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		k := openKeeper(t, db, newProvider(t))
		ids := []string{"a", "b", "c", "d"}
		for _, id := range ids {
			mustSeal(t, k, db, ref(id), []byte(id))
		}
		for _, sql := range []string{
			"UPDATE sealed_objects SET sealed_ms = sealed_ms + 1 WHERE object_id = 'b'",
			"DELETE FROM sealed_segments WHERE object_id = 'c'",
		} {
			if err := db.Exec(sql).Error; err != nil {
				t.Fatal(err)
			}
		}
		many, err := k.OpenMany(t.Context(), db, kms.Article, ids)
		if !kms.Altered(err) || !strings.Contains(err.Error(), "b: ") {
			t.Errorf("open many: %v", err)
		}
		if len(many) != 2 || string(many["a"]) != "a" || string(many["d"]) != "d" {
			t.Errorf("open many: %q", many)
		}
		if _, err := k.Open(t.Context(), db, ref("c")); !errors.Is(err, seal.ErrGone) {
			t.Errorf("an object without bytes: %v", err)
		}
	})
}

// TestLaterSegmentsCannotBeTakenAway: an object of many rows that misses its end, or its middle, is altered.
func TestLaterSegmentsCannotBeTakenAway(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		k := openKeeper(t, db, newProvider(t))
		for id, sql := range map[string]string{
			"end":     "DELETE FROM sealed_segments WHERE object_id = 'end' AND seq = 3",
			"middle":  "DELETE FROM sealed_segments WHERE object_id = 'middle' AND seq = 1",
			"doubled": "UPDATE sealed_segments SET data = (SELECT data FROM sealed_segments WHERE object_id = 'doubled' AND seq = 1) WHERE object_id = 'doubled' AND seq = 2",
		} {
			mustSeal(t, k, db, ref(id), make([]byte, 900_000))
			if err := db.Exec(sql).Error; err != nil {
				t.Fatal(err)
			}
			if _, err := k.Open(t.Context(), db, ref(id)); !errors.Is(err, seal.ErrTampered) {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
}
