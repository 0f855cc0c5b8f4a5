// Package mailbox is the IMAP side: a server over a mirror of an upstream mailbox, and the sync that feeds the mirror.
//
// The sync fetches each upstream message once and hands it to Receive (the gateway), which opens it, freezes the
// result and inserts it into the mirror under a UID of ours. The server answers everything (size, structure, sections,
// search) from those frozen bytes, so that the bytes of a UID never change. What a client changes (flags, expunge) is
// durable here first and then applied upstream; nothing else is ever deleted upstream. The package opens no mail.
package mailbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"time"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/keyring/seal"
	"gorm.io/gorm"
)

// Origin says where a message came from, for ever.
type Origin struct {
	MailboxID   string
	FolderID    string
	UIDValidity uint32
	UID         uint32
}

// String is the origin in one line, the unique key of the archive.
func (o Origin) String() string { panic("skeleton") }

// ParseOrigin reads what String wrote.
func ParseOrigin(s string) (Origin, error) { panic("skeleton") }

// Arrival is one message fetched upstream.
type Arrival struct {
	Origin   Origin
	Internal time.Time
	Flags    []string
	Message  []byte
}

// Receive opens, freezes and commits one arrival, calling Mirror.Insert in its transaction. A repeated arrival of the
// same origin does nothing. An error means: try again later, upstream is untouched.
type Receive func(ctx context.Context, a Arrival) error

// NewMessage is a frozen message about to appear in the mirror. The zero Origin UID marks one that exists only here
// (a later opening of an earlier message).
type NewMessage struct {
	Origin    Origin
	ArticleID string
	Size      int64
	Internal  time.Time
	Flags     []string
}

// Mirror is the mirrored state in one database. It is safe for concurrent use.
type Mirror struct{}

// NewMirror returns the mirror in db over the articles of a.
func NewMirror(db *gorm.DB, a *archive.Archive, now func() time.Time) *Mirror { panic("skeleton") }

// Insert gives a message the folder's next UID, inside tx. Call Wake after the commit.
func (m *Mirror) Insert(ctx context.Context, tx *gorm.DB, n NewMessage) (uid uint32, err error) {
	panic("skeleton")
}

// FolderOf returns the folder in which an article stands first, for a reopened one to join it.
func (m *Mirror) FolderOf(ctx context.Context, articleID string) (Origin, error) { panic("skeleton") }

// Wake tells sessions and syncs of a mailbox in this process that something changed.
func (m *Mirror) Wake(mailboxID string) { panic("skeleton") }

// Upstream is the IMAP server behind one mailbox.
type Upstream struct {
	MailboxID string
	Address   string // host:port
	TLS       string // "implicit", "starttls", "none" (loopback only)
	Roots     *x509.CertPool
	Username  string
	Password  string
}

// Status is what a sync last did.
type Status struct {
	Connected bool
	LastSync  time.Time
	Problem   string // one sentence with the remedy, "" when well
}

// Syncer mirrors one upstream mailbox.
type Syncer struct {
	Mirror   *Mirror
	Upstream Upstream
	Receive  Receive
	Spool    *seal.Spool
	MaxBytes int64         // larger messages are received as a notice in their place; 0 means 50 MiB
	Poll     time.Duration // when IDLE is not offered; 0 means 30 s
	Log      *slog.Logger
}

// Run mirrors until ctx ends, reconnecting with back-off, and returns nil.
func (s *Syncer) Run(ctx context.Context) error { panic("skeleton") }

// Status is safe to call at any time.
func (s *Syncer) Status() Status { panic("skeleton") }

// Check connects and logs in, and says in one sentence what is wrong and what to do.
func Check(ctx context.Context, u Upstream) error { panic("skeleton") }

// Server is the IMAP server; it may serve several listeners.
type Server struct {
	Mirror *Mirror
	// Authenticate returns the id of the mailbox that login and password open.
	Authenticate   func(ctx context.Context, login, password string) (mailboxID string, err error)
	TLS            *tls.Config
	MaxConnections int // at once; 0 means 200
	Log            *slog.Logger
}

// Mode is how a listener speaks TLS: as package submission's.
type Mode string

// The modes.
const (
	Implicit Mode = "implicit"
	StartTLS Mode = "starttls"
	Plain    Mode = "plain"
)

// Serve accepts on l until ctx ends, then says BYE and returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener, mode Mode) error { panic("skeleton") }
