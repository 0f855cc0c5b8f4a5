package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

type groupJSON struct {
	ID          string             `json:"id,omitempty"`
	Name        string             `json:"name"`
	Addresses   []string           `json:"addresses" doc:"The first is the default sender."`
	Sign        string             `json:"sign,omitempty" enum:"off,auto,on,required" doc:"When a group is created, missing means auto."`
	Encrypt     string             `json:"encrypt,omitempty" enum:"off,auto,on,required"`
	AutoSign    string             `json:"auto_sign,omitempty" enum:"off,auto,on,required" doc:"For automatic mail."`
	AutoEncrypt string             `json:"auto_encrypt,omitempty" enum:"off,auto,on,required"`
	Mixed       string             `json:"mixed,omitempty" enum:"refuse,split" doc:"When a group is created, missing means refuse."`
	SubjectTags bool               `json:"subject_tags,omitempty"`
	HideSubject *bool              `json:"hide_subject,omitempty" doc:"Encrypted mail leaves with its subject inside only. This and the settings below: missing keeps what is stored; a new group has autocrypt, inline_in whole, and nothing else."`
	KeepTicket  *bool              `json:"keep_ticket,omitempty" doc:"With hide_subject: a ticket number in brackets stays outside."`
	AttachKey   *bool              `json:"attach_key,omitempty" doc:"The group's certificate is attached to signed or encrypted mail."`
	Autocrypt   *bool              `json:"autocrypt,omitempty" doc:"Mail leaves with the group's certificate in its header."`
	InlineIn    string             `json:"inline_in,omitempty" enum:"off,whole,any" doc:"Which inline PGP in incoming mail is opened: none, what is the whole text, blocks among other text too."`
	Content     *contentJSON       `json:"content,omitempty" doc:"What requires encryption by what a message says of itself. Missing keeps what is stored."`
	Shadow      *bool              `json:"shadow,omitempty" doc:"Mail leaves as it came, and the log tells what would have happened. Missing keeps what is stored."`
	Owners      *[]string          `json:"owners,omitempty" doc:"Mail addresses that are warned of certificates that end. Missing keeps what is stored."`
	Retry       *groups.RetryTexts `json:"retry,omitempty" doc:"How long and how often mail that does not get through is tried. Missing keeps what is stored."`
	DomainRules []domainRuleJSON   `json:"domain_rules,omitempty"`
}

type contentJSON struct {
	Subjects    []string `json:"subjects,omitempty" doc:"Patterns: a word is looked for anywhere, one with * or ? must fit the whole."`
	Files       []string `json:"files,omitempty" doc:"Patterns for the names of attachments."`
	Sensitivity bool     `json:"sensitivity,omitempty" doc:"A Sensitivity field counts too."`
}

type domainRuleJSON struct {
	Domain  string `json:"domain"`
	Sign    string `json:"sign" enum:"off,auto,on,required"`
	Encrypt string `json:"encrypt" enum:"off,auto,on,required"`
	Inline  bool   `json:"inline,omitempty" doc:"Recipients get inline PGP, not PGP/MIME, where the message is plain text and its subject is not hidden."`
}

func groupJSONOf(g groups.Group) groupJSON {
	j := groupJSON{
		ID: g.ID, Name: g.Name, Addresses: append([]string{}, g.Addresses...), Sign: string(g.Sign), Encrypt: string(g.Encrypt),
		AutoSign: string(g.AutoSign), AutoEncrypt: string(g.AutoEncrypt), Mixed: string(g.Mixed), SubjectTags: g.SubjectTags,
		HideSubject: &g.HideSubject, KeepTicket: &g.KeepTicket, AttachKey: &g.AttachKey, Autocrypt: &g.Autocrypt, InlineIn: string(g.InlineIn),
	}
	owners := append([]string{}, g.Owners...)
	retry := g.Retry.Texts()
	j.Owners, j.Shadow, j.Retry = &owners, &g.Shadow, &retry
	j.Content = &contentJSON{g.Content.Subjects, g.Content.Files, g.Content.Sensitivity}
	for _, r := range g.DomainRules {
		j.DomainRules = append(j.DomainRules, domainRuleJSON{r.Domain, string(r.Sign), string(r.Encrypt), r.Inline})
	}
	return j
}

func (j groupJSON) group(id string) (groups.Group, error) {
	retry, err := j.Retry.Retry()
	g := groups.Group{
		ID: id, Name: j.Name, Addresses: j.Addresses, Sign: groups.Level(j.Sign), Encrypt: groups.Level(j.Encrypt),
		AutoSign: groups.Level(j.AutoSign), AutoEncrypt: groups.Level(j.AutoEncrypt), Mixed: groups.Mixed(j.Mixed), SubjectTags: j.SubjectTags,
		HideSubject: *j.HideSubject, KeepTicket: *j.KeepTicket, AttachKey: *j.AttachKey, Autocrypt: *j.Autocrypt, InlineIn: groups.InlineIn(j.InlineIn),
		Owners: *j.Owners, Shadow: *j.Shadow, Content: groups.ContentRules(*j.Content),
		Retry: retry,
	}
	for _, r := range j.DomainRules {
		g.DomainRules = append(g.DomainRules, groups.DomainRule{Domain: r.Domain, Sign: groups.Level(r.Sign), Encrypt: groups.Level(r.Encrypt), Inline: r.Inline})
	}
	return g, err
}

// withDefaults fills in what a new group may leave out. A group that is replaced must name every level, so that a
// forgotten one never weakens it.
func (j groupJSON) withDefaults() groupJSON {
	fresh := groupJSONOf(gateway.NewGroup(j.Name))
	j.Sign, j.Encrypt = cmp.Or(j.Sign, fresh.Sign), cmp.Or(j.Encrypt, fresh.Encrypt)
	j.AutoSign, j.AutoEncrypt = cmp.Or(j.AutoSign, fresh.AutoSign), cmp.Or(j.AutoEncrypt, fresh.AutoEncrypt)
	j.Mixed = cmp.Or(j.Mixed, fresh.Mixed)
	return j
}

// withForms fills in how mail looks, and who is warned, where that is left out, with what had it last: a program that
// knows nothing of it changes nothing, and exposes no subject.
func (j groupJSON) withForms(last groups.Group) groupJSON {
	had := groupJSONOf(last)
	j.HideSubject = cmp.Or(j.HideSubject, had.HideSubject)
	j.AttachKey, j.Autocrypt = cmp.Or(j.AttachKey, had.AttachKey), cmp.Or(j.Autocrypt, had.Autocrypt)
	j.InlineIn, j.Owners = cmp.Or(j.InlineIn, had.InlineIn), cmp.Or(j.Owners, had.Owners)
	j.Content, j.Shadow = cmp.Or(j.Content, had.Content), cmp.Or(j.Shadow, had.Shadow)
	j.Retry = cmp.Or(j.Retry, had.Retry)
	if j.KeepTicket == nil {
		keep := last.KeepTicket && *j.HideSubject
		j.KeepTicket = &keep
	}
	return j
}

type groupQuestion struct {
	ID   string `path:"id"`
	Body groupJSON
}

func (s *site) groupAPI(api huma.API) {
	operation(s, api, "ListGroups", http.MethodGet, "/groups", "List the groups", 0,
		func(ctx context.Context, a gateway.Actor, _ *nothing) (*list[groupJSON], error) {
			all, err := s.Gateway.ListGroups(ctx, a)
			return listOf(all, groupJSONOf), err
		})
	operation(s, api, "CreateGroup", http.MethodPost, "/groups", "Create a group", 0,
		func(ctx context.Context, a gateway.Actor, in *body[groupJSON]) (*body[groupJSON], error) {
			return s.saveGroup(ctx, a, "", in.Body.withDefaults().withForms(gateway.NewGroup("")))
		})
	operation(s, api, "SaveGroup", http.MethodPut, "/groups/{id}", "Replace a group", 0,
		func(ctx context.Context, a gateway.Actor, in *groupQuestion) (*body[groupJSON], error) {
			last, err := s.groupOf(ctx, a, in.ID)
			if errors.Is(err, gateway.ErrNotFound) {
				last, err = gateway.NewGroup(""), nil // SaveGroup says it, after who may not save at all
			}
			if err != nil {
				return nil, err
			}
			return s.saveGroup(ctx, a, in.ID, in.Body.withForms(last))
		})
	operation(s, api, "DeleteGroup", http.MethodDelete, "/groups/{id}", "Delete a group", 0,
		func(ctx context.Context, a gateway.Actor, in *byID) (*nothing, error) {
			return &nothing{}, s.Gateway.DeleteGroup(ctx, a, in.ID)
		})
}

func (s *site) saveGroup(ctx context.Context, a gateway.Actor, id string, j groupJSON) (*body[groupJSON], error) {
	g, err := j.group(id)
	if err != nil {
		return nil, err
	}
	g, err = s.Gateway.SaveGroup(ctx, a, g)
	return &body[groupJSON]{groupJSONOf(g)}, err
}

type upstreamJSON struct {
	Address  string `json:"address" doc:"host:port; empty: none."`
	TLS      string `json:"tls,omitempty" enum:"implicit,starttls,opportunistic,none" default:"implicit" doc:"opportunistic is for SMTP without a login."`
	Username string `json:"username,omitempty"`
	CA       string `json:"ca,omitempty" doc:"PEM of an own certificate authority."`
}

func (j upstreamJSON) upstream() groups.Upstream {
	return groups.Upstream{Address: j.Address, TLS: groups.TLS(j.TLS), Username: j.Username, CA: j.CA}
}

func upstreamJSONOf(u groups.Upstream) upstreamJSON {
	return upstreamJSON{u.Address, string(u.TLS), u.Username, u.CA}
}

type mailboxJSON struct {
	ID        string       `json:"id"`
	GroupID   string       `json:"group_id"`
	Login     string       `json:"login"`
	IMAP      upstreamJSON `json:"imap"`
	SMTP      upstreamJSON `json:"smtp"`
	Out       outJSON      `json:"out"`
	Running   bool         `json:"running"`
	Connected bool         `json:"connected"`
	LastSync  *time.Time   `json:"last_sync,omitempty"`
	Problem   string       `json:"problem,omitempty"`

	CannotSend string `json:"cannot_send,omitempty" doc:"Why no mail can leave, and what to do; missing when nothing is known of that."`
}

func mailboxJSONOf(m gateway.MailboxInfo) mailboxJSON {
	return mailboxJSON{
		ID: m.ID, GroupID: m.GroupID, Login: m.Login, IMAP: upstreamJSONOf(m.IMAP), SMTP: upstreamJSONOf(m.SMTP), Out: outJSONOf(m.Out),
		Running: m.Running, Connected: m.Status.Connected, LastSync: timeOrNil(m.Status.LastSync), Problem: m.Status.Problem, CannotSend: m.CannotSend,
	}
}

type mailboxValues struct {
	GroupID      string       `json:"group_id"`
	Login        string       `json:"login"`
	Password     *string      `json:"password,omitempty" doc:"The ticket system's; missing keeps the stored one."`
	IMAP         upstreamJSON `json:"imap,omitempty"`
	IMAPPassword string       `json:"imap_password,omitempty" doc:"Missing keeps the stored one."`
	SMTP         upstreamJSON `json:"smtp,omitempty"`
	SMTPPassword string       `json:"smtp_password,omitempty"`
	Out          *outJSON     `json:"out,omitempty" doc:"How mail leaves; missing keeps what is stored."`
	ClientSecret string       `json:"client_secret,omitempty" doc:"Of OAuth; missing keeps the stored one."`
}

type mailboxQuestion struct {
	ID   string `path:"id"`
	Body mailboxValues
}

type checkAnswer struct {
	Body struct {
		Problems []string `json:"problems" doc:"One sentence for each server that does not work."`
	}
}

func (s *site) mailboxAPI(api huma.API) {
	operation(s, api, "ListMailboxes", http.MethodGet, "/mailboxes", "List the mailboxes", 0,
		func(ctx context.Context, a gateway.Actor, _ *nothing) (*list[mailboxJSON], error) {
			all, err := s.Gateway.ListMailboxes(ctx, a)
			return listOf(all, mailboxJSONOf), err
		})
	operation(s, api, "CreateMailbox", http.MethodPost, "/mailboxes", "Create a mailbox", importLimit,
		func(ctx context.Context, a gateway.Actor, in *body[mailboxValues]) (*body[mailboxJSON], error) {
			return s.apiSaveMailbox(ctx, a, "", in.Body)
		})
	operation(s, api, "SaveMailbox", http.MethodPut, "/mailboxes/{id}", "Replace a mailbox", importLimit,
		func(ctx context.Context, a gateway.Actor, in *mailboxQuestion) (*body[mailboxJSON], error) {
			return s.apiSaveMailbox(ctx, a, in.ID, in.Body)
		})
	operation(s, api, "CheckMailbox", http.MethodPost, "/mailboxes/{id}/check", "Connect to both servers of a mailbox", 0,
		func(ctx context.Context, a gateway.Actor, in *byID) (*checkAnswer, error) {
			problems, err := s.Gateway.CheckMailbox(ctx, a, in.ID)
			var out checkAnswer
			out.Body.Problems = append([]string{}, problems...)
			return &out, err
		})
	operation(s, api, "DeleteMailbox", http.MethodDelete, "/mailboxes/{id}", "Delete a mailbox", 0,
		func(ctx context.Context, a gateway.Actor, in *byID) (*nothing, error) {
			return &nothing{}, s.Gateway.DeleteMailbox(ctx, a, in.ID)
		})
	s.accessAPI(api)
}

func (s *site) apiSaveMailbox(ctx context.Context, a gateway.Actor, id string, j mailboxValues) (*body[mailboxJSON], error) {
	r := gateway.MailboxRequest{
		Mailbox:  groups.Mailbox{ID: id, GroupID: j.GroupID, Login: j.Login, IMAP: j.IMAP.upstream(), SMTP: j.SMTP.upstream()},
		Password: j.Password,
	}
	var err error
	if r.Mailbox.Out, err = s.outOf(ctx, a, r.Mailbox, j.Out); err != nil {
		return nil, err
	}
	typed := groups.Credentials{IMAPPassword: j.IMAPPassword, SMTPPassword: j.SMTPPassword, ClientSecret: j.ClientSecret}
	if r.Credentials, err = s.credentials(ctx, a, r.Mailbox, typed); err != nil {
		return nil, err
	}
	m, err := s.Gateway.SaveMailbox(ctx, a, r)
	return &body[mailboxJSON]{mailboxJSONOf(gateway.MailboxInfo{Mailbox: m})}, err
}
