package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	message "github.com/emersion/go-message/mail"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// Owners of groups are warned by mail of what a forecast finds: certificates that end without a successor, articles that
// cannot be opened, and addresses to which nothing can leave. A warning is mail of the group: it passes the same plan and
// protect step as every message, and may be refused there.

// afterwards is how long after its end an owner still hears of a certificate.
const afterwards = 7

// warning is one thing that an owner hears of once.
type warning struct {
	about    string // certificate, address or key
	subject  string // fingerprint, address or key id
	days     int    // before the end of a certificate
	ends     time.Time
	sentence string
}

// WarningReport counts what became of warnings.
type WarningReport struct {
	Sent   int // letters
	Failed int // letters that could not be sent; the log says why, and they are tried again
}

// WarnOwners sends every warning that is due and was not sent before. Admins only. It ends early with ctx.
func (g *Gateway) WarnOwners(ctx context.Context, a Actor) (WarningReport, error) {
	var report WarningReport
	if err := a.allow(groups.Admin); err != nil {
		return report, err
	}
	f, err := g.forecast(ctx, a)
	if err != nil {
		return report, fmt.Errorf("warn owners: %w", err)
	}
	all, err := g.ListGroups(ctx, a)
	if err != nil {
		return report, fmt.Errorf("warn owners: %w", err)
	}
	for _, group := range all {
		due := dueFor(group, f)
		for _, owner := range group.Owners {
			sent, err := g.warn(ctx, a, group, owner, due)
			switch {
			case ctx.Err() != nil:
				return report, ctx.Err()
			case err != nil:
				report.Failed++
				g.Log.WarnContext(ctx, "warn owner", "group", group.ID, "owner", owner, "error", err)
			case sent:
				report.Sent++
			}
		}
	}
	return report, nil
}

// RunWarnings sends what is due now, and once in every interval until ctx ends.
func (g *Gateway) RunWarnings(ctx context.Context, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		_, err := g.WarnOwners(ctx, Actor{Name: "sealgate", Role: groups.Admin})
		if err == nil {
			err = g.forgetWarnings(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			g.Log.ErrorContext(ctx, "warn owners", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// dueFor picks what the owners of one group are to hear of.
func dueFor(group groups.Group, f Forecast) []warning {
	var due []warning
	for _, e := range f.Ending {
		concerns := slices.ContainsFunc(e.Groups, func(other groups.Group) bool { return other.ID == group.ID })
		if concerns && e.Successor == "" && e.Days >= -afterwards {
			due = append(due, warning{"certificate", e.Fingerprint, threshold(e.Days), e.Ends, e.Sentence()})
		}
	}
	for _, k := range f.Keyless {
		if k.Group.ID == group.ID && k.Held {
			due = append(due, warning{about: "own address", subject: k.Address, sentence: k.Sentence()})
		}
	}
	for _, k := range f.Waiting {
		if k.GroupID == group.ID && k.Closed > 0 {
			due = append(due, warning{about: "key", subject: k.KeyID, sentence: k.Sentence()})
		}
	}
	for _, m := range f.Missing {
		if m.Group.ID == group.ID && m.Refused {
			due = append(due, warning{about: "address", subject: m.Address, sentence: m.Sentence()})
		}
	}
	return due
}

// threshold is the warning that is due with so many days left: the first, second or third, or the one afterwards.
func threshold(days int) int {
	switch {
	case days < 0:
		return 0
	case days <= 7:
		return 7
	case days <= 30:
		return 30
	}
	return 60
}

// warn sends one owner of a group one letter about everything new; false when there is nothing.
func (g *Gateway) warn(ctx context.Context, a Actor, group groups.Group, owner string, due []warning) (sent bool, err error) {
	if due, err = g.unwarned(ctx, group.ID, owner, due); err != nil || len(due) == 0 {
		return false, err
	}
	l, err := g.warningLetter(ctx, group, owner, due)
	if err != nil {
		return false, err
	}
	err = g.send(ctx, a, l)
	if errors.Is(err, errWarned) {
		return false, nil
	}
	return err == nil, g.recordRefusal(ctx, a, group.ID, l, err)
}

// warningLetter writes to one owner in the name of the group. The null reverse-path keeps answers of programs away
// (RFC 3834, section 3).
func (g *Gateway) warningLetter(ctx context.Context, group groups.Group, owner string, due []warning) (letter, error) {
	from, err := senderOf(group, "")
	if err != nil {
		return letter{}, err
	}
	l := letter{articleID: newID(), group: group}
	if l.mailbox, err = g.outboundMailbox(ctx, group); err != nil {
		return letter{}, err
	}
	l.envelope = submission.Envelope{ForwardPaths: []submission.ForwardPath{{Address: owner}}}
	l.message, err = g.writeText(g.warningText(group, due), func(h *message.Header) {
		h.Set("Auto-Submitted", "auto-generated")
		h.SetSubject("Certificates that need a hand")
		h.SetAddressList("To", addressList([]string{owner}))
		h.SetAddressList("From", addressList([]string{from}))
	})
	if err != nil {
		return letter{}, err
	}
	if l.summary, err = pgpmime.Summarize(l.message); err != nil {
		return letter{}, fmt.Errorf("write warning: %w", err)
	}
	l.also = func(tx *gorm.DB) error { return keepWarned(tx, group.ID, owner, due, g.Now()) }
	return l, nil
}

// maxSentences is how many things one letter tells.
const maxSentences = 50

func (g *Gateway) warningText(group groups.Group, due []warning) string {
	var b strings.Builder
	fmt.Fprintf(&b, "This needs a hand in group %s:\n\n", oneLine(group.Name))
	for _, w := range due[:min(len(due), maxSentences)] {
		fmt.Fprintf(&b, "* %s\n", oneLine(w.sentence))
		if w.about == "certificate" {
			fmt.Fprintf(&b, "  Fingerprint %s\n", w.subject)
		}
		b.WriteString("\n")
	}
	if more := len(due) - maxSentences; more > 0 {
		fmt.Fprintf(&b, "There are %d more.\n\n", more)
	}
	fmt.Fprintf(&b, "Everything is on the keyring's forecast page of Sealgate at %s, and in: sealgate health\n\n"+
		"You are named as an owner of the group, and are told of each of these once.\n", g.Domain)
	return b.String()
}
