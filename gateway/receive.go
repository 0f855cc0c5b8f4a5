package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// Receive takes one message that a sync fetched: open, strip, stamp, seal, mirror. A repeated arrival does nothing.
// An error means that upstream must stay as it is and that the message is tried again later; a message that cannot be
// opened is no error, it arrives with its verdict.
func (g *Gateway) Receive(ctx context.Context, arrival mailbox.Arrival) error {
	known, err := g.Archive.ByOrigin(ctx, arrival.Origin.String())
	if err == nil {
		return g.receiveAgain(ctx, known, arrival)
	}
	if !errors.Is(err, archive.ErrNotFound) {
		return err
	}
	m, err := g.Groups.Mailbox(ctx, arrival.Origin.MailboxID)
	if err != nil {
		return fmt.Errorf("find mailbox: %w", err)
	}
	opened, domains, err := g.openArrived(ctx, m.GroupID, arrival.Message)
	if err != nil {
		return err
	}
	article := g.inArticle(opened, domains)
	article.GroupID, article.MailboxID, article.Origin = m.GroupID, m.ID, arrival.Origin.String()
	n := mailbox.NewMessage{Origin: arrival.Origin, Internal: arrival.Internal, Flags: arrival.Flags}
	err = g.freeze(ctx, "message.received", article, opened, arrival.Message, n, nil)
	if errors.Is(err, archive.ErrDuplicate) {
		return nil
	}
	if err == nil {
		g.learnFrom(ctx, article, arrival.Message, opened)
	}
	return err
}

// receiveAgain puts a known article back into the mirror: upstream shows again a message that it had dropped. Its bytes
// are those of the first time.
func (g *Gateway) receiveAgain(ctx context.Context, known archive.Article, arrival mailbox.Arrival) error {
	e := activity.Entry{Actor: "sealgate", Act: "message.returned", GroupID: known.GroupID, ArticleID: known.ID, MessageID: known.MessageID}
	err := g.change(ctx, e, func(tx *gorm.DB) error {
		_, err := g.Mirror.Insert(ctx, tx, mailbox.NewMessage{
			Origin: arrival.Origin, ArticleID: known.ID, Size: known.Size, Internal: arrival.Internal, Flags: arrival.Flags,
		})
		return err
	})
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return nil // it is in the mirror: a repeated arrival
	}
	if err == nil {
		g.Mirror.Wake(known.MailboxID)
	}
	return err
}

// open opens a message with the keys that a group may use, as far as the group wants it opened.
func (g *Gateway) open(ctx context.Context, groupID string, message []byte) (pgpmime.Opened, error) {
	inline, err := g.inlineMode(ctx, groupID)
	if err != nil {
		return pgpmime.Opened{}, fmt.Errorf("open message: %w", err)
	}
	keys := &groupKeys{ctx: ctx, gateway: g, groupID: groupID, now: g.Now()}
	opened, err := pgpmime.Open(message, keys, pgpmime.Options{Now: g.Now(), Instance: g.Domain, Limits: g.Limits, Inline: inline})
	if err != nil {
		return pgpmime.Opened{}, fmt.Errorf("open message: %w", err)
	}
	return opened, nil
}

// inlineMode is which inline PGP a group wants opened. The articles of a group that was deleted are as those of a new one.
func (g *Gateway) inlineMode(ctx context.Context, groupID string) (pgpmime.InlineMode, error) {
	group, err := g.Groups.Group(ctx, groupID)
	if err != nil && !errors.Is(err, groups.ErrNotFound) {
		return pgpmime.InlineWhole, err
	}
	switch group.InlineIn {
	case groups.InlineOff:
		return pgpmime.InlineOff, nil
	case groups.InlineAny:
		return pgpmime.InlineAny, nil
	}
	return pgpmime.InlineWhole, nil
}

// inArticle describes an opened message. A header that cannot be read leaves its fields empty: the message itself is
// delivered all the same.
func (g *Gateway) inArticle(opened pgpmime.Opened, domains DomainSignatures) archive.Article {
	article := archive.Article{
		ID: newID(), Direction: archive.In, Received: g.Now(), Size: int64(len(opened.Message)),
		Encryption: string(opened.Verdict.Encryption), Signature: string(opened.Verdict.Signature),
		Signer: opened.Verdict.Signer, Subject: opened.Subject, EncryptedTo: readersOf(opened.Verdict),
	}
	if verdict, err := json.Marshal(arrivedVerdict{opened.Verdict, domains}); err == nil {
		article.Verdict = string(verdict)
	}
	summary, err := pgpmime.Summarize(opened.Message)
	if err != nil {
		article.Date = article.Received
		return article
	}
	if len(summary.From) == 1 {
		article.From = summary.From[0]
	}
	article.To, article.MessageID, article.InReplyTo, article.Date = summary.To, summary.MessageID, summary.InReplyTo, summary.Date
	if article.Date.IsZero() {
		article.Date = article.Received
	}
	return article
}

// readersOf lists the keys to which a message, or a part of it, came encrypted.
func readersOf(v pgpmime.Verdict) []string {
	keyIDs := slices.Clone(v.EncryptedTo)
	layers := slices.Clone(v.Layers)
	for len(layers) > 0 {
		keyIDs = append(keyIDs, layers[0].KeyIDs...)
		layers = append(layers[1:], layers[0].Layers...)
	}
	return keyIDs
}

// freeze seals an article and makes it appear in the mirror of its mailbox, if it has one, in one transaction with its activity entry and with the
// caller's own write, if any.
func (g *Gateway) freeze(ctx context.Context, act string, article archive.Article, opened pgpmime.Opened, original []byte, n mailbox.NewMessage, also func(tx *gorm.DB) error) error {
	if err := g.Keeper.Ready(ctx); err != nil {
		return fmt.Errorf("make a sealing key ready: %w", err)
	}
	content := contentOf(&article, original, opened)
	n.ArticleID, n.Size = article.ID, article.Size
	err := g.change(ctx, receivedEntry(act, article, opened.Verdict), func(tx *gorm.DB) error {
		if err := g.Archive.Put(ctx, tx, article, content, opened.WaitingFor); err != nil {
			return err
		}
		if article.MailboxID != "" {
			if _, err := g.Mirror.Insert(ctx, tx, n); err != nil {
				return err
			}
		}
		if also != nil {
			return also(tx)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("commit arrival: %w", err)
	}
	g.Mirror.Wake(article.MailboxID)
	return nil
}

// contentOf is what is sealed of an opened message. The original is kept where it differs, or may be opened better later.
func contentOf(article *archive.Article, original []byte, opened pgpmime.Opened) archive.Content {
	content := archive.Content{Message: opened.Message}
	if opened.Changed || len(opened.WaitingFor) > 0 {
		content.Original, article.HasOriginal = original, true
	}
	return content
}

func receivedEntry(act string, article archive.Article, v pgpmime.Verdict) activity.Entry {
	detail := map[string]string{
		"from": article.From, "encryption": string(v.Encryption), "signature": string(v.Signature),
	}
	if v.Reason != "" {
		detail["reason"] = v.Reason
	}
	if words := domainsOf(article).brief(); words != "" {
		detail["dkim"] = words
	}
	return activity.Entry{
		Actor: "sealgate", Act: act, GroupID: article.GroupID, ArticleID: article.ID,
		MessageID: article.MessageID, Fingerprint: v.Signer, Detail: detail,
	}
}
