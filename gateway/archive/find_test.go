package archive_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/keyring/seal"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// putAll puts n articles, all received in the same millisecond.
func putAll(t *testing.T, a *archive.Archive, db *gorm.DB, n int) []archive.Article {
	t.Helper()
	var all []archive.Article
	for i := range n {
		one := article(i)
		one.Received = time.UnixMilli(2000)
		if err := put(t, a, db, one, archive.Content{Message: []byte("words")}); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// TestPagesMissNoArticle: a burst that arrived in one millisecond does not fall between two pages.
func TestPagesMissNoArticle(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		a := newArchive(t, db)
		putAll(t, a, db, 7)
		var subjects []string
		for f := (archive.Filter{Groups: []string{"group-a"}, Limit: 3}); ; {
			page, err := a.List(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, one := range page {
				subjects = append(subjects, strings.TrimPrefix(one.Subject, "subject "))
			}
			last := page[len(page)-1]
			f.Before, f.BeforeID = last.Received, last.ID
		}
		if got := strings.Join(subjects, " "); got != "6 5 4 3 2 1 0" {
			t.Errorf("pages hold %s", got)
		}
	})
}

// TestListAsksThreeTimes: one query for the rows and two for all subjects, however long the list.
func TestListAsksThreeTimes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		a := newArchive(t, db)
		putAll(t, a, db, 30)
		queries := 0
		if err := db.Callback().Query().Before("gorm:query").Register("count", func(*gorm.DB) { queries++ }); err != nil {
			t.Fatal(err)
		}
		found, err := a.List(t.Context(), archive.Filter{})
		if err != nil || len(found) != 30 || queries != 3 {
			t.Errorf("%d articles with %d queries, %v", len(found), queries, err)
		}
	})
}

// TestAlteredSubjectIsSeen: it does not open, it says so, and it hides no other article.
func TestAlteredSubjectIsSeen(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		a := newArchive(t, db)
		all := putAll(t, a, db, 3)
		for id, sql := range map[string]string{
			all[0].ID: "UPDATE sealed_objects SET sealed_ms = 1 WHERE kind = 'subject' AND object_id = ?",
			all[1].ID: "DELETE FROM sealed_objects WHERE kind = 'subject' AND object_id = ?",
		} {
			if err := db.Exec(sql, id).Error; err != nil {
				t.Fatal(err)
			}
		}
		found, err := a.List(t.Context(), archive.Filter{})
		if err != nil || len(found) != 3 || found[0].Subject != "subject 2" {
			t.Fatalf("%+v, %v", found, err)
		}
		for _, one := range found[1:] {
			if !strings.Contains(one.Subject, "missing or was altered") {
				t.Errorf("subject %q", one.Subject)
			}
		}
		if one, err := a.Get(t.Context(), all[0].ID); err != nil || !strings.HasPrefix(one.Subject, "[") {
			t.Errorf("get: %q, %v", one.Subject, err)
		}
	})
}

// TestStrangersTextIsKept: what a mail's header may hold never keeps the mail from being stored and found.
func TestStrangersTextIsKept(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		a := newArchive(t, db)
		for n, text := range []string{"a\x00b", "caf\xe9", strings.Repeat("\u00e9", 40_000), "'\"\\%\n"} {
			one := article(n)
			one.From, one.To, one.MessageID, one.InReplyTo, one.Subject = text, []string{text}, text, text, text
			if err := put(t, a, db, one, archive.Content{}); err != nil {
				t.Errorf("%.10q: %v", text, err)
				continue
			}
			got, err := a.Get(t.Context(), one.ID)
			if err != nil || got.Subject != text || got.MessageID == "" || len(got.MessageID) > 998 {
				t.Errorf("%.10q: %.20q, %v", text, got.MessageID, err)
			}
			if came, err := a.CameEncrypted(t.Context(), "group-a", []string{text}); err != nil || !came {
				t.Errorf("%.10q: came encrypted %t, %v", text, came, err)
			}
		}
	})
}

// TestLongListsAreAskedInParts: a reply with thousands of references, a key ring with thousands of keys.
func TestLongListsAreAskedInParts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		a := newArchive(t, db)
		one := article(1)
		if err := put(t, a, db, one, archive.Content{}, "KEY-39999", "KEY-1"); err != nil {
			t.Fatal(err)
		}
		var references, keys []string
		for i := range 40_000 {
			references = append(references, fmt.Sprintf("%d@example.net", i))
			keys = append(keys, fmt.Sprintf("KEY-%d", i))
		}
		references = append(references, one.MessageID)
		if came, err := a.CameEncrypted(t.Context(), "group-a", references); err != nil || !came {
			t.Errorf("came encrypted %t, %v", came, err)
		}
		if waiting, err := a.WaitingFor(t.Context(), keys); err != nil || len(waiting) != 1 || waiting[0] != one.ID {
			t.Errorf("waiting %v, %v", waiting, err)
		}
		if waiting, err := a.WaitingFor(t.Context(), nil); err != nil || len(waiting) != 0 {
			t.Errorf("waiting for no key: %v, %v", waiting, err)
		}
	})
}

// TestOriginalIsKeptWhenGiven: whether one is kept follows from the content, so that none is ever dropped.
func TestOriginalIsKeptWhenGiven(t *testing.T) {
	db := dbtest.SQLite(t)
	a := newArchive(t, db)
	for name, c := range map[string]struct {
		says     bool
		original []byte
		kept     bool
	}{
		"given and said": {true, []byte("x"), true}, "given": {false, []byte("x"), true}, "said only": {true, nil, false}, "empty": {true, []byte{}, true},
	} {
		one := article(1)
		one.HasOriginal, one.Origin = c.says, name
		if err := put(t, a, db, one, archive.Content{Original: c.original}); err != nil {
			t.Fatal(err)
		}
		got, err := a.Get(t.Context(), one.ID)
		if err != nil || got.HasOriginal != c.kept {
			t.Errorf("%s: has original %t, %v", name, got.HasOriginal, err)
		}
		r, err := a.Original(t.Context(), one.ID)
		if (err == nil) != c.kept || (err != nil && !errors.Is(err, seal.ErrGone)) {
			t.Errorf("%s: original %v", name, err)
		}
		if r != nil {
			r.Close()
		}
	}
}
