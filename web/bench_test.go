package web

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/batch"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/kms/local"
	"github.com/sealgate/sealgate/keyring/seal"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

const (
	password   = "correct horse battery"
	setupToken = "the-token-of-this-start"
	support    = "support@desk.test"
	customer   = "customer@example.test"
)

// bench is a whole page over a real gateway on SQLite.
type bench struct {
	t       *testing.T
	gateway *gateway.Gateway
	server  *httptest.Server
	log     *logBuffer
	clock   *clock
	uid     uint32 // of the message that arrived last
}

// newBench starts the page; nobody exists yet.
func newBench(t *testing.T) *bench {
	t.Helper()
	db := dbtest.SQLite(t)
	b := &bench{t: t, log: &logBuffer{}, clock: &clock{now: time.Now()}}
	log := slog.New(slog.NewTextHandler(b.log, nil))
	b.gateway = newGateway(t, db, b.clock.Now, log)
	spool, err := seal.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	site := &Server{Gateway: b.gateway, Spool: spool, SetupToken: setupToken, Log: log}
	b.server = httptest.NewServer(site.Handler())
	t.Cleanup(b.server.Close)
	return b
}

func newGateway(t *testing.T, db *gorm.DB, now func() time.Time, log *slog.Logger) *gateway.Gateway {
	t.Helper()
	provider, err := local.Create(filepath.Join(t.TempDir(), "kek"), nil)
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := kms.Open(t.Context(), db, provider, now)
	if err != nil {
		t.Fatal(err)
	}
	articles := archive.New(db, keeper)
	g := &gateway.Gateway{
		DB: db, Keeper: keeper, Keyring: keyring.NewStore(db, keeper), Groups: groups.NewStore(db, keeper),
		Archive: articles, Activity: activity.New(db), Mirror: mailbox.NewMirror(db, articles, now), Writer: &batch.Writer{DB: db},
		Domain: "seal.test", Now: now, Random: rand.Reader, Log: log,
	}
	g.Queue = &queue.Queue{DB: db, Writer: g.Writer, Keeper: keeper, Deliver: g.Deliver, Tell: g.TellSender, Report: g.ReportDelivery, Now: now, Log: log}
	return g
}

// admin is who fills the bench.
func admin() gateway.Actor { return gateway.Actor{Name: "cli", Role: groups.Admin} }

// person adds somebody with the password of these tests.
func (b *bench) person(name string, role groups.Role, groupIDs ...string) groups.User {
	b.t.Helper()
	secret := password
	u, err := b.gateway.SaveUser(b.t.Context(), admin(), groups.User{Name: name, Role: role, Groups: groupIDs}, &secret)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// desk makes the group Support with its address, key and mailbox. Its mail server does not exist.
func (b *bench) desk(edit func(*groups.Group)) groups.Group {
	b.t.Helper()
	g := gateway.NewGroup("Support")
	g.Addresses = []string{support}
	if edit != nil {
		edit(&g)
	}
	saved, err := b.gateway.SaveGroup(b.t.Context(), admin(), g)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.gateway.GenerateKey(b.t.Context(), admin(), gateway.NewKey{Name: "Support", Address: support}); err != nil {
		b.t.Fatal(err)
	}
	secret := password
	_, err = b.gateway.SaveMailbox(b.t.Context(), admin(), gateway.MailboxRequest{
		Mailbox: groups.Mailbox{
			GroupID: saved.ID, Login: "support",
			IMAP: groups.Upstream{Address: "127.0.0.1:1", TLS: groups.TLSNone, Username: "support"},
			SMTP: groups.Upstream{Address: "127.0.0.1:1", TLS: groups.TLSNone, Username: "support"},
		},
		Password: &secret, Credentials: &groups.Credentials{IMAPPassword: "upstream-imap", SMTPPassword: "upstream-smtp"},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return saved
}

// armoredKey is a fresh public certificate, as its owner sends it.
func armoredKey(t *testing.T, name, address string, lifetime time.Duration, now time.Time) string {
	t.Helper()
	item, err := keyring.Generate(keyring.Curve25519, name, address, lifetime, now)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := item.Certificate.Armored()
	if err != nil {
		t.Fatal(err)
	}
	return string(armored)
}

func (b *bench) imports(input string) gateway.ImportReport {
	b.t.Helper()
	report, err := b.gateway.ImportCertificates(b.t.Context(), admin(), gateway.ImportRequest{Input: []byte(input)})
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

// arrives delivers a message to the desk's mailbox as its sync would, and returns the article's id.
func (b *bench) arrives(message string) string {
	b.t.Helper()
	ctx := b.t.Context()
	all, err := b.gateway.Groups.Mailboxes(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	b.receive(all[0], []byte(strings.ReplaceAll(message, "\n", "\r\n")))
	found, err := b.gateway.ListArticles(ctx, admin(), archive.Filter{Limit: 1})
	if err != nil || len(found) == 0 {
		b.t.Fatalf("the article did not arrive: %v", err)
	}
	return found[0].ID
}

// receive hands a message to the gateway as the sync of a mailbox's INBOX does.
func (b *bench) receive(m groups.Mailbox, message []byte) {
	b.t.Helper()
	err := b.gateway.DB.Exec("INSERT INTO mirror_folders (id, mailbox_id, name, uidvalidity) VALUES (?, ?, 'INBOX', 1) ON CONFLICT DO NOTHING",
		"inbox-"+m.ID, m.ID).Error
	if err != nil {
		b.t.Fatal(err)
	}
	b.uid++
	err = b.gateway.Receive(b.t.Context(), mailbox.Arrival{
		Origin:   mailbox.Origin{MailboxID: m.ID, FolderID: "inbox-" + m.ID, UIDValidity: 1, UID: b.uid},
		Internal: b.clock.Now(), Message: message,
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// clock is a clock that tests can move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logBuffer is a log for many writers.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (b *bench) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b.log, nil)) }
