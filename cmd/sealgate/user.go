package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/groups"
)

// userCommand holds the people's use cases.
type userCommand struct {
	List   userList   `cmd:"" help:"List people."`
	Save   userSave   `cmd:"" help:"Create a person, or change the one of this name."`
	Token  userToken  `cmd:"" help:"Make an API token for a person; it is shown once."`
	Delete userDelete `cmd:"" help:"Delete a person."`
}

type userList struct{}

// Run lists.
func (userList) Run(s *session) error {
	return s.with(func(p *parts) error {
		all, err := p.gateway.ListUsers(s.ctx, cli)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, u := range all {
			state := "enabled"
			if u.Disabled {
				state = "disabled"
			}
			rows = append(rows, []string{u.Name, string(u.Role), state, fmt.Sprint(len(u.Groups), " groups")})
		}
		return s.table("NAME | ROLE | STATE | GROUPS", rows)
	})
}

type userSave struct {
	Name         string   `arg:"" help:"Name to log in with."`
	Role         string   `enum:"agent,admin,auditor," default:"" help:"agent, admin or auditor. New people: agent."`
	Group        []string `help:"Name of a group the person belongs to; may be repeated. None keeps those stored."`
	PasswordFile string   `help:"File whose first line is the password, at least 12 characters; - for standard input."`
	Disable      *bool    `negatable:"" help:"The person may not log in."`
}

// Run creates or changes.
func (c *userSave) Run(s *session) error {
	password, err := s.secretString(c.PasswordFile)
	if err != nil {
		return err
	}
	return s.with(func(p *parts) error {
		u, err := p.gateway.Groups.UserByName(s.ctx, c.Name)
		if errors.Is(err, groups.ErrNotFound) {
			u, err = groups.User{Name: c.Name, Role: groups.Agent}, nil
		}
		if err != nil {
			return err
		}
		set(&u.Role, c.Role)
		if c.Disable != nil {
			u.Disabled = *c.Disable
		}
		if len(c.Group) > 0 {
			if u.Groups, err = groupIDs(s, p, c.Group); err != nil {
				return err
			}
		}
		saved, err := p.gateway.SaveUser(s.ctx, cli, u, password)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s is saved as %s.\n", saved.Name, saved.Role)
		return nil
	})
}

func groupIDs(s *session, p *parts, names []string) ([]string, error) {
	var ids []string
	for _, name := range names {
		group, err := p.gateway.Groups.GroupByName(s.ctx, strings.TrimSpace(name))
		if err != nil {
			return nil, fmt.Errorf("group %q: %w", name, err)
		}
		ids = append(ids, group.ID)
	}
	return ids, nil
}

type userToken struct {
	Name  string `arg:"" help:"Name of the person."`
	Label string `default:"cli" help:"What the token is for."`
}

// Run makes a token.
func (c *userToken) Run(s *session) error {
	return s.with(func(p *parts) error {
		u, err := p.gateway.Groups.UserByName(s.ctx, c.Name)
		if err != nil {
			return fmt.Errorf("user %q: %w", c.Name, err)
		}
		token, err := p.gateway.NewToken(s.ctx, cli, u.ID, c.Label)
		if err != nil {
			return err
		}
		fmt.Fprintln(s.out, token)
		return nil
	})
}

type userDelete struct {
	Name string `arg:"" help:"Name of the person."`
}

// Run deletes.
func (c *userDelete) Run(s *session) error {
	return s.with(func(p *parts) error {
		u, err := p.gateway.Groups.UserByName(s.ctx, c.Name)
		if err != nil {
			return fmt.Errorf("user %q: %w", c.Name, err)
		}
		return p.gateway.DeleteUser(s.ctx, cli, u.ID)
	})
}
