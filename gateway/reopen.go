package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring"
	"gorm.io/gorm"
)

// Reopen tries again to open an article that could not be opened; true when a new article appeared.
func (g *Gateway) Reopen(ctx context.Context, a Actor, id string) (bool, error) {
	article, err := g.articleFor(ctx, a, id)
	if err != nil {
		return false, err
	}
	if article.Direction != archive.In {
		return false, &Problem{Sentence: "This message was sent, not received; there is nothing to open again."}
	}
	return g.reopen(ctx, article)
}

// reopenFor reopens every article that waited for one of these keys and returns how many appeared anew. One that fails
// is logged and stays waiting.
func (g *Gateway) reopenFor(ctx context.Context, a Actor, keyIDs []string) int {
	ids, err := g.Archive.WaitingFor(ctx, keyIDs)
	if err == nil && len(ids) > 0 {
		if keyIDs, err = g.deciding(ctx, keyIDs); err == nil {
			ids, err = g.Archive.WaitingFor(ctx, keyIDs)
		}
	}
	if err != nil {
		g.Log.ErrorContext(ctx, "look up waiting articles", "error", err)
		return 0
	}
	n := 0
	for _, id := range ids {
		article, err := g.Archive.Get(ctx, id)
		if err == nil {
			var appeared bool
			if appeared, err = g.reopen(ctx, article); appeared {
				n++
			}
		}
		if err != nil {
			g.Log.ErrorContext(ctx, "reopen article", "article", id, "actor", a.Name, "error", err)
		}
	}
	return n
}

// deciding leaves out the keys of certificates that nobody approved and whose secret we do not hold. They open nothing, and
// an article that they signed would appear again only to say so; it waits on, for the approval.
func (g *Gateway) deciding(ctx context.Context, keyIDs []string) ([]string, error) {
	certificates, err := g.Keyring.ByKeyID(ctx, keyIDs, g.Now())
	if err != nil {
		return nil, err
	}
	var all []string
	if slices.Contains(keyIDs, anonymous) {
		all = append(all, anonymous)
	}
	for _, c := range certificates {
		if c.HasSecret || c.State == keyring.Approved {
			all = append(all, keyIDsOfCertificate(c)...)
		}
	}
	return all, nil
}

// reopen opens the original again. When the verdict is another one, the result appears as a new message threaded to
// the first; the first stays as it was. Each verdict appears once, whoever asks and however often.
func (g *Gateway) reopen(ctx context.Context, asked archive.Article) (bool, error) {
	first, err := g.firstOpening(ctx, asked)
	if err != nil {
		return false, err
	}
	original, err := g.originalOf(ctx, first)
	if err != nil {
		return false, err
	}
	opened, err := g.open(ctx, first.GroupID, original)
	if err != nil {
		return false, err
	}
	if sameVerdict(opened.Verdict, first) {
		return false, nil
	}
	opened = g.withResults(opened, domainsOf(first))
	opened.Message, err = pgpmime.Rethread(opened.Message, newID()+"@"+g.Domain, first.MessageID, first.ID)
	if err != nil {
		return false, fmt.Errorf("reopen article %s: %w", first.ID, err)
	}
	err = g.freezeAgain(ctx, first, opened, original, asked.ID)
	if errors.Is(err, archive.ErrDuplicate) {
		return false, nil // this opening is here already
	}
	if err == nil {
		g.learnFrom(ctx, first, original, opened)
	}
	return err == nil, err
}

// firstOpening is the article that arrived: later openings have no place in an upstream mailbox.
func (g *Gateway) firstOpening(ctx context.Context, article archive.Article) (archive.Article, error) {
	if article.ReopenedFrom == "" {
		return article, nil
	}
	first, err := g.Archive.Get(ctx, article.ReopenedFrom)
	if err != nil {
		return archive.Article{}, fmt.Errorf("find the first opening of article %s: %w", article.ID, err)
	}
	return first, nil
}

// sameVerdict tells whether another opening found no more than the first: not in the whole, and not in a part.
func sameVerdict(v pgpmime.Verdict, article archive.Article) bool {
	var was pgpmime.Verdict
	if err := json.Unmarshal([]byte(article.Verdict), &was); err != nil || len(was.Layers) == 0 { // none were told once
		return string(v.Encryption) == article.Encryption && string(v.Signature) == article.Signature
	}
	return v.Gist() == was.Gist()
}

// reopenedOrigin names a later opening, so that there is one for each verdict: its words, and where parts were found a
// digest of theirs.
func reopenedOrigin(first archive.Article, v pgpmime.Verdict) string {
	origin := fmt.Sprintf("reopened/%s/%s/%s", first.ID, v.Encryption, v.Signature)
	if v.Encryption == pgpmime.EncryptionPartial || v.Signature == pgpmime.SignaturePartial {
		digest := sha256.Sum256([]byte(v.Gist()))
		origin += "/" + hex.EncodeToString(digest[:8])
	}
	return origin
}

// freezeAgain stores a later opening of first. The archive takes one of each origin, so it is archive.ErrDuplicate when
// somebody else was faster. asked waits for its keys no longer; the new one does, if any are still missing.
func (g *Gateway) freezeAgain(ctx context.Context, first archive.Article, opened pgpmime.Opened, original []byte, asked string) error {
	var origin mailbox.Origin // none for what a relay passed on: it appears on the page only
	if first.MailboxID != "" {
		var err error
		if origin, err = mailbox.ParseOrigin(first.Origin); err != nil {
			return fmt.Errorf("reopen article %s: %w", first.ID, err)
		}
	}
	article := g.inArticle(opened, domainsOf(first))
	article.GroupID, article.MailboxID, article.ReopenedFrom = first.GroupID, first.MailboxID, first.ID
	article.Origin = reopenedOrigin(first, opened.Verdict)
	// No UID: it exists only here and is never pushed upstream.
	n := mailbox.NewMessage{
		Origin:   mailbox.Origin{MailboxID: origin.MailboxID, FolderID: origin.FolderID},
		Internal: first.Received,
	}
	return g.freeze(ctx, "message.reopened", article, opened, original, n, func(tx *gorm.DB) error {
		return g.Archive.StopWaiting(ctx, tx, asked)
	})
}
