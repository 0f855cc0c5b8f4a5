package web

import (
	"cmp"
	"context"
	"net/http"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

type mailboxPage struct {
	Group    groups.Group
	Mailbox  groups.Mailbox
	Info     gateway.MailboxInfo // its sync, when it is stored
	Access   *gateway.Access     // its OAuth login, when it has one
	IMAP     upstreamForm
	SMTP     upstreamForm
	Host     string
	Sentence string
	Checked  bool     // the servers were just asked
	Problems []string // what they answered, empty when all is well
}

// upstreamForm is the part of the form about one server.
type upstreamForm struct {
	groups.Upstream
	Key, Name, Example string
	Stored             bool // a password may be stored, and an empty field keeps it
}

func mailboxPath(m groups.Mailbox) string { return "/groups/" + m.GroupID + "/mailboxes/" + m.ID }

func newMailboxForm(v *visit) error {
	m := groups.Mailbox{
		GroupID: v.r.PathValue("id"), IMAP: groups.Upstream{TLS: groups.TLSImplicit}, SMTP: groups.Upstream{TLS: groups.TLSImplicit},
	}
	return v.showMailbox(http.StatusOK, mailboxPage{Mailbox: m})
}

func mailboxForm(v *visit) error {
	m, err := v.mailbox()
	if err != nil {
		return err
	}
	return v.showMailbox(http.StatusOK, mailboxPage{Mailbox: m.Mailbox})
}

// mailbox finds the mailbox that the address names, in the group that it names.
func (v *visit) mailbox() (gateway.MailboxInfo, error) {
	return v.mailboxOf(v.r.Context(), v.actor(), v.r.PathValue("id"), v.r.PathValue("mailbox"))
}

func (s *site) mailboxOf(ctx context.Context, a gateway.Actor, groupID, id string) (gateway.MailboxInfo, error) {
	all, err := s.Gateway.ListMailboxes(ctx, a)
	if err != nil {
		return gateway.MailboxInfo{}, err
	}
	for _, m := range mailboxesOf(all, groupID) {
		if m.ID == id {
			return m, nil
		}
	}
	return gateway.MailboxInfo{}, gateway.ErrNotFound
}

func (v *visit) showMailbox(status int, p mailboxPage) error {
	var err error
	if p.Group, err = v.group(v.r.PathValue("id")); err != nil {
		return err
	}
	title := "New mailbox"
	if p.Mailbox.ID != "" {
		if p.Info, err = v.mailbox(); err != nil {
			return err
		}
		title = "Mailbox " + p.Mailbox.Login
		if p.Access, err = v.accessTo(p.Info.Mailbox); err != nil {
			return err
		}
	}
	p.Host = v.Gateway.Domain
	p.IMAP = upstreamForm{p.Mailbox.IMAP, "imap", "IMAP", "mail.example.org:993", p.Mailbox.ID != ""}
	p.SMTP = upstreamForm{p.Mailbox.SMTP, "smtp", "SMTP", "mail.example.org:465", p.Mailbox.ID != ""}
	return v.render(status, "mailbox", title, p)
}

func saveMailbox(v *visit) error {
	r := gateway.MailboxRequest{Mailbox: groups.Mailbox{
		ID: v.r.PathValue("mailbox"), GroupID: v.r.PathValue("id"), Login: v.field("login"),
		IMAP: v.upstream("imap"), SMTP: v.upstream("smtp"), Out: v.nextHop(),
	}}
	if r.Mailbox.Out.Route == groups.Exchanges {
		r.Mailbox.SMTP = groups.Upstream{} // its fields are folded away
	}
	if password := v.secret("password"); password != "" {
		r.Password = &password
	}
	saved, err := v.storeMailbox(r)
	if err != nil {
		return v.mailboxRefused(r.Mailbox, err)
	}
	return v.to(mailboxPath(saved), "The mailbox is saved. Check its servers below.")
}

// mailboxRefused shows the form again with what is wrong.
func (v *visit) mailboxRefused(m groups.Mailbox, err error) error {
	words := sentenceOf(err)
	if words == "" {
		return err
	}
	return v.showMailbox(http.StatusUnprocessableEntity, mailboxPage{Mailbox: m, Sentence: words})
}

func (v *visit) storeMailbox(r gateway.MailboxRequest) (groups.Mailbox, error) {
	var err error
	typed := groups.Credentials{IMAPPassword: v.secret("imap_password"), SMTPPassword: v.secret("smtp_password"), ClientSecret: v.secret("client_secret")}
	if r.Credentials, err = v.credentials(v.r.Context(), v.actor(), r.Mailbox, typed); err != nil {
		return groups.Mailbox{}, err
	}
	return v.Gateway.SaveMailbox(v.r.Context(), v.actor(), r)
}

// credentials completes what was typed by what is stored, because an empty field keeps a password; nil when nothing
// was typed. A password never goes to another server than the one that it was stored for, or whoever may edit a
// mailbox could have it sent to a server of their own.
func (s *site) credentials(ctx context.Context, a gateway.Actor, m groups.Mailbox, typed groups.Credentials) (*groups.Credentials, error) {
	if m.ID == "" {
		return &typed, nil
	}
	before, err := s.mailboxOf(ctx, a, m.GroupID, m.ID)
	if err != nil {
		return nil, err
	}
	if err := sameServer("IMAP", before.IMAP, m.IMAP, typed.IMAPPassword); err != nil {
		return nil, err
	}
	if m.Out.Login != groups.LoginOAuth {
		if err := sameServer("SMTP", before.SMTP, m.SMTP, typed.SMTPPassword); err != nil {
			return nil, err
		}
	}
	stored, err := s.Gateway.Groups.Credentials(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	if err := sameTokens(before.Mailbox, m, stored, typed); err != nil {
		return nil, err
	}
	if typed == (groups.Credentials{}) {
		return nil, nil
	}
	typed.IMAPPassword = cmp.Or(typed.IMAPPassword, stored.IMAPPassword)
	typed.SMTPPassword = cmp.Or(typed.SMTPPassword, stored.SMTPPassword)
	typed.ClientSecret = cmp.Or(typed.ClientSecret, stored.ClientSecret)
	return &typed, nil
}

func sameServer(name string, before, now groups.Upstream, typed string) error {
	if typed != "" || before.Username == "" || now.Address == "" || before.Address == now.Address {
		return nil
	}
	return &gateway.Problem{Sentence: "The " + name + " server is another one now; type its password again, so that the stored one is not sent to a server it was not meant for."}
}

// sameTokens is sameServer for OAuth: the client's secret opens tokens, which are then shown to the mail server.
func sameTokens(before, now groups.Mailbox, stored, typed groups.Credentials) error {
	same := before.SMTP.Address == now.SMTP.Address && before.Out.OAuth.TokenURL == now.Out.OAuth.TokenURL
	if same || stored.ClientSecret == "" || typed.ClientSecret != "" || now.Out.Login != groups.LoginOAuth {
		return nil
	}
	return &gateway.Problem{Sentence: "The mail server or the token server is another one now; type the client's secret again, so that the stored one does not serve a server it was not meant for."}
}

func (v *visit) upstream(key string) groups.Upstream {
	return groups.Upstream{
		Address: v.field(key + "_address"), TLS: groups.TLS(v.field(key + "_tls")),
		Username: v.field(key + "_username"), CA: v.field(key + "_ca"),
	}
}

// checkMailbox connects to both servers and shows what they answer.
func checkMailbox(v *visit) error {
	m, err := v.mailbox()
	if err != nil {
		return err
	}
	p := mailboxPage{Mailbox: m.Mailbox, Checked: true}
	if p.Problems, err = v.Gateway.CheckMailbox(v.r.Context(), v.actor(), m.ID); err != nil {
		return err
	}
	return v.showMailbox(http.StatusOK, p)
}

func deleteMailboxForm(v *visit) error {
	m, err := v.mailbox()
	if err != nil {
		return err
	}
	p := confirmPage{
		Heading: "Delete this mailbox?", Subject: m.Login,
		Effects: []string{
			"The ticket system can no longer log in with it, and Sealgate forgets its upstream passwords.",
			"What it mirrored goes from here. Mail on the upstream server stays, and so do the articles.",
		},
		Back: mailboxPath(m.Mailbox), Button: "Delete the mailbox",
	}
	return v.show("confirm", p.Heading, p)
}

func deleteMailbox(v *visit) error {
	m, err := v.mailbox()
	if err != nil {
		return err
	}
	if err := v.Gateway.DeleteMailbox(v.r.Context(), v.actor(), m.ID); err != nil {
		return err
	}
	return v.to("/groups/"+m.GroupID, "The mailbox is deleted.")
}
