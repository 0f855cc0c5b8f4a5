package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// ListArticles returns articles of the actor's groups, newest first.
func (g *Gateway) ListArticles(ctx context.Context, a Actor, f archive.Filter) ([]archive.Article, error) {
	if err := a.mayRead(); err != nil {
		return nil, err
	}
	f.Groups = narrow(a.scope(), f.Groups)
	return g.Archive.List(ctx, f)
}

// ArticleView is an article opened for reading. Verdict is the zero Verdict for outbound articles, whose protection
// stands in Article.Encryption.
type ArticleView struct {
	Article archive.Article
	Verdict pgpmime.Verdict
	DKIM    DomainSignatures // of an inbound article
	View    pgpmime.View
}

// ReadArticle opens an article for a member of its group or an admin, and records the view.
func (g *Gateway) ReadArticle(ctx context.Context, a Actor, id string) (ArticleView, error) {
	article, err := g.articleFor(ctx, a, id)
	if err != nil {
		return ArticleView{}, err
	}
	message, err := g.messageOf(ctx, article)
	if err != nil {
		return ArticleView{}, err
	}
	view := ArticleView{Article: article, View: pgpmime.Look(message)}
	if article.Direction == archive.In {
		if err := json.Unmarshal([]byte(article.Verdict), &view.Verdict); err != nil {
			return ArticleView{}, fmt.Errorf("read verdict of article %s: %w", id, err)
		}
		view.DKIM = domainsOf(article)
	}
	return view, g.recordView(ctx, a, article, "article.viewed")
}

// RawArticle returns an article's message as the ticket system sees it, or (original) as it arrived, as an .eml file.
func (g *Gateway) RawArticle(ctx context.Context, a Actor, id string, original bool) (File, error) {
	article, err := g.articleFor(ctx, a, id)
	if err != nil {
		return File{}, err
	}
	f := File{Name: id + ".eml", ContentType: "message/rfc822"}
	if original && article.HasOriginal {
		f.Name = id + ".original.eml"
		f.Content, err = readAll(g.Archive.Original(ctx, id))
	} else {
		f.Content, err = g.messageOf(ctx, article)
	}
	if err != nil {
		return File{}, fmt.Errorf("open article %s: %w", id, err)
	}
	return f, g.recordView(ctx, a, article, "article.downloaded")
}

// mayRead keeps auditors, who read the log, away from articles.
func (a Actor) mayRead() error {
	if a.Role == "" || a.Role == "auditor" {
		return ErrForbidden
	}
	return nil
}

// articleFor returns an article that the actor may read; one of another group looks like one that does not exist.
func (g *Gateway) articleFor(ctx context.Context, a Actor, id string) (archive.Article, error) {
	if err := a.mayRead(); err != nil {
		return archive.Article{}, err
	}
	article, err := g.Archive.Get(ctx, id)
	if errors.Is(err, archive.ErrNotFound) {
		return archive.Article{}, ErrNotFound
	}
	if err != nil {
		return archive.Article{}, fmt.Errorf("find article %s: %w", id, err)
	}
	if !a.mayUse(article.GroupID) {
		return archive.Article{}, ErrNotFound
	}
	return article, nil
}

func (g *Gateway) messageOf(ctx context.Context, article archive.Article) ([]byte, error) {
	message, err := readAll(g.Archive.Message(ctx, article.ID))
	if err != nil {
		return nil, fmt.Errorf("open article %s: %w", article.ID, err)
	}
	return message, nil
}

// originalOf returns an article as it arrived.
func (g *Gateway) originalOf(ctx context.Context, article archive.Article) ([]byte, error) {
	if !article.HasOriginal {
		return g.messageOf(ctx, article)
	}
	original, err := readAll(g.Archive.Original(ctx, article.ID))
	if err != nil {
		return nil, fmt.Errorf("open original of article %s: %w", article.ID, err)
	}
	return original, nil
}

func readAll(r io.ReadCloser, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (g *Gateway) recordView(ctx context.Context, a Actor, article archive.Article, act string) error {
	return g.change(ctx, activity.Entry{
		Actor: a.Name, Act: act, GroupID: article.GroupID, ArticleID: article.ID, MessageID: article.MessageID,
	}, nil)
}

// ListActivity returns log entries of the actor's groups; admins and auditors see all.
func (g *Gateway) ListActivity(ctx context.Context, a Actor, f activity.Filter) ([]activity.Entry, error) {
	f.Groups = narrow(a.scope(), f.Groups)
	return g.Activity.List(ctx, f)
}

// VerifyActivity walks the hash chain of the log and returns the number of entries. Admins and auditors only.
func (g *Gateway) VerifyActivity(ctx context.Context, a Actor) (int64, error) {
	if err := a.allow("admin", "auditor"); err != nil {
		return 0, err
	}
	return g.Activity.Verify(ctx)
}

// narrow intersects what an actor may see with what was asked for; nil means everything.
func narrow(scope, asked []string) []string {
	if scope == nil {
		return asked
	}
	if asked == nil {
		return scope
	}
	both := []string{}
	for _, id := range asked {
		for _, s := range scope {
			if id == s {
				both = append(both, id)
			}
		}
	}
	return both
}
