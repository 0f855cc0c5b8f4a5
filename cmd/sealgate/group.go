package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/groups"
)

// groupCommand holds the groups' use cases.
type groupCommand struct {
	List   groupList   `cmd:"" help:"List groups."`
	Save   groupSave   `cmd:"" help:"Create a group, or change the one of this name."`
	Delete groupDelete `cmd:"" help:"Delete a group."`
}

type groupList struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists.
func (g *groupList) Run(s *session) error {
	return s.with(func(p *parts) error {
		all, err := p.gateway.ListGroups(s.ctx, cli)
		if err != nil {
			return err
		}
		if g.JSON {
			return s.json(all)
		}
		var rows [][]string
		for _, group := range all {
			rows = append(rows, []string{group.Name, string(group.Sign), string(group.Encrypt), strings.Join(group.Addresses, ", ")})
		}
		return s.table("NAME | SIGN | ENCRYPT | ADDRESSES", rows)
	})
}

type groupSave struct {
	Name        string   `arg:"" help:"Name of the group."`
	Address     []string `help:"Sender address; may be repeated, the first is the default. None keeps those stored."`
	Owner       []string `help:"Mail address that is warned of certificates that end; may be repeated. None keeps those stored; --owner= leaves none."`
	Sign        string   `enum:"off,auto,on,required," default:"" help:"Level for signing: off, auto, on, required. New groups: auto."`
	Encrypt     string   `enum:"off,auto,on,required," default:"" help:"Level for encryption. New groups: auto."`
	AutoSign    string   `enum:"off,auto,on,required," default:"" help:"Level for signing automatic mail. New groups: auto."`
	AutoEncrypt string   `enum:"off,auto,on,required," default:"" help:"Level for encrypting automatic mail. New groups: auto."`
	Mixed       string   `enum:"refuse,split," default:"" help:"When only some recipients have a certificate: refuse, or split with a content-free notice."`
	SubjectTags *bool    `negatable:"" help:"Agents may write [encrypt] [noencrypt] [sign] [nosign] into the subject."`
	HideSubject *bool    `negatable:"" help:"Encrypted mail leaves with its subject inside only; [...] stands outside."`
	KeepTicket  *bool    `negatable:"" help:"With --hide-subject: a ticket number in brackets stays outside."`
	AttachKey   *bool    `negatable:"" help:"Attach the group's certificate to signed or encrypted mail."`
	Autocrypt   *bool    `negatable:"" help:"Put the group's certificate into the header of mail (Autocrypt). New groups: yes."`
	InlineIn    string   `enum:"off,whole,any," default:"" help:"Inline PGP in incoming mail: off, whole (open it when it is the whole text), any (blocks among other text too). New groups: whole."`
	Shadow      *bool    `negatable:"" help:"Only watch: mail leaves as it came, and the log tells what would have happened."`
	MustSubject []string `help:"Pattern for subjects that require encryption; a word is looked for anywhere, with * or ? the whole must fit; may be repeated. None keeps those stored; --must-subject= leaves none."`
	MustFile    []string `help:"The same for names of attachments."`
	Sensitivity *bool    `negatable:"" help:"Messages marked personal, private or confidential require encryption."`
	RetryFor    string   `help:"How long mail that does not get through is tried, as in 5d, 4h or 90m; 0 is the default, 5d."`
	WarnAfter   string   `help:"When its sender is told of the delay; never when it is not less than --retry-for. 0 is the default, 4h."`
	FirstWait   string   `help:"How long to wait after the first try; 0 is the default, 1m."`
	LongestWait string   `help:"The longest wait between two tries; 0 is the default, 4h."`
	Rule        []string `help:"Domain rule DOMAIN:SIGN:ENCRYPT, such as court.example:on:required, or DOMAIN:SIGN:ENCRYPT:inline for recipients that read inline PGP only; may be repeated. None keeps those stored."`
}

// Run creates or changes.
func (g *groupSave) Run(s *session) error {
	rules, err := domainRules(g.Rule)
	if err != nil {
		return err
	}
	return s.with(func(p *parts) error {
		group, err := p.gateway.GroupNamed(s.ctx, g.Name)
		if err != nil {
			return err
		}
		if err := g.change(&group, rules); err != nil {
			return err
		}
		saved, err := p.gateway.SaveGroup(s.ctx, cli, group)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "Group %s is saved.\n", saved.Name)
		if len(saved.Addresses) == 0 {
			s.said("It has no address yet, so it can neither write nor read: add --address.")
		}
		return nil
	})
}

// change changes what was named.
func (g *groupSave) change(group *groups.Group, rules []groups.DomainRule) error {
	if len(g.Address) > 0 {
		group.Addresses = g.Address
	}
	if len(g.Owner) > 0 {
		group.Owners = slices.DeleteFunc(g.Owner, func(owner string) bool { return owner == "" })
	}
	if len(g.MustSubject) > 0 {
		group.Content.Subjects = g.MustSubject
	}
	if len(g.MustFile) > 0 {
		group.Content.Files = g.MustFile
	}
	turn(&group.Content.Sensitivity, g.Sensitivity)
	turn(&group.Shadow, g.Shadow)
	if len(rules) > 0 {
		group.DomainRules = rules
	}
	set(&group.Sign, g.Sign)
	set(&group.Encrypt, g.Encrypt)
	set(&group.AutoSign, g.AutoSign)
	set(&group.AutoEncrypt, g.AutoEncrypt)
	set(&group.Mixed, g.Mixed)
	set(&group.InlineIn, g.InlineIn)
	turn(&group.SubjectTags, g.SubjectTags)
	turn(&group.HideSubject, g.HideSubject)
	group.KeepTicket = group.KeepTicket && group.HideSubject
	turn(&group.KeepTicket, g.KeepTicket)
	turn(&group.AttachKey, g.AttachKey)
	turn(&group.Autocrypt, g.Autocrypt)
	return g.reschedule(&group.Retry)
}

// reschedule changes what was named of how long and how often mail is tried.
func (g *groupSave) reschedule(r *groups.Retry) (err error) {
	texts := r.Texts()
	set(&texts.Lifetime, g.RetryFor)
	set(&texts.WarnAfter, g.WarnAfter)
	set(&texts.FirstWait, g.FirstWait)
	set(&texts.LongestWait, g.LongestWait)
	*r, err = texts.Retry()
	return err
}

// turn turns a switch, unless nothing was said of it.
func turn(field, asked *bool) {
	if asked != nil {
		*field = *asked
	}
}

// set replaces a value unless the new one is empty.
func set[T ~string](field *T, value string) {
	if value != "" {
		*field = T(value)
	}
}

func domainRules(texts []string) ([]groups.DomainRule, error) {
	var rules []groups.DomainRule
	for _, t := range texts {
		f := strings.Split(t, ":")
		if len(f) != 3 && (len(f) != 4 || f[3] != "inline") {
			return nil, fmt.Errorf("rule %q must be DOMAIN:SIGN:ENCRYPT or DOMAIN:SIGN:ENCRYPT:inline, such as court.example:on:required", t)
		}
		rules = append(rules, groups.DomainRule{Domain: f[0], Sign: groups.Level(f[1]), Encrypt: groups.Level(f[2]), Inline: len(f) == 4})
	}
	return rules, nil
}

type groupDelete struct {
	Name string `arg:"" help:"Name of the group."`
}

// Run deletes.
func (g *groupDelete) Run(s *session) error {
	return s.with(func(p *parts) error {
		group, err := p.gateway.Groups.GroupByName(s.ctx, g.Name)
		if err != nil {
			return fmt.Errorf("group %q: %w", g.Name, err)
		}
		return p.gateway.DeleteGroup(s.ctx, cli, group.ID)
	})
}
