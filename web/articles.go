package web

import (
	"strconv"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/groups"
)

type articlesPage struct {
	Articles []archive.Article
	Groups   []groups.Group
	Group    string // id of the one shown; "" shows all
	Older    string // query string of the next page
	Waiting  int    // articles that wait for a key
}

// articlesPerPage is how many articles one page lists.
const articlesPerPage = 50

func articleList(v *visit) error {
	q := v.r.URL.Query()
	p := articlesPage{Group: q.Get("group")}
	f := archive.Filter{Limit: articlesPerPage}
	if p.Group != "" {
		f.Groups = []string{p.Group}
	}
	if ms, err := strconv.ParseInt(q.Get("before"), 10, 64); err == nil {
		f.Before = time.UnixMilli(ms)
	}
	var err error
	if p.Groups, err = v.Gateway.ListGroups(v.r.Context(), v.actor()); err != nil {
		return err
	}
	if p.Articles, err = v.Gateway.ListArticles(v.r.Context(), v.actor(), f); err != nil {
		return err
	}
	if p.Waiting, err = v.Gateway.CountWaiting(v.r.Context(), v.actor()); err != nil {
		return err
	}
	if len(p.Articles) == articlesPerPage {
		p.Older = withValue(q, "before", strconv.FormatInt(p.Articles[len(p.Articles)-1].Received.UnixMilli(), 10))
	}
	return v.show("articles", "Articles", p)
}

type articlePage struct {
	gateway.ArticleView
	Inbound   bool
	Sentence  string // the verdict, or what was decided when it left
	Layers    []pgpmime.FlatLayer
	Signer    *certificateView
	HasHTML   bool
	CanReopen bool
	Decided   []string // outbound: how it was decided, line by line
	Log       []activity.Entry
}

// article shows one article: the verdict in words first, then the text.
func article(v *visit) error {
	id := v.r.PathValue("id")
	opened, err := v.Gateway.ReadArticle(v.r.Context(), v.actor(), id)
	if err != nil {
		return err
	}
	a := opened.Article
	p := articlePage{
		ArticleView: opened, Inbound: a.Direction == archive.In,
		HasHTML: strings.TrimSpace(opened.View.HTML) != "", CanReopen: canReopen(a),
	}
	p.Sentence, p.Layers = opened.Verdict.String(), opened.Verdict.Flat()
	if !p.Inbound {
		p.Layers = nil
		if record, ok := gateway.RecordOf(a); ok {
			p.Decided = record.Lines()
		}
		if p.Sentence, err = v.Gateway.Departure(v.r.Context(), v.actor(), id); err != nil {
			return err
		}
	}
	if a.Signer != "" {
		if c, err := v.Gateway.Certificate(v.r.Context(), v.actor(), a.Signer); err == nil {
			view := v.view(c)
			p.Signer = &view
		}
	}
	if p.Log, err = v.Gateway.ListActivity(v.r.Context(), v.actor(), activity.Filter{ArticleID: id, Limit: 20}); err != nil {
		return err
	}
	title := opened.View.Subject
	if title == "" {
		title = "(no subject)"
	}
	return v.show("article", title, p)
}

// canReopen tells whether opening again could change something: not when all is well already.
func canReopen(a archive.Article) bool {
	encryption := a.Encryption == "decrypted" || a.Encryption == "none"
	signature := a.Signature == "good" || a.Signature == "none"
	return a.Direction == archive.In && (!encryption || !signature)
}

// reopenWaiting tries again with everything that waits for a key.
func reopenWaiting(v *visit) error {
	report, err := v.Gateway.ReopenWaiting(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	return v.to("/articles", waitingInWords(report))
}

// reopen tries again with the keys that are held now.
func reopen(v *visit) error {
	id := v.r.PathValue("id")
	appeared, err := v.Gateway.Reopen(v.r.Context(), v.actor(), id)
	if words := sentenceOf(err); words != "" {
		return v.to("/articles/"+id, words)
	}
	if err != nil {
		return err
	}
	if appeared {
		return v.to("/articles", "It opened differently now: the result is a new article at the top, and in the ticket system.")
	}
	return v.to("/articles/"+id, "Nothing changed: the keys that are held now give the same result. Import the missing key, then try again.")
}
