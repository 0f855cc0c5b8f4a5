package mailbox

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/uuid"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/kms/local"
	"github.com/sealgate/sealgate/keyring/seal"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"go.uber.org/goleak"
	"gorm.io/gorm"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// desk is one mailbox of the gateway in a test: mirror, archive and whatever the story starts around them.
type desk struct {
	t       *testing.T
	db      *gorm.DB
	archive *archive.Archive
	keeper  *kms.Keeper
	mirror  *Mirror
	// refuse, when set, makes Receive fail for some messages.
	refuse func(message []byte) error
}

const deskMailbox = "desk-mailbox"

// newDesk makes a desk and checks at the end that no goroutine is left.
func newDesk(t *testing.T, db *gorm.DB) *desk {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	p, err := local.Create(filepath.Join(t.TempDir(), "kek"), nil)
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := kms.Open(t.Context(), db, p, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := archive.New(db, keeper)
	t.Cleanup(func() {
		goleak.VerifyNone(t, leaks, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"), goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgconn/ctxwatch.(*ContextWatcher).Watch.func1"))
	})
	return &desk{t: t, db: db, archive: a, keeper: keeper, mirror: NewMirror(db, a, time.Now)}
}

// receive is the gateway's use case in small: archive and mirror in one transaction.
func (d *desk) receive(ctx context.Context, a Arrival) error {
	if d.refuse != nil {
		if err := d.refuse(a.Message); err != nil {
			return err
		}
	}
	err := d.freeze(ctx, a.Message, NewMessage{Origin: a.Origin, Internal: a.Internal, Flags: a.Flags})
	if errors.Is(err, archive.ErrDuplicate) {
		return nil
	}
	return err
}

func (d *desk) freeze(ctx context.Context, message []byte, n NewMessage) error {
	article := archive.Article{
		ID: uuid.Must(uuid.NewV7()).String(), GroupID: "support", MailboxID: n.Origin.MailboxID, Direction: archive.In,
		Date: n.Internal, Received: n.Internal, Size: int64(len(message)), Encryption: "none", Signature: "none", Verdict: "{}",
	}
	if n.Origin.UID != 0 {
		article.Origin = n.Origin.String()
	}
	n.ArticleID, n.Size = article.ID, article.Size
	err := d.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := d.archive.Put(ctx, tx, article, archive.Content{Message: message}, nil); err != nil {
			return err
		}
		_, err := d.mirror.Insert(ctx, tx, n)
		return err
	})
	d.mirror.Wake(n.Origin.MailboxID)
	return err
}

// put makes a message appear that exists only here.
func (d *desk) put(message string, flags ...string) {
	d.t.Helper()
	f, err := d.mirror.ensureFolder(d.t.Context(), deskMailbox, inbox, "", "")
	if err != nil {
		d.t.Error(err)
		return
	}
	internal := time.Date(2026, 3, 4, 23, 30, 0, 0, time.UTC)
	n := NewMessage{Origin: Origin{MailboxID: deskMailbox, FolderID: f.ID}, Internal: internal, Flags: flags}
	if err := d.freeze(d.t.Context(), []byte(message), n); err != nil {
		d.t.Error(err)
	}
}

// sync starts a Syncer and returns how to stop it. It also stops at the end of the test.
func (d *desk) sync(u Upstream, change ...func(*Syncer)) (s *Syncer, stop func()) {
	d.t.Helper()
	spool, err := seal.NewSpool(filepath.Join(d.t.TempDir(), "spool"))
	if err != nil {
		d.t.Fatal(err)
	}
	u.MailboxID = deskMailbox
	short := pause{10 * time.Millisecond, 100 * time.Millisecond}
	s = &Syncer{
		Mirror: d.mirror, Upstream: u, Receive: d.receive, Spool: spool, Poll: 50 * time.Millisecond,
		Log: slog.New(slog.DiscardHandler), pauses: pauses{reconnect: short, login: short, message: short},
	}
	for _, c := range change {
		c(s)
	}
	return s, background(d.t, s.Run)
}

// background runs something until stop or the end of the test.
func background(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stopped := false
	stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-done; err != nil {
			t.Errorf("background: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// serve starts a plain IMAP server and returns its address and how to stop it.
func (d *desk) serve(change ...func(*Server)) (address string, stop func()) {
	d.t.Helper()
	l := listen(d.t)
	s := d.server()
	for _, c := range change {
		c(s)
	}
	return l.Addr().String(), background(d.t, func(ctx context.Context) error { return s.Serve(ctx, l, Plain) })
}

func (d *desk) server() *Server {
	return &Server{
		Mirror: d.mirror, Log: slog.New(slog.DiscardHandler),
		Authenticate: func(_ context.Context, login, password string) (string, error) {
			if login != "desk" || password != "gate" {
				return "", errors.New("wrong password")
			}
			return deskMailbox, nil
		},
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// client logs in at address.
func client(t *testing.T, address, user, password string, handler *imapclient.UnilateralDataHandler) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(address, &imapclient.Options{UnilateralDataHandler: handler})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(user, password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

func deskClient(t *testing.T, address string) *imapclient.Client {
	t.Helper()
	c := client(t, address, "desk", "gate", nil)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// eventually waits until a condition holds; it says what it last saw.
func eventually(t *testing.T, what string, holds func() (bool, string)) {
	t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		ok, seen := holds()
		if ok {
			return
		}
		select {
		case <-end.C:
			t.Fatalf("%s: did not happen; last seen: %s", what, seen)
		case <-again.C:
		}
	}
}

// shows waits until INBOX of the mirror holds exactly these messages, given as "Subject flags".
func (d *desk) shows(want ...string) {
	d.t.Helper()
	eventually(d.t, fmt.Sprintf("mirror shows %q", want), func() (bool, string) {
		have := d.inbox()
		return fmt.Sprint(have) == fmt.Sprint(want), fmt.Sprintf("%q", have)
	})
}

func (d *desk) inbox() []string {
	d.t.Helper()
	f, err := d.mirror.folder(d.t.Context(), deskMailbox, inbox)
	if err != nil {
		return nil
	}
	rows, err := d.mirror.messages(d.t.Context(), f.ID, -1)
	if err != nil {
		d.t.Fatal(err)
	}
	list := []string{}
	for _, row := range rows {
		r, err := d.archive.Message(d.t.Context(), row.ArticleID)
		if err != nil {
			d.t.Fatal(err)
		}
		message, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			d.t.Fatal(err)
		}
		list = append(list, describeMessage(message, flagSet(row.Flags)))
	}
	return list
}

func describeMessage(message []byte, flags flagSet) string {
	end, _ := headerEnd(message)
	return string(bytes.TrimSpace([]byte(firstValue(message[:end], "Subject") + " " + string(flags))))
}

// letter is a small message.
func letter(subject string) string {
	return "From: Customer <customer@example.test>\r\nTo: desk@desk.test\r\nSubject: " + subject +
		"\r\nMessage-ID: <" + subject + "@example.test>\r\nDate: Wed, 04 Mar 2026 10:00:00 +0100\r\n\r\nBody of " + subject + "\r\n"
}

func fetchAll(t *testing.T, c *imapclient.Client, set imap.NumSet, o *imap.FetchOptions) []*imapclient.FetchMessageBuffer {
	t.Helper()
	messages, err := c.Fetch(set, o).Collect()
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

func store(t *testing.T, c *imapclient.Client, set imap.NumSet, op imap.StoreFlagsOp, flags ...imap.Flag) {
	t.Helper()
	if err := c.Store(set, &imap.StoreFlags{Op: op, Flags: flags}, nil).Close(); err != nil {
		t.Fatal(err)
	}
}

// fetchUIDs lets the session catch up and returns its UIDs.
func fetchUIDs(t *testing.T, c *imapclient.Client) []imap.UID {
	t.Helper()
	if err := c.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	var uids []imap.UID
	for _, m := range fetchAll(t, c, imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{UID: true}) {
		uids = append(uids, m.UID)
	}
	return uids
}

func listenAt(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func literalOf(s string) literal { return literal{bytes.NewReader([]byte(s))} }

func poolOf(t *testing.T, pem []byte) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate")
	}
	return pool
}
