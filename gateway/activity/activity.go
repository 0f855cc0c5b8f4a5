// Package activity is the append-only log of everything that happened: who did what to which article, message, key.
//
// Each entry holds the hash of the one before it, so a removed or altered row is found by Verify. Entries hold
// identifiers and reasons, never a subject, a body, a passphrase or a key. Append runs inside the caller's
// transaction: an act and its entry commit together or not at all.
package activity

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// Outcome is how an act ended.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused"
	Failed  Outcome = "failed"
)

// Entry is one line of the log. Seq and Hash are given by Append.
type Entry struct {
	Seq         int64
	Time        time.Time
	Actor       string // "user:NAME", "mailbox:LOGIN", "cli", "sealgate"
	Act         string // "message.submitted", "message.received", "certificate.imported", …
	Outcome     Outcome
	GroupID     string
	ArticleID   string
	MessageID   string
	Fingerprint string
	Detail      map[string]string // small, content-free: recipients, reason, decision
	Hash        []byte
}

// Log is the log in one database. It is safe for concurrent use.
type Log struct{}

// New returns the log in db.
func New(db *gorm.DB) *Log { panic("skeleton") }

// Append adds e at the end of the chain inside tx.
func (l *Log) Append(ctx context.Context, tx *gorm.DB, e Entry) error { panic("skeleton") }

// Filter selects entries; zero fields select all. Groups nil means every group, an empty non-nil slice none.
type Filter struct {
	Groups    []string
	ArticleID string
	Act       string // exact, or a prefix ending in "."
	Outcome   Outcome
	Before    int64 // only entries with a smaller Seq; 0 means from the newest
	Limit     int   // at most 500; 0 means 50
}

// List returns entries newest first.
func (l *Log) List(ctx context.Context, f Filter) ([]Entry, error) { panic("skeleton") }

// Verify walks the whole chain and returns the number of entries, or an error naming the first broken one.
func (l *Log) Verify(ctx context.Context) (int64, error) { panic("skeleton") }
