// Package archive keeps sealed articles: put, find, open, shred.
//
// An article's bytes, its original and its subject are sealed objects; what stands in clear is what lists and threads
// need: addresses, Message-ID, dates, size, verdict. Every method that writes takes the caller's transaction.
// The package decides nothing about who may read.
package archive

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
)

// ErrNotFound says that there is no such article.
var ErrNotFound = errors.New("no such article")

// ErrDuplicate says that an article with this origin is already here.
var ErrDuplicate = errors.New("an article with this origin exists")

// Direction says which way an article went.
type Direction string

// The directions.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// Article is what may stand in clear about one message.
type Article struct {
	ID           string // UUIDv7, ours
	GroupID      string
	MailboxID    string
	Direction    Direction
	From         string   // the one From address, or ""
	To           []string // visible recipients
	MessageID    string   // without angle brackets
	InReplyTo    string
	Date         time.Time
	Received     time.Time
	Size         int64  // of the message that the ticket system sees
	HasOriginal  bool   // the original differs and is kept
	Encryption   string // the verdict words of package pgpmime
	Signature    string
	Signer       string // fingerprint
	Verdict      string // the whole verdict as JSON
	Origin       string // mailbox/folder/UIDVALIDITY/UID for inbound; "" for outbound. Unique.
	ReopenedFrom string // the article that this one is a later opening of
	Subject      string // sealed at rest; filled by Get and List
}

// Content is what is sealed with an article. A nil Original means: the same as Message.
type Content struct {
	Message  []byte
	Original []byte
}

// Archive is safe for concurrent use.
type Archive struct{}

// New returns the archive in db whose content k seals.
func New(db *gorm.DB, k *kms.Keeper) *Archive { panic("skeleton") }

// Put stores a and its content; waitingFor are key ids (16 upper-case hex digits) that could open or verify it later.
func (a *Archive) Put(ctx context.Context, tx *gorm.DB, article Article, c Content, waitingFor []string) error {
	panic("skeleton")
}

// Get returns one article with its subject.
func (a *Archive) Get(ctx context.Context, id string) (Article, error) { panic("skeleton") }

// Filter selects articles. Groups nil means every group, an empty non-nil slice none.
type Filter struct {
	Groups []string
	Before time.Time // received before; zero means from the newest
	Limit  int       // at most 200; 0 means 50
}

// List returns articles newest first, with subjects, without N+1 queries.
func (a *Archive) List(ctx context.Context, f Filter) ([]Article, error) { panic("skeleton") }

// Message streams the article as the ticket system sees it.
func (a *Archive) Message(ctx context.Context, id string) (io.ReadCloser, error) { panic("skeleton") }

// Original streams the article as it arrived.
func (a *Archive) Original(ctx context.Context, id string) (io.ReadCloser, error) { panic("skeleton") }

// CameEncrypted tells whether one of the given Message-IDs belongs to an inbound article of the group that arrived
// encrypted: a reply into that thread is raised to on.
func (a *Archive) CameEncrypted(ctx context.Context, groupID string, messageIDs []string) (bool, error) {
	panic("skeleton")
}

// WaitingFor returns the ids of articles that wait for one of these keys and were not reopened yet, oldest first.
func (a *Archive) WaitingFor(ctx context.Context, keyIDs []string) ([]string, error) {
	panic("skeleton")
}

// StopWaiting forgets what an article waits for, once it was reopened.
func (a *Archive) StopWaiting(ctx context.Context, tx *gorm.DB, id string) error { panic("skeleton") }

// HasOrigin tells whether an article with this origin is already here.
func (a *Archive) HasOrigin(ctx context.Context, origin string) (bool, error) { panic("skeleton") }

// Shred removes an article with everything sealed for it.
func (a *Archive) Shred(ctx context.Context, tx *gorm.DB, id string) error { panic("skeleton") }
