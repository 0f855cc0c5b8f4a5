package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

type articleJSON struct {
	ID           string    `json:"id"`
	GroupID      string    `json:"group_id"`
	MailboxID    string    `json:"mailbox_id"`
	Direction    string    `json:"direction" enum:"in,out"`
	From         string    `json:"from"`
	To           []string  `json:"to"`
	Subject      string    `json:"subject"`
	MessageID    string    `json:"message_id"`
	InReplyTo    string    `json:"in_reply_to,omitempty"`
	Date         time.Time `json:"date"`
	Received     time.Time `json:"received"`
	Size         int64     `json:"size"`
	HasOriginal  bool      `json:"has_original"`
	Encryption   string    `json:"encryption" doc:"Inbound: the verdict; outbound: the protection."`
	Signature    string    `json:"signature,omitempty"`
	Signer       string    `json:"signer,omitempty"`
	ReopenedFrom string    `json:"reopened_from,omitempty"`
}

func articleJSONOf(a archive.Article) articleJSON {
	return articleJSON{
		a.ID, a.GroupID, a.MailboxID, string(a.Direction), a.From, append([]string{}, a.To...), a.Subject, a.MessageID, a.InReplyTo,
		a.Date, a.Received, a.Size, a.HasOriginal, a.Encryption, a.Signature, a.Signer, a.ReopenedFrom,
	}
}

type articleQuestion struct {
	Group  string    `query:"group"`
	Before time.Time `query:"before" doc:"Received before."`
	Limit  int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type articleViewJSON struct {
	articleJSON
	Verdict     pgpmime.Verdict  `json:"verdict"`
	Words       string           `json:"words" doc:"The verdict in one sentence; outbound: what became of it."`
	DKIM        []dkimResultJSON `json:"dkim,omitempty" doc:"What DKIM signatures said when it arrived. Missing: nobody looked."`
	Text        string           `json:"text"`
	HTML        string           `json:"html,omitempty" doc:"Cleaned."`
	Attachments []attachmentJSON `json:"attachments"`
}

type waitingJSON struct {
	Waited   int `json:"waited" doc:"Articles that were tried."`
	Reopened int `json:"reopened" doc:"Those that opened and appear anew."`
	Failed   int `json:"failed" doc:"Those that could not be tried; the log says why."`
}

type attachmentJSON struct {
	Name        string `json:"name"`
	ContentType string `json:"content_type"`
	Content     []byte `json:"content" doc:"As base64."`
}

type rawQuestion struct {
	ID       string `path:"id"`
	Original bool   `query:"original" doc:"As it arrived."`
}

type reopenAnswer struct {
	Body struct {
		Appeared bool `json:"appeared" doc:"A new article appeared."`
	}
}

func (s *site) articleAPI(api huma.API) {
	operation(s, api, "ListArticles", http.MethodGet, "/articles", "List articles, newest first", 0, s.apiArticles)
	operation(s, api, "ReadArticle", http.MethodGet, "/articles/{id}", "Open an article; the view is logged", 0, s.apiArticle)
	operation(s, api, "RawArticle", http.MethodGet, "/articles/{id}/raw", "Download the message", 0,
		func(ctx context.Context, a gateway.Actor, in *rawQuestion) (*fileAnswer, error) {
			f, err := s.Gateway.RawArticle(ctx, a, in.ID, in.Original)
			return fileOf(f), err
		})
	operation(s, api, "ReopenWaiting", http.MethodPost, "/articles/reopen", "Try again to open every article that waits for a key", 0,
		func(ctx context.Context, a gateway.Actor, _ *nothing) (*body[waitingJSON], error) {
			r, err := s.Gateway.ReopenWaiting(ctx, a)
			return &body[waitingJSON]{waitingJSON(r)}, err
		})
	operation(s, api, "Reopen", http.MethodPost, "/articles/{id}/reopen", "Try again to open an article", 0,
		func(ctx context.Context, a gateway.Actor, in *byID) (*reopenAnswer, error) {
			appeared, err := s.Gateway.Reopen(ctx, a, in.ID)
			var out reopenAnswer
			out.Body.Appeared = appeared
			return &out, err
		})
}

func (s *site) apiArticles(ctx context.Context, a gateway.Actor, in *articleQuestion) (*list[articleJSON], error) {
	f := archive.Filter{Before: in.Before, Limit: in.Limit}
	if in.Group != "" {
		f.Groups = []string{in.Group}
	}
	all, err := s.Gateway.ListArticles(ctx, a, f)
	return listOf(all, articleJSONOf), err
}

func (s *site) apiArticle(ctx context.Context, a gateway.Actor, in *byID) (*body[articleViewJSON], error) {
	opened, err := s.Gateway.ReadArticle(ctx, a, in.ID)
	if err != nil {
		return nil, err
	}
	j := articleViewJSON{articleJSON: articleJSONOf(opened.Article), Verdict: opened.Verdict, Words: opened.Verdict.String(), Text: opened.View.Text}
	if opened.DKIM != nil {
		j.DKIM = listOf(opened.DKIM, dkimResultJSONOf).Body.Items
	}
	if opened.Article.Direction == archive.Out {
		if j.Words, err = s.Gateway.Departure(ctx, a, in.ID); err != nil {
			return nil, err
		}
	}
	if opened.View.HTML != "" {
		j.HTML = clean(opened.View.HTML)
	}
	j.Attachments = listOf(opened.View.Attachments, func(f pgpmime.Attachment) attachmentJSON {
		return attachmentJSON{f.Name, f.ContentType, f.Content}
	}).Body.Items
	return &body[articleViewJSON]{j}, nil
}
