package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/groups"
)

// articleCommand holds the articles' use cases.
type articleCommand struct {
	List   articleList   `cmd:"" help:"List articles, newest first."`
	Show   articleShow   `cmd:"" help:"Show an article with its verdict."`
	Raw    articleRaw    `cmd:"" help:"Write an article's message to a file."`
	Reopen articleReopen `cmd:"" help:"Try again to open an article, or all that wait for a key."`
}

type articleList struct {
	Limit int `default:"50" help:"At most this many."`
}

// Run lists.
func (c *articleList) Run(s *session) error {
	return s.with(func(p *parts) error {
		all, err := p.gateway.ListArticles(s.ctx, cli, archive.Filter{Limit: c.Limit})
		if err != nil {
			return err
		}
		var rows [][]string
		for _, a := range all {
			rows = append(rows, []string{a.ID, string(a.Direction), a.From, a.Encryption, a.Signature, a.Subject})
		}
		return s.table("ID | WAY | FROM | ENCRYPTION | SIGNATURE | SUBJECT", rows)
	})
}

type articleShow struct {
	ID string `arg:"" help:"Id of the article."`
}

// Run shows.
func (c *articleShow) Run(s *session) error {
	return s.with(func(p *parts) error {
		v, err := p.gateway.ReadArticle(s.ctx, cli, c.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "From:    %s\nTo:      %s\nSubject: %s\n", v.View.From, v.View.To, v.View.Subject)
		if v.Article.Direction == archive.In {
			fmt.Fprintf(s.out, "Verdict: %s\n", v.Verdict)
			for _, l := range v.Verdict.Flat() {
				fmt.Fprintf(s.out, "  %*s%s\n", 2*l.Depth, "", l.Layer)
			}
			for _, sentence := range v.DKIM.Sentences(v.Article.From) {
				fmt.Fprintf(s.out, "Domain signature (DKIM): %s\n", sentence)
			}
		} else {
			departure, err := p.gateway.Departure(s.ctx, cli, c.ID)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.out, "Sent:    %s\n", departure)
		}
		fmt.Fprintf(s.out, "\n%s\n", v.View.Text)
		for _, a := range v.View.Attachments {
			fmt.Fprintf(s.out, "attachment %q %s %d bytes\n", a.Name, a.ContentType, len(a.Content))
		}
		return nil
	})
}

type articleRaw struct {
	ID       string `arg:"" help:"Id of the article."`
	Original bool   `help:"As it arrived, not as the ticket system sees it."`
	Output   string `short:"o" default:"-" help:"File to write, or - for standard output."`
}

// Run writes the message.
func (c *articleRaw) Run(s *session) error {
	return s.with(func(p *parts) error {
		f, err := p.gateway.RawArticle(s.ctx, cli, c.ID, c.Original)
		if err != nil {
			return err
		}
		return s.output(c.Output, f.Content)
	})
}

type articleReopen struct {
	ID      string `arg:"" optional:"" help:"Id of the article."`
	Waiting bool   `help:"Every article that waits for a key."`
}

// Run tries again.
func (c *articleReopen) Run(s *session) error {
	if c.Waiting == (c.ID != "") {
		return errors.New("name the id of one article, or use --waiting for every article that waits for a key")
	}
	return s.with(func(p *parts) error {
		if c.Waiting {
			return s.reopenWaiting(p)
		}
		appeared, err := p.gateway.Reopen(s.ctx, cli, c.ID)
		if err != nil {
			return err
		}
		if appeared {
			fmt.Fprintln(s.out, "Opened; it appears as a new message.")
		} else {
			fmt.Fprintln(s.out, "Nothing new: the keys at hand give the same verdict.")
		}
		return nil
	})
}

func (s *session) reopenWaiting(p *parts) error {
	r, err := p.gateway.ReopenWaiting(s.ctx, cli)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d tried, %d opened and appear as new messages.\n", r.Waited, r.Reopened)
	if r.Failed > 0 {
		return fmt.Errorf("%d could not be tried; the lines above say why", r.Failed)
	}
	return nil
}

// addressing is what plan and compose have in common.
type addressing struct {
	Group   string   `help:"Name of the group that writes."`
	From    string   `help:"Sender address; the group's first one if not given."`
	To      []string `help:"Recipient; may be repeated."`
	Cc      []string `help:"Copy; may be repeated."`
	Bcc     []string `help:"Hidden copy; may be repeated."`
	Sign    string   `enum:"on,off,auto" default:"auto" help:"on, off, or auto for the group's default."`
	Encrypt string   `enum:"on,off,auto" default:"auto" help:"on, off, or auto for the group's default."`
}

func (a *addressing) draft(s *session, p *parts) (gateway.Draft, error) {
	if a.Group == "" || len(a.To) == 0 {
		return gateway.Draft{}, errors.New("name the group that writes with --group, and each recipient with --to")
	}
	group, err := p.gateway.Groups.GroupByName(s.ctx, a.Group)
	if err != nil {
		return gateway.Draft{}, fmt.Errorf("group %q: %w", a.Group, err)
	}
	return gateway.Draft{
		GroupID: group.ID, From: a.From, To: a.To, Cc: a.Cc, Bcc: a.Bcc,
		ToggleSign: toggle(a.Sign), ToggleEncrypt: toggle(a.Encrypt),
	}, nil
}

func toggle(s string) groups.Toggle {
	if s == "auto" {
		return groups.Unset
	}
	return groups.Toggle(s)
}

type planCommand struct {
	addressing
	Message   string   `help:"File with a whole message as a ticket system would submit it, or - for standard input, instead of --group and --to."`
	Article   string   `help:"Id of an article that left, instead."`
	Recipient []string `help:"With --message or --article: recipient of the envelope; may be repeated. Those of the message if not given."`
}

// maxExplained is the largest message that plan reads.
const maxExplained = 50 << 20

// Run says what would happen and why; a refusal is an error.
func (c *planCommand) Run(s *session) error {
	return s.with(func(p *parts) error {
		plan, err := c.plan(s, p)
		if err != nil {
			return err
		}
		record := plan.Record()
		refusals := record.Refusals
		record.Refusals = nil // they are the error
		for _, line := range record.Lines() {
			fmt.Fprintln(s.out, line)
		}
		var refused []string
		for _, r := range refusals {
			refused = append(refused, r.Sentence)
		}
		if len(refused) > 0 {
			return errors.New("would be refused: " + strings.Join(refused, "; "))
		}
		return nil
	})
}

func (c *planCommand) plan(s *session, p *parts) (gateway.Plan, error) {
	switch {
	case c.Message != "" && c.Article != "":
		return gateway.Plan{}, errors.New("name a --message or an --article, not both")
	case c.Article != "":
		return p.gateway.Explain(s.ctx, cli, gateway.ExplainRequest{ArticleID: c.Article, Recipients: c.Recipient})
	case c.Message == "":
		d, err := c.draft(s, p)
		if err != nil {
			return gateway.Plan{}, err
		}
		return p.gateway.PlanDraft(s.ctx, cli, d)
	}
	message, err := s.input(c.Message, maxExplained)
	if err != nil {
		return gateway.Plan{}, err
	}
	r := gateway.ExplainRequest{Message: message, Recipients: c.Recipient}
	if c.Group != "" {
		group, err := p.gateway.Groups.GroupByName(s.ctx, c.Group)
		if err != nil {
			return gateway.Plan{}, fmt.Errorf("group %q: %w", c.Group, err)
		}
		r.GroupID = group.ID
	}
	return p.gateway.Explain(s.ctx, cli, r)
}

type composeCommand struct {
	addressing
	Subject string `required:"" help:"Subject."`
	Text    string `default:"-" help:"File with the text, or - for standard input."`
	ReplyTo string `help:"Id of the article answered."`
}

// maxText is the largest text that compose takes.
const maxText = 10 << 20

// Run sends.
func (c *composeCommand) Run(s *session) error {
	text, err := s.input(c.Text, maxText)
	if err != nil {
		return err
	}
	return s.with(func(p *parts) error {
		d, err := c.draft(s, p)
		if err != nil {
			return err
		}
		d.Subject, d.Text, d.ReplyTo = c.Subject, string(text), c.ReplyTo
		id, err := p.gateway.Compose(s.ctx, cli, d)
		if err != nil {
			return err
		}
		fmt.Fprintln(s.out, id)
		s.said("Accepted. What became of it: sealgate article show %s", id)
		return nil
	})
}
