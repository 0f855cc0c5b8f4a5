package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// previewQuestion is what Zammad's composer asks its own server on each change. What it names by Zammad's ids
// (group, customer) means nothing here; the sender address finds the group.
type previewQuestion struct {
	Body struct {
		_      struct{} `additionalProperties:"true"`
		Ticket struct {
			_  struct{} `additionalProperties:"true"`
			Cc string   `json:"cc,omitempty"`
		} `json:"ticket,omitempty"`
		Article struct {
			_    struct{} `additionalProperties:"true"`
			To   string   `json:"to,omitempty"`
			Cc   string   `json:"cc,omitempty"`
			From string   `json:"from,omitempty"`
		} `json:"article,omitempty"`
	}
}

type previewJSON struct {
	Type       string                 `json:"type"`
	Encryption previewRuling          `json:"encryption"`
	Sign       previewRuling          `json:"sign"`
	Recipients []plannedRecipientJSON `json:"recipients" doc:"More than Zammad tells: one entry for each address."`
}

type previewRuling struct {
	Success             bool     `json:"success"`
	Comment             string   `json:"comment"`
	CommentPlaceholders []string `json:"commentPlaceholders"`
	Default             bool     `json:"default"`
	Required            bool     `json:"required"`
}

// previewAPI answers in the shape that Zammad's composer knows.
func (s *site) previewAPI(api huma.API) {
	operation(s, api, "Preview", http.MethodPost, "/integration/pgp", "Plan, in the shape of Zammad's composer", 0, s.apiPreview)
}

func (s *site) apiPreview(ctx context.Context, a gateway.Actor, in *previewQuestion) (*body[previewJSON], error) {
	from := addresses(in.Body.Article.From)
	if len(from) != 1 {
		return nil, &gateway.Problem{Sentence: "Name the one sender address of the article in article.from."}
	}
	var visible []string
	for _, field := range []string{in.Body.Article.To, in.Body.Ticket.Cc, in.Body.Article.Cc} {
		good, _ := wellFormed(addresses(field))
		visible = append(visible, good...)
	}
	plan, err := s.Gateway.Plan(ctx, a, gateway.PlanRequest{From: from[0], Visible: visible})
	if err != nil {
		return nil, err
	}
	p := planJSONOf(plan)
	return &body[previewJSON]{previewJSON{
		Type: "PGP", Encryption: previewRulingOf(plan.Decision.Encrypt), Sign: previewRulingOf(plan.Decision.Sign), Recipients: p.Recipients,
	}}, nil
}

func previewRulingOf(r groups.Ruling) previewRuling {
	return previewRuling{
		Success: r.Possible, Comment: sentence(r.Because), CommentPlaceholders: []string{},
		Default: r.Default, Required: r.Level == groups.Required,
	}
}
