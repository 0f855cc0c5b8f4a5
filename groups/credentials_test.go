package groups

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/kms/local"
	"github.com/sealgate/sealgate/migrations"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// sealingStore returns a store over db with a key file of its own.
func sealingStore(t *testing.T, db *gorm.DB) *Store {
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
	return NewStore(db, keeper)
}

func TestCredentialsAreSealedReplacedAndShredded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := sealingStore(t, db)
		g := saveGroup(t, s, plainGroup("Support"))
		m := saveMailbox(t, s, Mailbox{GroupID: g.ID, Login: "zammad"}, of("zammad-secret"), nil)
		wantCredentials(t, s, m.ID, Credentials{})
		for _, c := range []Credentials{{IMAPPassword: "imap-1", SMTPPassword: "smtp-1"}, {IMAPPassword: "imap-2", ClientSecret: "client"}} {
			saveMailbox(t, s, m, nil, &c)
			wantCredentials(t, s, m.ID, c)
			saveMailbox(t, s, m, nil, nil) // nil keeps them
			wantCredentials(t, s, m.ID, c)
			if n := sealedCredentials(t, db); n != 1 {
				t.Errorf("%d versions are sealed, want only the newest", n)
			}
		}
		if err := remove(db, func(tx *gorm.DB) error { return s.DeleteMailbox(t.Context(), tx, m.ID) }); err != nil {
			t.Fatal(err)
		}
		if n := sealedCredentials(t, db); n != 0 {
			t.Errorf("%d sealed credentials outlived the mailbox", n)
		}
	})
}

func wantCredentials(t *testing.T, s *Store, id string, want Credentials) {
	t.Helper()
	got, err := s.Credentials(t.Context(), id)
	if err != nil || got != want {
		t.Errorf("credentials %+v (%v), want %+v", got, err, want)
	}
}

func sealedCredentials(t *testing.T, db *gorm.DB) int64 {
	t.Helper()
	var n int64
	if err := db.Table("sealed_objects").Where("kind = ?", kms.Credential).Count(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAFailedSaveKeepsTheOldCredentials(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := sealingStore(t, db)
		g := saveGroup(t, s, plainGroup("Support"))
		old := Credentials{IMAPPassword: "imap-1", SMTPPassword: "smtp-1"}
		m := saveMailbox(t, s, Mailbox{GroupID: g.ID, Login: "zammad"}, of("zammad-secret"), &old)
		broken := errors.New("the log entry could not be written")
		err := db.Transaction(func(tx *gorm.DB) error {
			_, err := s.SaveMailbox(t.Context(), tx, m, nil, &Credentials{IMAPPassword: "imap-2", SMTPPassword: "smtp-2"}, noon)
			return errors.Join(err, broken)
		})
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		wantCredentials(t, s, m.ID, old)
	})
}

func TestNoSecretStandsInTheDatabase(t *testing.T) {
	url := dbtest.SQLiteURL(t)
	db, err := migrations.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	s := sealingStore(t, db)
	g := saveGroup(t, s, plainGroup("Support"))
	saveMailbox(t, s, Mailbox{GroupID: g.ID, Login: "zammad"}, of("canary-gateway"), &Credentials{IMAPPassword: "canary-imap", SMTPPassword: "canary-smtp"})
	u := saveUser(t, s, User{Name: "alice", Role: Admin}, of("canary-of-alice"))
	token := in(t, db, func(tx *gorm.DB) (string, error) { return s.NewToken(t.Context(), tx, u.ID, "script", noon) })
	files, err := filepath.Glob(url[len("sqlite:"):] + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("files %q, %v", files, err)
	}
	for _, file := range files { // the write-ahead log among them
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte("canary")) || bytes.Contains(content, []byte(token)) {
			t.Errorf("a secret stands in %s", filepath.Base(file))
		}
	}
	if err := migrations.Close(db); err != nil {
		t.Error(err)
	}
}
