package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/kms/local"
	"github.com/sealgate/sealgate/keyring/seal"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func newArchive(t *testing.T, db *gorm.DB) *archive.Archive {
	t.Helper()
	p, err := local.Create(filepath.Join(t.TempDir(), "kek"), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := kms.Open(t.Context(), db, p, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return archive.New(db, k)
}

func article(n int) archive.Article {
	return archive.Article{
		ID: uuid.Must(uuid.NewV7()).String(), GroupID: "group-a", MailboxID: "mailbox", Direction: archive.In,
		From: "customer@example.org", To: []string{"support@desk.test"}, MessageID: fmt.Sprintf("%d@example.org", n),
		Date: time.UnixMilli(1000), Received: time.UnixMilli(int64(2000 + n)), Size: 5, Encryption: "decrypted",
		Signature: "good", Verdict: "{}", Origin: fmt.Sprintf("mailbox/inbox/1/%d", n), Subject: fmt.Sprintf("subject %d", n),
	}
}

func put(t *testing.T, a *archive.Archive, db *gorm.DB, article archive.Article, c archive.Content, keys ...string) error {
	t.Helper()
	return db.Transaction(func(tx *gorm.DB) error { return a.Put(t.Context(), tx, article, c, keys) })
}

func read(t *testing.T, open func() (io.ReadCloser, error)) string {
	t.Helper()
	r, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestArticleComesBack: everything that was put comes back, the subject too, and an origin is put once.
func TestArticleComesBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		a := newArchive(t, db)
		want := article(1)
		want.HasOriginal = true
		want.InReplyTo, want.Signer, want.ReopenedFrom = "0@example.org", "ABCD", "another"
		if err := put(t, a, db, want, archive.Content{Message: []byte("opened"), Original: []byte("as it came")}); err != nil {
			t.Fatal(err)
		}
		got, err := a.Get(t.Context(), want.ID)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %+v\nwant %+v\n%v", got, want, err)
		}
		if m := read(t, func() (io.ReadCloser, error) { return a.Message(t.Context(), want.ID) }); m != "opened" {
			t.Errorf("message %q", m)
		}
		if o := read(t, func() (io.ReadCloser, error) { return a.Original(t.Context(), want.ID) }); o != "as it came" {
			t.Errorf("original %q", o)
		}
		again := article(1)
		if err := put(t, a, db, again, archive.Content{}); !errors.Is(err, archive.ErrDuplicate) {
			t.Errorf("the same origin again: %v", err)
		}
		if known, err := a.ByOrigin(t.Context(), want.Origin); err != nil || known.ID != want.ID {
			t.Errorf("by origin: %+v, %v", known, err)
		}
		if _, err := a.ByOrigin(t.Context(), "elsewhere"); !errors.Is(err, archive.ErrNotFound) {
			t.Errorf("by another origin: %v", err)
		}
		for range 2 { // outbound articles have no origin, and there may be many
			out := article(2)
			out.Origin, out.Direction = "", archive.Out
			if err := put(t, a, db, out, archive.Content{}); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestListIsByGroupNewestFirst(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		a := newArchive(t, db)
		for n := range 5 {
			one := article(n)
			one.GroupID = []string{"group-a", "group-b"}[n%2]
			if err := put(t, a, db, one, archive.Content{}); err != nil {
				t.Fatal(err)
			}
		}
		for name, c := range map[string]struct {
			filter archive.Filter
			want   string
		}{
			"all":       {archive.Filter{}, "[subject 4 subject 3 subject 2 subject 1 subject 0]"},
			"one group": {archive.Filter{Groups: []string{"group-b"}}, "[subject 3 subject 1]"},
			"no group":  {archive.Filter{Groups: []string{}}, "[]"},
			"page":      {archive.Filter{Before: time.UnixMilli(2003), Limit: 2}, "[subject 2 subject 1]"},
		} {
			found, err := a.List(t.Context(), c.filter)
			if err != nil {
				t.Fatal(err)
			}
			subjects := []string{}
			for _, f := range found {
				subjects = append(subjects, f.Subject)
			}
			if fmt.Sprint(subjects) != c.want {
				t.Errorf("%s: %v, want %v", name, subjects, c.want)
			}
		}
	})
}

func TestThreadsAndWaitingKeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		a := newArchive(t, db)
		first, second, clear := article(1), article(2), article(3)
		clear.Encryption = "none"
		for _, one := range []archive.Article{first, second, clear} {
			if err := put(t, a, db, one, archive.Content{}, "AAAA", "BBBB", "AAAA"); err != nil {
				t.Fatal(err)
			}
		}
		for ids, want := range map[string]bool{first.MessageID: true, clear.MessageID: false, "": false, "other@x": false} {
			if came, err := a.CameEncrypted(t.Context(), "group-a", []string{ids}); err != nil || came != want {
				t.Errorf("%q came encrypted: %t, %v", ids, came, err)
			}
		}
		if came, _ := a.CameEncrypted(t.Context(), "group-b", []string{first.MessageID}); came {
			t.Error("another group's thread counts")
		}
		if err := a.StopWaiting(t.Context(), db, second.ID); err != nil {
			t.Fatal(err)
		}
		waiting, err := a.WaitingFor(t.Context(), []string{"BBBB", "AAAA", "CCCC"})
		if err != nil || fmt.Sprint(waiting) != fmt.Sprint([]string{first.ID, clear.ID}) {
			t.Errorf("waiting %v, %v", waiting, err)
		}
	})
}

func TestShreddedArticleIsGone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		a := newArchive(t, db)
		one := article(1)
		if err := put(t, a, db, one, archive.Content{Message: bytes.Repeat([]byte("x"), 1<<20)}, "AAAA"); err != nil {
			t.Fatal(err)
		}
		if err := db.Transaction(func(tx *gorm.DB) error { return a.Shred(t.Context(), tx, one.ID) }); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Get(t.Context(), one.ID); !errors.Is(err, archive.ErrNotFound) {
			t.Errorf("get: %v", err)
		}
		if _, err := a.Message(t.Context(), one.ID); !errors.Is(err, seal.ErrGone) {
			t.Errorf("message: %v", err)
		}
		for _, table := range []string{"sealed_objects", "sealed_segments", "article_keys"} {
			var n int64
			if err := db.Table(table).Count(&n).Error; err != nil || n != 0 {
				t.Errorf("%d rows left in %s (%v)", n, table, err)
			}
		}
	})
}
