package mailbox

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestConcurrentInsertsCountUp: writers at once get each UID once, and no lower UID appears after a higher one.
func TestConcurrentInsertsCountUp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		d := newDesk(t, db)
		d.put(letter("first"))
		f, err := d.mirror.folder(t.Context(), deskMailbox, inbox)
		if err != nil {
			t.Fatal(err)
		}
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for i := range 10 {
					d.put(letter(fmt.Sprintf("w%d-%d", w, i)))
				}
			})
		}
		done := make(chan struct{})
		go func() { writers.Wait(); close(done) }()
		for seen := []uint32{}; ; {
			select {
			case <-done:
				if len(seen) == 41 {
					return
				}
			default:
			}
			now, err := d.mirror.uids(t.Context(), f.ID)
			if err != nil {
				t.Fatal(err)
			}
			for i, uid := range now {
				if uid != uint32(i+1) {
					t.Fatalf("position %d has UID %d: a gap was seen", i, uid)
				}
			}
			seen = now
		}
	})
}

// TestInsertNeedsTheFolder of its own mailbox.
func TestInsertNeedsTheFolder(t *testing.T) {
	d := newDesk(t, dbtest.SQLite(t))
	d.put(letter("one"))
	f, err := d.mirror.folder(t.Context(), deskMailbox, inbox)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Origin{{MailboxID: deskMailbox, FolderID: "none"}, {MailboxID: "another", FolderID: f.ID}} {
		err := d.db.Transaction(func(tx *gorm.DB) error {
			_, err := d.mirror.Insert(t.Context(), tx, NewMessage{Origin: o, ArticleID: "a"})
			return err
		})
		if !errors.Is(err, ErrNoFolder) {
			t.Errorf("%v: got %v", o, err)
		}
	}
}

// TestFolderOf finds where an article stands.
func TestFolderOf(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		d, up := newDesk(t, db), newMemory(t)
		up.append(letter("one"))
		d.sync(up.upstream())
		d.shows("one")
		f, err := d.mirror.folder(t.Context(), deskMailbox, inbox)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := d.mirror.messages(t.Context(), f.ID, -1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.mirror.FolderOf(t.Context(), rows[0].ArticleID)
		want := Origin{MailboxID: deskMailbox, FolderID: f.ID, UIDValidity: f.UpstreamUIDValidity, UID: 1}
		if err != nil || got != want {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
		if _, err := d.mirror.FolderOf(t.Context(), "none"); !errors.Is(err, ErrNoFolder) {
			t.Errorf("got %v", err)
		}
	})
}

// TestOriginReadsWhatItWrote, and nothing else.
func TestOriginReadsWhatItWrote(t *testing.T) {
	want := Origin{MailboxID: "0198-a", FolderID: "0198-b", UIDValidity: 4294967295, UID: 7}
	if got, err := ParseOrigin(want.String()); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "a/b/1", "a/b/1/2/3", "/b/1/2", "a/b/x/2", "a/b/1/4294967296", "a/b/-1/2"} {
		if _, err := ParseOrigin(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestFlagsHaveOneForm: what is stored can be written to any client, sorted, each once.
func TestFlagsHaveOneForm(t *testing.T) {
	got := flagsOfStrings([]string{`\SEEN`, "work", "Work", `\Recent`, `\Unknown`, "", "a b", "x)", "ü", `\flagged`})
	if want := flagSet(`\Flagged \Seen work`); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzOrigin: whatever is read is written the same again, but for leading zeros.
func FuzzOrigin(f *testing.F) {
	f.Add("a/b/1/2")
	f.Add("//0/0")
	f.Fuzz(func(t *testing.T, s string) {
		o, err := ParseOrigin(s)
		if err != nil {
			return
		}
		if again, err := ParseOrigin(o.String()); err != nil || again != o {
			t.Errorf("%q became %q", s, o)
		}
	})
}
