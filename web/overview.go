package web

import (
	"slices"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// concern is one thing that needs attention: what, why, and where to do something about it.
type concern struct {
	Tone   string
	Text   string
	Action string // words of the link
	Link   string
}

type overviewPage struct {
	Concerns []concern
	Articles []archive.Article
	Groups   []groups.Group
	Waiting  int // copies in the queue that have not left yet
	Own      int // certificates with a secret key
}

// shownArticles is how many of the latest articles the overview lists.
const shownArticles = 8

// overview shows what needs attention, by role.
func overview(v *visit) error {
	ctx := v.r.Context()
	var p overviewPage
	var err error
	if p.Groups, err = v.Gateway.ListGroups(ctx, v.actor()); err != nil {
		return err
	}
	own, _, err := v.Gateway.Certificates(ctx, v.actor(), keyring.Filter{SecretOnly: true, Limit: 500})
	if err != nil {
		return err
	}
	p.Own = len(own)
	p.Concerns = append(p.Concerns, groupConcerns(p.Groups, own, v.Gateway.Now(), v.user.Role)...)
	if v.user.Role != groups.Auditor {
		if p.Articles, err = v.Gateway.ListArticles(ctx, v.actor(), archive.Filter{Limit: shownArticles}); err != nil {
			return err
		}
		if err := v.queueConcerns(&p); err != nil {
			return err
		}
	}
	if v.user.Role == groups.Admin {
		if err := v.adminConcerns(&p); err != nil {
			return err
		}
	}
	return v.show("overview", "Overview", p)
}

// groupConcerns are groups that cannot work yet.
func groupConcerns(all []groups.Group, own []*keyring.Certificate, now time.Time, role groups.Role) []concern {
	switch {
	case len(all) == 0 && role == groups.Admin:
		return []concern{{"warn", "There is no group yet. A group is a team that writes as one or several addresses.", "Create the first group", "/groups/new"}}
	case len(all) == 0 && role == groups.Agent:
		return []concern{{"warn", "You belong to no group yet, so there is no mail to see. Ask an administrator to add you to one.", "", ""}}
	case role != groups.Admin:
		return nil
	}
	var found []concern
	signs := map[string]bool{}
	for _, c := range own {
		if c.ForSigning(now) == keyring.Usable {
			for _, address := range c.Addresses() {
				signs[keyring.Fold(address)] = true
			}
		}
	}
	for _, g := range all {
		for _, address := range g.Addresses {
			if !signs[keyring.Fold(address)] {
				found = append(found, concern{
					"warn", "No usable key for " + address + " (group " + g.Name + "): it can neither sign nor read encrypted replies.",
					"Generate or import a key", "/keyring/generate?address=" + urlQuery(address),
				})
			}
		}
	}
	return found
}

// queueConcerns are copies that did not reach the next hop.
func (v *visit) queueConcerns(p *overviewPage) error {
	open, err := v.Gateway.ListQueue(v.r.Context(), v.actor(), queue.Filter{Open: true, Limit: 500})
	if err != nil {
		return err
	}
	p.Waiting = len(open)
	failing := 0
	for _, m := range open {
		if slices.ContainsFunc(m.Recipients, func(r queue.Recipient) bool {
			return r.State == queue.Held || r.State == queue.Uncertain || r.State == queue.Pending && r.Attempts > 0
		}) {
			failing++
		}
	}
	if failing > 0 {
		p.Concerns = append(p.Concerns, concern{"warn", counted(failing, "message has", "messages have") + " not left at the first try, or are held.", "Look at the queue", "/queue"})
	}
	return nil
}

// adminConcerns are mailboxes that do not send or sync, and certificates that end soon.
func (v *visit) adminConcerns(p *overviewPage) error {
	mailboxes, err := v.Gateway.ListMailboxes(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	for _, m := range mailboxes {
		if m.CannotSend != "" {
			p.Concerns = append(p.Concerns, concern{"bad", "No mail leaves through mailbox " + m.Login + ": " + sentence(m.CannotSend), "Look at the mailbox", mailboxPath(m.Mailbox)})
		}
		if m.Status.Problem != "" {
			p.Concerns = append(p.Concerns, concern{"bad", "Mailbox " + m.Login + ": " + sentence(m.Status.Problem), "Look at the mailbox", mailboxPath(m.Mailbox)})
		}
	}
	p.Concerns = append(p.Concerns, missingMailboxes(p.Groups, mailboxes)...)
	if n := v.countWaiting(); n > 0 {
		p.Concerns = append(p.Concerns, concern{"warn", counted(int(n), "certificate waits", "certificates wait") + " for your approval; nothing is encrypted to what waits.", "Compare and decide", "/keyring/waiting"})
	}
	ending, err := v.Gateway.EndingCertificates(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	p.Concerns = append(p.Concerns, endingConcerns(ending)...)
	return v.restingConcerns(p)
}

// restingConcerns are mail servers that cannot be reached while mail waits for them.
func (v *visit) restingConcerns(p *overviewPage) error {
	resting, err := v.Gateway.RestingDestinations(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	waiting, names := int64(0), []string{}
	for _, r := range resting {
		if r.Waiting > 0 {
			waiting += r.Waiting
			names = append(names, r.Destination)
		}
	}
	switch len(names) {
	case 0:
		return nil
	case 1:
		names[0] += " cannot be reached"
	default:
		names[0] = counted(len(names), "destination", "destinations") + " cannot be reached"
	}
	p.Concerns = append(p.Concerns, concern{"bad", names[0] + "; mail for " + counted(int(waiting), "recipient", "recipients") + " waits.", "Look at the queue", "/queue"})
	return nil
}

// shownEnding is how many certificates the overview names; the forecast names all.
const shownEnding = 3

// endingConcerns are certificates that end soon, or have ended, while somebody needs them.
func endingConcerns(ending []gateway.EndingCertificate) []concern {
	var found []concern
	for _, e := range ending {
		if e.Successor == "" && e.Days <= soonDays && (e.Days >= 0 || len(e.Groups) > 0) {
			found = append(found, concern{"warn", e.Sentence(), "Look at the certificate", "/keyring/" + e.Fingerprint})
		}
	}
	if more := len(found) - shownEnding; more > 1 {
		found = append(found[:shownEnding], concern{"warn", counted(more, "more certificate ends", "more certificates end") + " soon.", "Look at the forecast", "/keyring/forecast"})
	}
	return found
}

func missingMailboxes(all []groups.Group, mailboxes []gateway.MailboxInfo) []concern {
	var found []concern
	for _, g := range all {
		if !slices.ContainsFunc(mailboxes, func(m gateway.MailboxInfo) bool { return m.GroupID == g.ID }) {
			found = append(found, concern{
				"warn", "Group " + g.Name + " has no mailbox, so no ticket system can send or receive through it.",
				"Add a mailbox", "/groups/" + g.ID + "/mailboxes/new",
			})
		}
	}
	return found
}
