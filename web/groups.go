package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

type groupRow struct {
	groups.Group
	Mailboxes []gateway.MailboxInfo
}

// groupList shows groups; their mailboxes to admins only, as the gateway allows.
func groupList(v *visit) error {
	all, err := v.Gateway.ListGroups(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	var mailboxes []gateway.MailboxInfo
	if v.user.Role == groups.Admin {
		if mailboxes, err = v.Gateway.ListMailboxes(v.r.Context(), v.actor()); err != nil {
			return err
		}
	}
	rows := make([]groupRow, 0, len(all))
	for _, g := range all {
		rows = append(rows, groupRow{g, mailboxesOf(mailboxes, g.ID)})
	}
	return v.show("groups", "Groups", rows)
}

func mailboxesOf(all []gateway.MailboxInfo, groupID string) []gateway.MailboxInfo {
	var own []gateway.MailboxInfo
	for _, m := range all {
		if m.GroupID == groupID {
			own = append(own, m)
		}
	}
	return own
}

type groupPage struct {
	Group     groups.Group
	Addresses string // one a line
	Owners    string // one a line
	Rules     []groups.DomainRule
	Levels    []groups.Level
	Mailboxes []gateway.MailboxInfo
	Public    []publicView // what everybody may read of its addresses
	Host      string       // where the ticket system connects to
	Sentence  string
}

// emptyRules is how many blank lines for domain rules a form has, without script.
const emptyRules = 2

func (v *visit) groupPage(g groups.Group) (groupPage, error) {
	p := groupPage{
		Group: g, Addresses: strings.Join(g.Addresses, "\n"), Owners: strings.Join(g.Owners, "\n"),
		Rules:  append(append([]groups.DomainRule{}, g.DomainRules...), make([]groups.DomainRule, emptyRules)...),
		Levels: []groups.Level{groups.Off, groups.Auto, groups.On, groups.Required},
		Host:   v.Gateway.Domain,
	}
	all, err := v.Gateway.ListMailboxes(v.r.Context(), v.actor())
	if err != nil || g.ID == "" {
		return p, err
	}
	p.Mailboxes = mailboxesOf(all, g.ID)
	p.Public, err = v.publicPages(func(one gateway.Published) bool { return slices.Contains(g.Addresses, one.Address) })
	return p, err
}

// groupOf finds one of the groups that somebody may see.
func (s *site) groupOf(ctx context.Context, a gateway.Actor, id string) (groups.Group, error) {
	all, err := s.Gateway.ListGroups(ctx, a)
	if err != nil {
		return groups.Group{}, err
	}
	for _, g := range all {
		if g.ID == id {
			return g, nil
		}
	}
	return groups.Group{}, gateway.ErrNotFound
}

// group finds one of the groups that the person may see.
func (v *visit) group(id string) (groups.Group, error) {
	return v.groupOf(v.r.Context(), v.actor(), id)
}

func newGroupForm(v *visit) error {
	return v.showGroup(http.StatusOK, gateway.NewGroup(""), "")
}

func groupForm(v *visit) error {
	g, err := v.group(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.showGroup(http.StatusOK, g, "")
}

func (v *visit) showGroup(status int, g groups.Group, words string) error {
	p, err := v.groupPage(g)
	if err != nil {
		return err
	}
	p.Sentence = words
	title := "New group"
	if g.ID != "" {
		title = "Group " + g.Name
	}
	return v.render(status, "group", title, p)
}

func saveGroup(v *visit) error {
	g := v.groupFromForm()
	retry, err := v.retryFromForm().Retry()
	if err != nil {
		return v.showGroup(http.StatusUnprocessableEntity, g, sentenceOf(err))
	}
	g.Retry = retry
	saved, err := v.Gateway.SaveGroup(v.r.Context(), v.actor(), g)
	if err != nil {
		if words := sentenceOf(err); words != "" {
			return v.showGroup(http.StatusUnprocessableEntity, g, words)
		}
		return err
	}
	if g.ID == "" {
		return v.to("/groups/"+saved.ID, "The group is saved. Now add the mailbox that its ticket system logs in to.")
	}
	return v.to("/groups/"+saved.ID, "The group is saved.")
}

func (v *visit) groupFromForm() groups.Group {
	subject := v.field("hide_subject")
	return groups.Group{
		ID: v.r.PathValue("id"), Name: v.field("name"), Addresses: strings.Fields(v.r.PostForm.Get("addresses")),
		Sign: groups.Level(v.field("sign")), Encrypt: groups.Level(v.field("encrypt")),
		AutoSign: groups.Level(v.field("auto_sign")), AutoEncrypt: groups.Level(v.field("auto_encrypt")),
		Mixed: groups.Mixed(v.field("mixed")), SubjectTags: v.field("subject_tags") != "",
		HideSubject: subject == "on" || subject == "keep_ticket", KeepTicket: subject == "keep_ticket",
		AttachKey: v.field("attach_key") != "", Autocrypt: v.field("autocrypt") != "", InlineIn: groups.InlineIn(v.field("inline_in")),
		Shadow: v.field("shadow") != "",
		Content: groups.ContentRules{
			Subjects: linesOf(v.r.PostForm.Get("content_subjects")), Files: linesOf(v.r.PostForm.Get("content_files")),
			Sensitivity: v.field("content_sensitivity") != "",
		},
		Owners:      strings.Fields(v.r.PostForm.Get("owners")),
		DomainRules: v.rulesFromForm(),
	}
}

func (v *visit) retryFromForm() groups.RetryTexts {
	return groups.RetryTexts{
		Lifetime: v.field("retry_lifetime"), WarnAfter: v.field("retry_warn_after"),
		FirstWait: v.field("retry_first_wait"), LongestWait: v.field("retry_longest_wait"),
	}
}

func linesOf(text string) []string { return strings.Split(strings.ReplaceAll(text, "\r", ""), "\n") }

// rulesFromForm reads the lines of the domain rules; one without a domain is none.
func (v *visit) rulesFromForm() []groups.DomainRule {
	var rules []groups.DomainRule
	form := v.r.PostForm
	signs, encrypts, forms := form["rule_sign"], form["rule_encrypt"], form["rule_inline"]
	for i, domain := range form["rule_domain"] {
		if domain = strings.TrimSpace(domain); domain != "" && i < len(signs) && i < len(encrypts) {
			rules = append(rules, groups.DomainRule{
				Domain: domain, Sign: groups.Level(signs[i]), Encrypt: groups.Level(encrypts[i]),
				Inline: i < len(forms) && forms[i] != "",
			})
		}
	}
	return rules
}

func deleteGroupForm(v *visit) error { return v.confirmGroup(http.StatusOK, "") }

func (v *visit) confirmGroup(status int, words string) error {
	g, err := v.group(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p := confirmPage{
		Heading: "Delete this group?", Subject: g.Name, Sentence: words,
		Effects: []string{"Its addresses, levels and domain rules go. Its articles stay, for administrators to read."},
		Remedy:  "Mailboxes of the group must be deleted first.",
		Back:    "/groups/" + g.ID, Button: "Delete the group",
	}
	return v.render(status, "confirm", p.Heading, p)
}

func deleteGroup(v *visit) error {
	if err := v.Gateway.DeleteGroup(v.r.Context(), v.actor(), v.r.PathValue("id")); err != nil {
		if words := sentenceOf(err); words != "" {
			return v.confirmGroup(http.StatusUnprocessableEntity, words)
		}
		return err
	}
	return v.to("/groups", "The group is deleted.")
}
