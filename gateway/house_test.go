package gateway_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"strings"
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
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const (
	support = "support@desk.test"
	canary  = "canary-in-the-body"
	secret  = "canary-in-the-subject"
)

// noon is the time of every story.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// house is a gateway with one group, Support, that writes as support@desk.test with a key of its own, and one mailbox.
type house struct {
	*gateway.Gateway
	t     testing.TB
	group groups.Group
	box   groups.Mailbox
	own   *keyring.Certificate

	provider *local.Provider

	admin, agent, stranger, auditor gateway.Actor
}

// newHouse opens a gateway on an empty database. The options change the group before it is stored.
func newHouse(t testing.TB, options ...func(*groups.Group)) *house {
	t.Helper()
	h := emptyHouse(t, dbtest.SQLite(t))
	h.group = h.newGroup("Support", support, options...)
	h.box = h.newMailbox(h.group, "support")
	h.agent = gateway.Actor{Name: "user:agnes", Role: groups.Agent, Groups: []string{h.group.ID}}
	var err error
	if h.own, err = h.GenerateKey(t.Context(), h.admin, gateway.NewKey{Name: "Support", Address: support}); err != nil {
		t.Fatal(err)
	}
	return h
}

// emptyHouse opens a gateway that holds nothing.
func emptyHouse(t testing.TB, db *gorm.DB) *house {
	t.Helper()
	provider, err := local.Create(filepath.Join(t.TempDir(), "kek"), nil)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return noon }
	keeper, err := kms.Open(t.Context(), db, provider, now)
	if err != nil {
		t.Fatal(err)
	}
	articles := archive.New(db, keeper)
	log := slog.New(slog.DiscardHandler)
	g := &gateway.Gateway{
		DB: db, Keeper: keeper, Keyring: keyring.NewStore(db, keeper), Groups: groups.NewStore(db, keeper),
		Archive: articles, Activity: activity.New(db), Mirror: mailbox.NewMirror(db, articles, now), Writer: &batch.Writer{DB: db},
		Domain: "gate.test", Now: now, Random: rand.Reader, Log: log,
	}
	g.Queue = &queue.Queue{DB: db, Writer: g.Writer, Keeper: keeper, Tell: g.TellSender, Report: g.ReportDelivery, Now: now, Log: log, Poll: 5 * time.Millisecond}
	return &house{
		Gateway: g, t: t, provider: provider,
		admin:    gateway.Actor{Name: "user:ada", Role: groups.Admin},
		stranger: gateway.Actor{Name: "user:sam", Role: groups.Agent, Groups: []string{"another-group"}},
		auditor:  gateway.Actor{Name: "user:otto", Role: groups.Auditor},
	}
}

func (h *house) newGroup(name, address string, options ...func(*groups.Group)) groups.Group {
	h.t.Helper()
	group := gateway.NewGroup(name)
	group.Addresses = []string{address}
	for _, change := range options {
		change(&group)
	}
	saved, err := h.SaveGroup(h.t.Context(), h.admin, group)
	if err != nil {
		h.t.Fatal(err)
	}
	return saved
}

// newMailbox stores a mailbox of a group, and the folder in which a sync would put its mail.
func (h *house) newMailbox(group groups.Group, login string) groups.Mailbox {
	h.t.Helper()
	password := "correct horse battery"
	server := groups.Upstream{Address: "127.0.0.1:1", TLS: groups.TLSNone}
	m, err := h.SaveMailbox(h.t.Context(), h.admin, gateway.MailboxRequest{
		Mailbox: groups.Mailbox{GroupID: group.ID, Login: login, IMAP: server, SMTP: server}, Password: &password,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	err = h.DB.Exec("INSERT INTO mirror_folders (id, mailbox_id, name, uidvalidity) VALUES (?, ?, 'INBOX', 1)", folderOf(m), m.ID).Error
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

// closedKeeper is a keeper of the same database that opens nothing.
func (h *house) closedKeeper() *kms.Keeper {
	h.t.Helper()
	keeper, err := kms.Open(h.t.Context(), h.DB, h.provider, h.Now)
	if err == nil {
		err = keeper.Close()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return keeper
}

func folderOf(m groups.Mailbox) string { return "inbox-" + m.ID }

// levels are options of newHouse.
func encrypt(l groups.Level) func(*groups.Group) { return func(g *groups.Group) { g.Encrypt = l } }

func sign(l groups.Level) func(*groups.Group) { return func(g *groups.Group) { g.Sign = l } }

func split(g *groups.Group) { g.Mixed = groups.MixedSplit }

func subjectTags(g *groups.Group) { g.SubjectTags = true }

// copies are the copies in the queue that have not left, oldest first.
func (h *house) copies() []sealedCopy {
	h.t.Helper()
	list, err := h.Queue.List(h.t.Context(), queue.Filter{Limit: 500})
	if err != nil {
		h.t.Fatal(err)
	}
	var all []sealedCopy
	for i := len(list) - 1; i >= 0; i-- {
		all = append(all, sealedCopy{h: h, Message: list[i], payload: h.payload(list[i].ID)})
	}
	return all
}

func (h *house) payload(id string) string {
	h.t.Helper()
	payload, err := h.Keeper.Open(h.t.Context(), h.DB, kms.Ref{Kind: kms.Queue, ID: id, Version: 1})
	if err != nil {
		h.t.Fatal(err)
	}
	return string(payload)
}

// copyFor is the one copy that goes to an address.
func (h *house) copyFor(address string) sealedCopy {
	h.t.Helper()
	var found []sealedCopy
	for _, c := range h.copies() {
		for _, r := range c.Recipients {
			if strings.EqualFold(r.Address, address) {
				found = append(found, c)
			}
		}
	}
	if len(found) != 1 {
		h.t.Fatalf("%d copies go to %s, want 1", len(found), address)
	}
	return found[0]
}

// entries are the log's entries of one act, newest first.
func (h *house) entries(act string) []activity.Entry {
	h.t.Helper()
	list, err := h.Activity.List(h.t.Context(), activity.Filter{Act: act})
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

func (h *house) ctx() context.Context { return h.t.Context() }
