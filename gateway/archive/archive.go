// Package archive keeps sealed articles: put, find, open, shred.
//
// An article's bytes, its original and its subject are sealed objects; what stands in clear is what lists and threads
// need: addresses, Message-ID, dates, size, verdict. Every method that writes takes the caller's transaction.
// The package decides nothing about who may read. What stands in clear comes from strangers: bytes that a database
// cannot hold as text are replaced, and a Message-ID is cut at 998 bytes, when it is stored and when it is looked up.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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
	HasOriginal  bool   // an original is kept beside the message; Put sets it from the content
	Encryption   string // in: the verdict word; out: the protection with which it left
	Signature    string // in: the verdict word; out: ""
	Signer       string // fingerprint
	Verdict      string // in: the whole verdict as JSON; out: the decision as JSON
	Origin       string // mailbox/folder/UIDVALIDITY/UID for inbound; "" for outbound. Unique.
	ReopenedFrom string // the article that this one is a later opening of
	Subject      string // sealed at rest; filled by Get and List, with words in brackets where it was altered

	EncryptedTo []string // key ids to which it came encrypted; for Put only, and not for later openings
}

// Content is what is sealed with an article. A nil Original means that none is kept: it is the same as Message.
type Content struct {
	Message  []byte
	Original []byte
}

// Archive is safe for concurrent use.
type Archive struct {
	db     *gorm.DB
	keeper *kms.Keeper
}

// New returns the archive in db whose content k seals.
func New(db *gorm.DB, k *kms.Keeper) *Archive { return &Archive{db: db, keeper: k} }

// Put stores an article and its content inside tx; waitingFor are key ids (16 upper-case hex digits) that could open or
// verify it later. ErrDuplicate when its origin is known; the transaction is to be rolled back then, as on every error.
// The caller made the keeper Ready.
func (a *Archive) Put(ctx context.Context, tx *gorm.DB, article Article, c Content, waitingFor []string) error {
	if err := a.put(ctx, tx, article, c, waitingFor); err != nil {
		return fmt.Errorf("archive article %s: %w", article.ID, err)
	}
	return nil
}

func (a *Archive) put(ctx context.Context, tx *gorm.DB, article Article, c Content, waitingFor []string) error {
	article.HasOriginal = c.Original != nil
	row, err := rowOf(article)
	if err != nil {
		return err
	}
	err = tx.WithContext(ctx).Create(&row).Error
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return ErrDuplicate
	}
	if err != nil {
		return err
	}
	if err := a.seal(ctx, tx, article, c); err != nil {
		return err
	}
	if err := putReaders(ctx, tx, article); err != nil {
		return err
	}
	return a.wait(ctx, tx, article.ID, waitingFor)
}

func (a *Archive) seal(ctx context.Context, tx *gorm.DB, article Article, c Content) error {
	sealed := []kms.Sealing{
		{Ref: ref(kms.Article, article.ID), Plaintext: c.Message},
		{Ref: ref(kms.Subject, article.ID), Plaintext: []byte(article.Subject)},
	}
	if article.HasOriginal {
		sealed = append(sealed, kms.Sealing{Ref: ref(kms.Original, article.ID), Plaintext: c.Original})
	}
	return a.keeper.SealAll(ctx, tx, sealed...)
}

// ref is the one version of what is sealed for an article.
func ref(kind kms.Kind, id string) kms.Ref { return kms.Ref{Kind: kind, ID: id, Version: 1} }

func (a *Archive) wait(ctx context.Context, tx *gorm.DB, id string, keyIDs []string) error {
	for _, keyID := range sortedOnce(keyIDs) {
		if err := tx.WithContext(ctx).Create(&keyRow{KeyID: keyID, ArticleID: id}).Error; err != nil {
			return err
		}
	}
	return nil
}

func sortedOnce(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Message streams the article as the ticket system sees it; seal.ErrGone when there is no such article.
func (a *Archive) Message(ctx context.Context, id string) (io.ReadCloser, error) {
	return a.keeper.OpenReader(ctx, a.db, ref(kms.Article, id))
}

// Original streams the article as it arrived; seal.ErrGone when none is kept because it is the same as Message.
func (a *Archive) Original(ctx context.Context, id string) (io.ReadCloser, error) {
	return a.keeper.OpenReader(ctx, a.db, ref(kms.Original, id))
}

// StopWaiting forgets what an article waits for, once it was reopened.
func (a *Archive) StopWaiting(ctx context.Context, tx *gorm.DB, id string) error {
	if err := tx.WithContext(ctx).Where("article_id = ?", id).Delete(&keyRow{}).Error; err != nil {
		return fmt.Errorf("stop waiting of article %s: %w", id, err)
	}
	return nil
}

// Shred removes an article with everything sealed for it.
func (a *Archive) Shred(ctx context.Context, tx *gorm.DB, id string) error {
	for _, kind := range []kms.Kind{kms.Article, kms.Original, kms.Subject} {
		if err := a.keeper.Shred(ctx, tx, kind, id); err != nil {
			return err
		}
	}
	if err := a.StopWaiting(ctx, tx, id); err != nil {
		return err
	}
	if err := tx.WithContext(ctx).Where("id = ?", id).Delete(&articleRow{}).Error; err != nil {
		return fmt.Errorf("shred article %s: %w", id, err)
	}
	return nil
}
