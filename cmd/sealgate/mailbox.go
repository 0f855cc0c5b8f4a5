package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// mailboxCommand holds the mailboxes' use cases.
type mailboxCommand struct {
	List   mailboxList   `cmd:"" help:"List mailboxes."`
	Save   mailboxSave   `cmd:"" help:"Create a mailbox, or change the one of this login."`
	Check  mailboxCheck  `cmd:"" help:"Connect to the servers behind a mailbox and say what does not work."`
	Access mailboxAccess `cmd:"" help:"OAuth logins: how they stand, and how a person grants access."`
	Delete mailboxDelete `cmd:"" help:"Delete a mailbox."`
}

type mailboxList struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists.
func (m *mailboxList) Run(s *session) error {
	return s.with(func(p *parts) error {
		all, err := p.gateway.ListMailboxes(s.ctx, cli)
		if err != nil {
			return err
		}
		if m.JSON {
			return s.json(all)
		}
		var rows [][]string
		for _, b := range all {
			rows = append(rows, []string{b.Login, b.IMAP.Address, string(b.IMAP.TLS), cmp.Or(b.SMTP.Address, string(b.Out.Route)), cmp.Or(string(b.SMTP.TLS), b.Out.Policy), string(b.Out.Login)})
		}
		return s.table("LOGIN | IMAP | TLS | SMTP | TLS | LOGIN WITH", rows)
	})
}

type mailboxSave struct {
	Login            string  `arg:"" help:"Name that the ticket system logs in with."`
	Group            string  `help:"Name of the group; needed for a new mailbox."`
	PasswordFile     string  `help:"File whose first line is the ticket system's password for Sealgate."`
	IMAP             *string `name:"imap" help:"IMAP server, host:port; empty for none."`
	IMAPTLS          string  `name:"imap-tls" enum:"implicit,starttls,none," default:"" help:"implicit, starttls, or none (loopback only)."`
	IMAPUsername     *string `name:"imap-username" help:"User name on the IMAP server."`
	IMAPPasswordFile string  `name:"imap-password-file" help:"File whose first line is its password."`
	IMAPCA           string  `name:"imap-ca" help:"PEM file of an extra certificate authority for the IMAP server."`
	SMTP             *string `name:"smtp" help:"SMTP server to send through, host:port; empty for none."`
	SMTPTLS          string  `name:"smtp-tls" enum:"implicit,starttls,opportunistic,none," default:"" help:"implicit, starttls, opportunistic (no login then), or none (loopback only)."`
	SMTPUsername     *string `name:"smtp-username" help:"User name on the SMTP server; empty for none."`
	SMTPPasswordFile string  `name:"smtp-password-file" help:"File whose first line is its password."`
	SMTPCA           string  `name:"smtp-ca" help:"PEM file of an extra certificate authority for the SMTP server."`

	Out outFlags `embed:""`
}

// Run creates or changes.
func (m *mailboxSave) Run(s *session) error {
	return s.with(func(p *parts) error {
		r, err := m.request(s, p)
		if err != nil {
			return err
		}
		saved, err := p.gateway.SaveMailbox(s.ctx, cli, r)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "Mailbox %s is saved.\n", saved.Login)
		if saved.IMAP.Address == "" && !saved.Sends() {
			s.said("It has no server behind it yet: add --imap or --smtp.")
		}
		return nil
	})
}

func (m *mailboxSave) request(s *session, p *parts) (gateway.MailboxRequest, error) {
	var r gateway.MailboxRequest
	stored, err := p.gateway.Groups.MailboxByLogin(s.ctx, m.Login)
	if err != nil && !errors.Is(err, groups.ErrNotFound) {
		return r, err
	}
	r.Mailbox = stored
	r.Mailbox.Login = m.Login
	if m.Group != "" {
		group, err := p.gateway.Groups.GroupByName(s.ctx, m.Group)
		if err != nil {
			return r, fmt.Errorf("group %q: %w", m.Group, err)
		}
		r.Mailbox.GroupID = group.ID
	}
	if err := errors.Join(
		setUpstream(&r.Mailbox.IMAP, m.IMAP, m.IMAPUsername, m.IMAPTLS, m.IMAPCA),
		setUpstream(&r.Mailbox.SMTP, m.SMTP, m.SMTPUsername, m.SMTPTLS, m.SMTPCA),
	); err != nil {
		return r, err
	}
	m.Out.set(&r.Mailbox)
	if r.Password, err = s.secretString(m.PasswordFile); err != nil {
		return r, err
	}
	r.Credentials, err = m.credentials(s, p, stored.ID)
	return r, err
}

func setUpstream(u *groups.Upstream, address, username *string, tls, caFile string) error {
	if address != nil {
		u.Address = *address
	}
	if username != nil {
		u.Username = *username
	}
	set(&u.TLS, tls)
	if caFile == "" {
		return nil
	}
	ca, err := os.ReadFile(caFile)
	u.CA = string(ca)
	return err
}

// credentials merges the given upstream passwords with the stored ones; nil keeps both.
func (m *mailboxSave) credentials(s *session, p *parts, id string) (*groups.Credentials, error) {
	imap, err := s.secretString(m.IMAPPasswordFile)
	if err != nil {
		return nil, err
	}
	smtp, err := s.secretString(m.SMTPPasswordFile)
	if err != nil {
		return nil, err
	}
	client, err := s.secretString(m.Out.OAuthSecretFile)
	if err != nil || (imap == nil && smtp == nil && client == nil) {
		return nil, err
	}
	var c groups.Credentials
	if id != "" {
		if c, err = p.gateway.Groups.Credentials(s.ctx, id); err != nil {
			return nil, err
		}
	}
	if imap != nil {
		c.IMAPPassword = *imap
	}
	if smtp != nil {
		c.SMTPPassword = *smtp
	}
	if client != nil {
		c.ClientSecret = *client
	}
	return &c, nil
}

type mailboxCheck struct {
	Login string `arg:"" help:"Login of the mailbox."`
}

// Run checks; a server that does not work is an error.
func (m *mailboxCheck) Run(s *session) error {
	return s.with(func(p *parts) error {
		stored, err := p.gateway.Groups.MailboxByLogin(s.ctx, m.Login)
		if err != nil {
			return fmt.Errorf("mailbox %q: %w", m.Login, err)
		}
		problems, err := p.gateway.CheckMailbox(s.ctx, cli, stored.ID)
		if err != nil {
			return err
		}
		for _, sentence := range problems {
			fmt.Fprintln(s.out, sentence)
		}
		if len(problems) > 0 {
			return errors.New("the mailbox does not work")
		}
		fmt.Fprintln(s.out, "Both servers answer and accept the login.")
		return nil
	})
}

type mailboxDelete struct {
	Login string `arg:"" help:"Login of the mailbox."`
}

// Run deletes.
func (m *mailboxDelete) Run(s *session) error {
	return s.with(func(p *parts) error {
		stored, err := p.gateway.Groups.MailboxByLogin(s.ctx, m.Login)
		if err != nil {
			return fmt.Errorf("mailbox %q: %w", m.Login, err)
		}
		return p.gateway.DeleteMailbox(s.ctx, cli, stored.ID)
	})
}
